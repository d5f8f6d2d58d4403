#include "tools/debug/files.hpp"

#include "tools/debug/connection.hpp"

#include <algorithm>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <unistd.h>

namespace trapline {
namespace {

constexpr const char* kNoEntry = "F-1,2";
constexpr const char* kBadFile = "F-1,9";

/// gdb's struct stat ("struct stat" in its manual): 4-byte and 8-byte fields, the most significant byte first.
std::string big_endian(std::uint64_t value, unsigned bytes) {
    std::string out;
    while (bytes-- > 0) out += static_cast<char>(value >> (8 * bytes));
    return out;
}

} // namespace

GuestFiles::GuestFiles(const std::string& root) : root_(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {}

std::string GuestFiles::answer(std::string_view packet) {
    const std::size_t colon = packet.find(':');
    if (colon == std::string_view::npos) return "";
    const std::string_view what = packet.substr(0, colon), rest = packet.substr(colon + 1);
    if (what == "setfs") return "F0";
    if (what == "open") return open(rest);
    if (what == "pread") return read(rest);
    if (what == "fstat") return status(rest);
    if (what == "close") {
        std::string_view number = rest;
        const std::size_t n = take_hex(number).value_or(~0ull);
        if (n >= open_.size() || !open_[n]) return kBadFile;
        open_[n] = HostFd();
        return "F0";
    }
    return "";
}

std::string GuestFiles::open(std::string_view path) {
    const std::string name = from_hex(path.substr(0, path.find(',')));
    // Links lead where they lead the guest: not out of its root.
    OrErrno<HostFd> file = open_below(root_.get(), name, O_RDONLY | O_NONBLOCK, 0, RESOLVE_IN_ROOT);
    struct stat s {};
    if (!file || ::fstat(file->get(), &s) != 0 || !S_ISREG(s.st_mode)) return kNoEntry;
    auto place = std::find_if(open_.begin(), open_.end(), [](const HostFd& fd) { return !fd; });
    if (place == open_.end()) place = open_.emplace(open_.end());
    *place = std::move(*file);
    return fmt::format("F{:x}", place - open_.begin());
}

std::string GuestFiles::read(std::string_view arguments) {
    const std::size_t n = take_hex(arguments).value_or(~0ull);
    if (!arguments.empty()) arguments.remove_prefix(1);
    const std::size_t count = take_hex(arguments).value_or(0);
    if (!arguments.empty()) arguments.remove_prefix(1);
    const auto offset = static_cast<off_t>(take_hex(arguments).value_or(0));
    constexpr std::size_t kMost = 0x1800; // each byte may need two
    std::string bytes(std::min(count, kMost), '\0');
    const ssize_t got = n < open_.size() ? ::pread(open_[n].get(), bytes.data(), bytes.size(), offset) : -1;
    if (got < 0) return kBadFile;
    bytes.resize(static_cast<std::size_t>(got));
    return fmt::format("F{:x};", bytes.size()) + bytes;
}

std::string GuestFiles::status(std::string_view number) {
    const std::size_t n = take_hex(number).value_or(~0ull);
    struct stat s {};
    if (n >= open_.size() || ::fstat(open_[n].get(), &s) != 0) return kBadFile;
    std::string out;
    for (const std::uint64_t field : {0ull, 0ull, static_cast<unsigned long long>(s.st_mode), 1ull, 0ull, 0ull, 0ull})
        out += big_endian(field, 4); // device, inode, mode, links, user, group, special device
    for (const off_t field : {s.st_size, static_cast<off_t>(s.st_blksize), static_cast<off_t>(s.st_blocks)})
        out += big_endian(static_cast<std::uint64_t>(field), 8);
    for (int i = 0; i < 3; ++i) out += big_endian(static_cast<std::uint64_t>(s.st_mtime), 4);
    return fmt::format("F{:x};", out.size()) + out;
}

} // namespace trapline
