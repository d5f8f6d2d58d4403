// loader/files/place.hpp: from a path that a system call was given to what it names: a file of the sandbox or a model.
//
// The sandbox walks the path until it enters /proc, /dev or /sys; from there the models' links and `..` are followed
// here, and may lead back into the sandbox. Read next: loader/sandbox.hpp, loader/proc/node.hpp.
#pragma once

#include "loader/proc/node.hpp"
#include "loader/sandbox.hpp"

namespace trapline {

struct Place {
    Resolved host; ///< when it is not modelled
    std::optional<Node> node;
    bool followed = false; ///< a descriptor's link was followed: its file is meant, not the link

    [[nodiscard]] bool modelled() const { return node.has_value(); }
    [[nodiscard]] bool missing() const { return node ? node->kind == Node::Kind::missing : !host.exists(); }
    [[nodiscard]] bool is_directory() const;
    [[nodiscard]] const std::string& path() const { return node ? node->path : host.path; }
};

/// Where `path` leads from directory `fd` (or AT_FDCWD). What is missing in the last component is no error.
OrErrno<Place> find_place(Io& io, int fd, std::string_view path, LastLink last);
/// stat of a place; -ENOENT if it is missing.
OrErrno<FileStat> place_stat(Io& io, const Place& place);

} // namespace trapline
