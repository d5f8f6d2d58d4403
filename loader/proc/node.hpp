// loader/proc/node.hpp: the modelled files: /proc, /dev and /sys.
//
// A path below them names a Node: a directory, a text that is made when it is read, a link, a device, or a file in
// memory. There is no tree in memory; each place computes the node for a path when asked, so that it is always true.
// Texts describe the virtual machine and never the host. Read next: node.cpp, then process_files.cpp,
// machine_files.cpp, devices.cpp.
#pragma once

#include "loader/files/file.hpp"
#include "loader/files/memory_file.hpp"

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace trapline {

struct Node {
    enum class Kind : std::uint8_t { missing, directory, text, link, descriptor, device, memory };
    using Name = std::pair<std::string, std::uint8_t>; ///< and its DT_* type

    Kind kind = Kind::missing;
    std::string path;                                    ///< without `..` and links
    mode_t mode = 0;                                     ///< permission bits
    std::function<std::string(Io&)> text;                ///< text: the contents now
    std::string target;                                  ///< link: where to
    std::shared_ptr<File> file;                          ///< descriptor: /proc/PID/fd/N is this description
    std::function<std::shared_ptr<File>(Io&, int)> open; ///< device: a description with these flags
    std::uint64_t special = 0;                           ///< device: st_rdev
    std::shared_ptr<MemoryNode> memory;
    std::vector<Name> names; ///< directory: what is in it, without `.` and `..`

    [[nodiscard]] bool is_link() const { return kind == Kind::link || kind == Kind::descriptor; }
};

/// The node at a path that begins with /proc, /dev or /sys and has no `.`, `..` or links in it.
Node find_node(Io& io, const std::string& path);
/// What stat shows of a node that is not missing.
OrErrno<FileStat> node_stat(Io& io, const Node& node);
/// Opens a node that is neither missing nor a link.
OrErrno<std::shared_ptr<File>> open_node(Io& io, const Node& node, int flags);

// The three places. Each returns a missing node for what it does not have.
Node process_node(Io& io, const std::string& path); ///< /proc, its numbers, /proc/self
Node machine_node(Io& io, const std::string& path); ///< the rest of /proc, and /sys
Node device_node(Io& io, const std::string& path);  ///< /dev

Node directory_node(std::string path, std::vector<Node::Name> names);
Node text_node(std::string path, std::function<std::string(Io&)> text, mode_t mode = 0444);
Node link_node(std::string path, std::string target);

} // namespace trapline
