#include "loader/syscalls/decode.hpp"

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <optional>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>

namespace trapline {
namespace {

struct Kind {
    char letter;
    std::string_view meaning;
};

constexpr Kind kKinds[] = {
    {'i', "int"},           {'u', "unsigned"}, {'l', "offset"},     {'x', "flags"},
    {'p', "pointer"},       {'s', "string"},   {'f', "descriptor"}, {'b', "bytes"},
    {'r', "buffer"},        {'o', "mode"},     {'O', "open flags"}, {'P', "protection"},
    {'M', "mapping flags"}, {'S', "signal"},   {'T', "timespec"},   {'a', "list of strings"},
};

struct Flag {
    std::uint64_t bits;
    const char* name;
};

constexpr Flag kOpenFlags[] = {
    {O_CREAT, "O_CREAT"},     {O_EXCL, "O_EXCL"},         {O_NOCTTY, "O_NOCTTY"},       {O_TRUNC, "O_TRUNC"},
    {O_APPEND, "O_APPEND"},   {O_NONBLOCK, "O_NONBLOCK"}, {O_SYNC, "O_SYNC"},           {O_DSYNC, "O_DSYNC"},
    {O_DIRECT, "O_DIRECT"},   {O_TMPFILE, "O_TMPFILE"},   {O_DIRECTORY, "O_DIRECTORY"}, {O_NOFOLLOW, "O_NOFOLLOW"},
    {O_NOATIME, "O_NOATIME"}, {O_CLOEXEC, "O_CLOEXEC"},   {O_PATH, "O_PATH"},
};
constexpr Flag kProtections[] = {{PROT_READ, "PROT_READ"}, {PROT_WRITE, "PROT_WRITE"}, {PROT_EXEC, "PROT_EXEC"}};
constexpr Flag kMappingFlags[] = {
    {MAP_SHARED_VALIDATE, "MAP_SHARED_VALIDATE"},
    {MAP_SHARED, "MAP_SHARED"},
    {MAP_PRIVATE, "MAP_PRIVATE"},
    {MAP_FIXED_NOREPLACE, "MAP_FIXED_NOREPLACE"},
    {MAP_FIXED, "MAP_FIXED"},
    {MAP_ANONYMOUS, "MAP_ANONYMOUS"},
    {MAP_GROWSDOWN, "MAP_GROWSDOWN"},
    {MAP_DENYWRITE, "MAP_DENYWRITE"},
    {MAP_NORESERVE, "MAP_NORESERVE"},
    {MAP_POPULATE, "MAP_POPULATE"},
    {MAP_STACK, "MAP_STACK"},
};

/// The names of the bits that are set, joined; what has no name stays a number.
template <std::size_t N> std::string names_of(std::uint64_t value, const Flag (&flags)[N], std::string text) {
    for (const Flag& f : flags) {
        if ((value & f.bits) != f.bits) continue;
        value &= ~f.bits;
        text += (text.empty() ? "" : "|") + std::string(f.name);
    }
    if (value != 0) text += fmt::format("{}{:#x}", text.empty() ? "" : "|", value);
    return text.empty() ? "0" : text;
}

/// Looks at memory, as far as it is there.
std::size_t peek(const Call& c, Addr at, char* out, std::size_t n) {
    std::size_t done = 0;
    while (done < n && at + done < kTaskSize) {
        const FrameNo f = c.mm().frame_at(at + done);
        if (f == 0) break;
        const std::size_t in_page = (at + done) & kPageMask;
        const std::size_t part = std::min(n - done, kPageSize - in_page);
        std::memcpy(out + done, c.kernel.frames().data(f) + in_page, part);
        done += part;
    }
    return done;
}

// Of one argument: a line of the log stays a line.
constexpr std::size_t kMostText = 128, kMostBytes = 32;

std::string quoted(std::string_view bytes, bool more) {
    std::string text = "\"";
    for (const char ch : bytes) {
        const auto u = static_cast<unsigned char>(ch);
        if (ch == '"' || ch == '\\')
            (text += '\\') += ch;
        else if (ch == '\n')
            text += "\\n";
        else if (ch == '\t')
            text += "\\t";
        else if (u < 0x20 || u >= 0x7f)
            text += fmt::format("\\x{:02x}", u);
        else
            text += ch;
    }
    return text + (more ? "\"..." : "\"");
}

std::string address(Addr a) { return a == 0 ? "NULL" : fmt::format("{:#x}", a); }

std::string string_at(const Call& c, Addr at) {
    char bytes[kMostText + 1];
    const std::size_t there = peek(c, at, bytes, sizeof bytes);
    const std::size_t length = ::strnlen(bytes, there);
    // Neither its end nor enough of it is there.
    if (length == there && there < sizeof bytes) return address(at);
    return quoted({bytes, std::min(length, kMostText)}, length > kMostText);
}

std::string bytes_at(const Call& c, Addr at, std::uint64_t n) {
    char bytes[kMostBytes];
    const std::size_t wanted = std::min<std::uint64_t>(n, kMostBytes);
    if (peek(c, at, bytes, wanted) < wanted) return address(at);
    return quoted({bytes, wanted}, n > kMostBytes);
}

std::string strings_at(const Call& c, Addr at) {
    if (at == 0) return "NULL";
    constexpr int kMost = 8;
    std::string text;
    for (int i = 0;; ++i, at += sizeof(Addr)) {
        Addr one = 0;
        if (peek(c, at, reinterpret_cast<char*>(&one), sizeof one) < sizeof one) return address(at);
        if (one == 0) return "[" + text + "]";
        if (i == kMost) return "[" + text + ", ...]";
        text += (i == 0 ? "" : ", ") + string_at(c, one);
    }
}

std::string time_at(const Call& c, Addr at) {
    timespec t{};
    if (at == 0 || peek(c, at, reinterpret_cast<char*>(&t), sizeof t) < sizeof t) return address(at);
    return fmt::format("{{{}, {}}}", t.tv_sec, t.tv_nsec);
}

std::string signal_name(int signo) {
    const char* abbreviation = signo > 0 && signo < 32 ? ::sigabbrev_np(signo) : nullptr;
    return abbreviation != nullptr ? fmt::format("SIG{}", abbreviation) : std::to_string(signo);
}

std::string argument(const Call& c, const SyscallInfo& info, std::size_t i, std::optional<long> returned) {
    const std::uint64_t v = c.args[i];
    switch (info.arguments[i]) {
    case 'i':
        return std::to_string(static_cast<std::int32_t>(v));
    case 'u':
        return std::to_string(v);
    case 'l':
        return std::to_string(static_cast<std::int64_t>(v));
    case 'f':
        return static_cast<int>(v) == AT_FDCWD ? "AT_FDCWD" : std::to_string(static_cast<std::int32_t>(v));
    case 's':
        return string_at(c, v);
    case 'b':
        return bytes_at(c, v, c.args[i + 1]);
    case 'r': // its contents are what the call has put there
        return returned && *returned >= 0 ? bytes_at(c, v, static_cast<std::uint64_t>(*returned)) : address(v);
    case 'a':
        return strings_at(c, v);
    case 'o':
        return fmt::format("{:#o}", v);
    case 'O': {
        constexpr const char* kAccess[] = {"O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"};
        const std::uint64_t flags = v & 0xffffffff;
        return names_of(flags & ~std::uint64_t{O_ACCMODE}, kOpenFlags, kAccess[flags & O_ACCMODE]);
    }
    case 'P':
        return v == PROT_NONE ? "PROT_NONE" : names_of(v, kProtections, {});
    case 'M':
        return names_of(v, kMappingFlags, {});
    case 'S':
        return signal_name(static_cast<int>(v));
    case 'T':
        return time_at(c, v);
    case 'p':
        return address(v);
    default:
        return v == 0 ? "0" : fmt::format("{:#x}", v);
    }
}

std::string call_text(const Call& c, const SyscallInfo* info, std::optional<long> returned) {
    if (info == nullptr) {
        std::string text = fmt::format("syscall_{}(", c.number);
        for (std::size_t i = 0; i < c.args.size(); ++i) text += fmt::format("{}{:#x}", i == 0 ? "" : ", ", c.args[i]);
        return text + ")";
    }
    std::string text(info->name);
    text += '(';
    for (std::size_t i = 0; i < info->arguments.size(); ++i)
        text += (i == 0 ? "" : ", ") + argument(c, *info, i, returned);
    return text + ")";
}

} // namespace

std::string_view argument_kind(char letter) {
    for (const Kind& k : kKinds)
        if (k.letter == letter) return k.meaning;
    return {};
}

std::string_view error_name(long result) {
    const char* name = result < 0 && result > -4096 ? ::strerrorname_np(static_cast<int>(-result)) : nullptr;
    return name != nullptr ? name : "";
}

std::string decode_call(const Call& c, const SyscallInfo* info) { return call_text(c, info, std::nullopt); }

std::string decode_call(const Call& c, const SyscallInfo* info, long returned) {
    // exec and sigreturn do not return to where they were called: what the arguments pointed at is gone.
    if (!c.sets_result) return fmt::format("{}() = ?", info != nullptr ? info->name : "syscall");
    std::string text = call_text(c, info, returned) + " = ";
    if (const std::string_view error = error_name(returned); !error.empty()) return text + fmt::format("-1 {}", error);
    // Addresses are large; so are no counts.
    constexpr long kLarge = 1l << 32;
    return text + (returned >= kLarge || returned < 0 ? fmt::format("{:#x}", static_cast<std::uint64_t>(returned))
                                                      : std::to_string(returned));
}

} // namespace trapline
