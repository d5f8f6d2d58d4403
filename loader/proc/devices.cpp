// /dev: null, zero, full, random, urandom, tty, shared memory, and links to the standard streams.
#include "loader/proc/node.hpp"

#include "loader/files/file_table.hpp"
#include "loader/files/stream.hpp"
#include "loader/system.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <dirent.h>
#include <sys/stat.h>

namespace trapline {
namespace {

enum class Device : std::uint8_t { null, zero, full, random };

class DeviceFile final : public File {
  public:
    DeviceFile(Device device, Node node, int status_flags)
        : File(status_flags), device_(device), node_(std::move(node)) {}

    long read(Io& io, IoBuffer& to, std::uint64_t&) override {
        if (device_ == Device::null) return 0;
        long total = 0;
        while (to.left() > 0) {
            std::array<std::uint8_t, 4096> piece{};
            const std::size_t n = std::min<std::uint64_t>(piece.size(), to.left());
            if (device_ == Device::random)
                for (std::size_t i = 0; i < n; i += sizeof(std::uint64_t)) {
                    const std::uint64_t r = io.kernel.rng().next();
                    std::memcpy(piece.data() + i, &r, std::min(sizeof r, n - i));
                }
            const std::size_t copied = to.put(piece.data(), n);
            total += static_cast<long>(copied);
            if (copied < n) return total != 0 ? total : -EFAULT;
        }
        return total;
    }
    long write(Io&, IoBuffer& from, std::uint64_t&) override {
        return device_ == Device::full && from.left() > 0 ? -ENOSPC : static_cast<long>(from.left());
    }
    OrErrno<FileStat> stat(Io& io) override { return node_stat(io, node_); }
    [[nodiscard]] bool seekable() const override { return true; }
    long seek(Io&, std::int64_t, int) override { return 0; }
    OrErrno<std::shared_ptr<Inode>> inode(Io&) override {
        if (device_ != Device::zero) return refuse(ENODEV);
        return std::shared_ptr<Inode>();
    }
    OrErrno<std::shared_ptr<File>> reopen(Io& io, int new_flags) override {
        return open_node(io, find_node(io, node_.path), new_flags);
    }
    std::string name() const override { return node_.path; }

  private:
    const Device device_;
    Node node_;
};

struct DeviceName {
    std::string_view path;
    Device device;
    unsigned minor;
};
constexpr DeviceName kDevices[] = {{"/dev/full", Device::full, 7},
                                   {"/dev/null", Device::null, 3},
                                   {"/dev/random", Device::random, 8},
                                   {"/dev/urandom", Device::random, 9},
                                   {"/dev/zero", Device::zero, 5}};
struct Link {
    std::string_view path, target;
};
constexpr Link kLinks[] = {{"/dev/fd", "/proc/self/fd"},
                           {"/dev/stderr", "/proc/self/fd/2"},
                           {"/dev/stdin", "/proc/self/fd/0"},
                           {"/dev/stdout", "/proc/self/fd/1"}};
constexpr std::string_view kShared = "/dev/shm";

Node device(std::string path, mode_t mode, std::uint64_t special) {
    Node n;
    n.kind = Node::Kind::device;
    n.path = std::move(path);
    n.mode = mode;
    n.special = special;
    return n;
}

/// The terminal that the machine's standard streams are connected to, if one of them is.
std::shared_ptr<File> open_terminal(Io& io, int flags) {
    const StandardFiles& host = io.system.standard();
    int number = 0;
    for (int fd : {host.in, host.out, host.err}) {
        auto stream = standard_stream(fd, number, number != 0 && static_cast<bool>(io.system.output), 1);
        if (stream != nullptr && stream->is_terminal())
            if (auto again = stream->reopen(io, flags)) return *again;
        ++number;
    }
    return nullptr;
}

Node shared_node(Io& io, const std::string& path) {
    const auto& files = files_of(*io.task.process).shared->shared_memory;
    if (path == kShared) {
        std::vector<Node::Name> names;
        for (const auto& [name, node] : files) names.emplace_back(name, node->fifo != nullptr ? DT_FIFO : DT_REG);
        Node n = directory_node(path, std::move(names));
        n.mode = 01777;
        return n;
    }
    const auto at = files.find(path.substr(kShared.size() + 1));
    Node n;
    if (at == files.end()) return n;
    n.kind = Node::Kind::memory;
    n.mode = at->second->mode;
    n.memory = at->second;
    return n;
}

} // namespace

Node device_node(Io& io, const std::string& path) {
    if (path == "/dev") {
        std::vector<Node::Name> names = {{"shm", DT_DIR}, {"tty", DT_CHR}};
        for (const DeviceName& d : kDevices) names.emplace_back(d.path.substr(5), DT_CHR);
        for (const Link& l : kLinks) names.emplace_back(l.path.substr(5), DT_LNK);
        Node n = directory_node(path, std::move(names));
        n.mode = 0755;
        return n;
    }
    if (path == kShared || path.starts_with("/dev/shm/")) return shared_node(io, path);
    for (const Link& l : kLinks)
        if (l.path == path) return link_node(path, std::string(l.target));
    for (const DeviceName& d : kDevices)
        if (d.path == path) {
            constexpr unsigned kMemoryDevices = 1;
            Node n = device(path, 0666, kMemoryDevices << 8 | d.minor);
            n.open = [plain = n, kind = d.device](Io&, int flags) -> std::shared_ptr<File> {
                return std::make_shared<DeviceFile>(kind, plain, flags);
            };
            return n;
        }
    if (path == "/dev/tty") {
        Node n = device(path, 0666, 0x500);
        n.open = open_terminal;
        return n;
    }
    return {};
}

} // namespace trapline
