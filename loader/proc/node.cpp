#include "loader/proc/node.hpp"

#include "loader/files/file_table.hpp"

#include <algorithm>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

namespace trapline {
namespace {

/// The same for every run: a hash of the path (FNV-1a), in a range of its own.
std::uint64_t node_number(const std::string& path) {
    std::uint32_t h = 2166136261u;
    for (char c : path) h = (h ^ static_cast<unsigned char>(c)) * 16777619u;
    return 0xf00000000 | h;
}

std::uint64_t device_of(const std::string& path) {
    if (path.starts_with("/proc")) return 0x16;
    return path.starts_with("/sys") ? 0x17 : 0x6;
}

FileStat stat_of(Io& io, const std::string& path, std::uint32_t mode) {
    FileStat st = plain_stat(node_number(path), mode, io.kernel);
    st.device = device_of(path);
    return st;
}

/// A text that is made anew each time it is read from the start.
class NodeText final : public File {
  public:
    NodeText(Node node, int status_flags) : File(status_flags), node_(std::move(node)) {}
    long read(Io& io, IoBuffer& to, std::uint64_t& at) override {
        if (at == 0) text_ = node_.text(io);
        if (at >= text_.size()) return 0;
        const std::size_t n = std::min<std::uint64_t>(text_.size() - at, to.left());
        const std::size_t copied = to.put(reinterpret_cast<const std::uint8_t*>(text_.data()) + at, n);
        at += copied;
        return copied == 0 && n != 0 ? -EFAULT : static_cast<long>(copied);
    }
    long write(Io&, IoBuffer&, std::uint64_t&) override { return -EACCES; }
    OrErrno<FileStat> stat(Io& io) override { return node_stat(io, node_); }
    [[nodiscard]] bool seekable() const override { return true; }
    OrErrno<std::shared_ptr<File>> reopen(Io& io, int new_flags) override { return open_node(io, node_, new_flags); }
    std::string name() const override { return node_.path; }

  private:
    Node node_;
    std::string text_;
};

class NodeDirectory final : public File {
  public:
    NodeDirectory(std::string path, int status_flags) : File(status_flags), path_(std::move(path)) {}
    long read(Io&, IoBuffer&, std::uint64_t&) override { return -EISDIR; }
    OrErrno<FileStat> stat(Io& io) override { return node_stat(io, find_node(io, path_)); }
    [[nodiscard]] bool seekable() const override { return true; }
    OrErrno<std::vector<DirectoryEntry>> list(Io& io) override {
        std::vector<DirectoryEntry> out = {{".", node_number(path_), DT_DIR},
                                           {"..", node_number(path_ + "/.."), DT_DIR}};
        Node now = find_node(io, path_);
        std::sort(now.names.begin(), now.names.end());
        for (const auto& [name, type] : now.names) out.push_back({name, node_number(path_ + "/" + name), type});
        return out;
    }
    OrErrno<std::shared_ptr<File>> reopen(Io& io, int new_flags) override {
        return open_node(io, find_node(io, path_), new_flags);
    }
    std::string* directory() override { return &path_; }
    std::string name() const override { return path_; }

  private:
    std::string path_;
};

/// O_PATH to something that is not opened by that.
class NodeName final : public File {
  public:
    NodeName(Node node, int status_flags) : File(status_flags), node_(std::move(node)) {}
    OrErrno<FileStat> stat(Io& io) override { return node_stat(io, node_); }
    OrErrno<std::shared_ptr<File>> reopen(Io& io, int new_flags) override { return open_node(io, node_, new_flags); }
    std::string name() const override { return node_.path; }

  private:
    Node node_;
};

} // namespace

Node directory_node(std::string path, std::vector<Node::Name> names) {
    Node n;
    n.kind = Node::Kind::directory;
    n.path = std::move(path);
    n.mode = 0555;
    n.names = std::move(names);
    return n;
}

Node text_node(std::string path, std::function<std::string(Io&)> text, mode_t mode) {
    Node n;
    n.kind = Node::Kind::text;
    n.path = std::move(path);
    n.mode = mode;
    n.text = std::move(text);
    return n;
}

Node link_node(std::string path, std::string target) {
    Node n;
    n.kind = Node::Kind::link;
    n.path = std::move(path);
    n.mode = 0777;
    n.target = std::move(target);
    return n;
}

Node find_node(Io& io, const std::string& path) {
    Node n;
    if (path == "/dev" || path.starts_with("/dev/"))
        n = device_node(io, path);
    else if (path == "/proc" || path.starts_with("/proc/"))
        n = process_node(io, path);
    if (n.kind == Node::Kind::missing && !path.starts_with("/dev")) n = machine_node(io, path);
    n.path = path;
    return n;
}

OrErrno<FileStat> node_stat(Io& io, const Node& node) {
    switch (node.kind) {
    case Node::Kind::missing:
        return refuse(ENOENT);
    case Node::Kind::memory:
        return memory_stat(*node.memory);
    case Node::Kind::text:
        return stat_of(io, node.path, S_IFREG | node.mode);
    case Node::Kind::link:
    case Node::Kind::descriptor:
        return stat_of(io, node.path, S_IFLNK | node.mode);
    case Node::Kind::device: {
        FileStat st = stat_of(io, node.path, S_IFCHR | node.mode);
        st.special = node.special;
        return st;
    }
    case Node::Kind::directory:
        break;
    }
    FileStat st = stat_of(io, node.path, S_IFDIR | node.mode);
    st.view.links = 2;
    for (const auto& [name, type] : node.names) st.view.links += type == DT_DIR ? 1 : 0;
    return st;
}

OrErrno<std::shared_ptr<File>> open_node(Io& io, const Node& node, int flags) {
    const bool writes = (flags & O_ACCMODE) != O_RDONLY;
    const int shown = (flags & (O_ACCMODE | O_APPEND | O_NONBLOCK | O_DIRECTORY | O_NOFOLLOW | O_PATH)) | 0100000;
    if (node.kind == Node::Kind::missing) return refuse(ENOENT);
    if ((flags & O_CREAT) != 0 && (flags & O_EXCL) != 0) return refuse(EEXIST);
    if (node.kind != Node::Kind::directory && (flags & O_DIRECTORY) != 0) return refuse(ENOTDIR);
    if (node.kind == Node::Kind::directory) {
        if (writes || (flags & O_CREAT) != 0) return refuse(EISDIR);
        return std::make_shared<NodeDirectory>(node.path, shown);
    }
    if ((flags & O_PATH) != 0) return std::make_shared<NodeName>(node, flags & (O_PATH | O_NOFOLLOW));
    switch (node.kind) {
    case Node::Kind::descriptor:
        return node.file->reopen(io, flags);
    case Node::Kind::text:
        if (writes && (node.mode & 0222) == 0) return refuse(EACCES);
        return std::make_shared<NodeText>(node, shown);
    case Node::Kind::memory: {
        if (node.memory->fifo != nullptr) return refuse(ENXIO); // open waits for its other end: syscalls/open.cpp
        auto file = std::make_shared<MemoryFile>(node.memory, shown & ~O_NOFOLLOW);
        if ((flags & O_TRUNC) != 0 && writes)
            if (const long r = file->truncate(io, 0); r != 0) return tl::make_unexpected(static_cast<int>(r));
        return file;
    }
    case Node::Kind::device: {
        auto file = node.open(io, shown & ~O_NOFOLLOW);
        if (file == nullptr) return refuse(ENXIO);
        return file;
    }
    default:
        return refuse(ELOOP);
    }
}

} // namespace trapline
