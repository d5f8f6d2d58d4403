// Messages through sockets, with what may come along: descriptors and credentials (cmsg(3), unix(7)).
#include "loader/syscalls/clock.hpp"
#include "loader/syscalls/socket_support.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <sys/socket.h>

namespace trapline {
namespace {

constexpr std::size_t kMostRights = 253;       // SCM_MAX_FD
constexpr std::uint64_t kMostControl = 131072; // net.core.optmem_max
constexpr std::uint64_t kMostMessages = 1024;  // UIO_MAXIOV
constexpr std::size_t kHeader = sizeof(cmsghdr);
static_assert(kHeader == 16 && sizeof(msghdr) == 56);

/// struct msghdr as the guest has it.
struct Header {
    Addr name;
    std::int32_t name_bytes, pad;
    Addr ranges;
    std::uint64_t range_count;
    Addr control;
    std::uint64_t control_bytes;
    std::int32_t flags, pad2;
};
static_assert(sizeof(Header) == sizeof(msghdr));

constexpr std::uint64_t aligned(std::uint64_t n) { return (n + 7) & ~std::uint64_t{7}; }

bool may_wait(const Socket& s, int flags) { return (flags & MSG_DONTWAIT) == 0 && (s.flags & O_NONBLOCK) == 0; }

// Sending.

long read_rights(Call& c, const std::vector<std::uint8_t>& data, Message& message) {
    const std::size_t n = data.size() / sizeof(std::int32_t);
    if (message.rights.size() + n > kMostRights) return -EINVAL;
    for (std::size_t i = 0; i < n; ++i) {
        std::int32_t fd = 0;
        std::memcpy(&fd, data.data() + i * sizeof fd, sizeof fd);
        auto file = files_of(c).get(fd);
        if (file == nullptr) return -EBADF;
        message.rights.push_back(std::move(file));
    }
    return 0;
}

/// A program may only say that it is who it is.
long read_credentials(Call& c, const std::vector<std::uint8_t>& data, Message& message) {
    Credentials said;
    if (data.size() != sizeof said) return -EINVAL;
    std::memcpy(&said, data.data(), sizeof said);
    if (said.pid != c.process().pid || said.uid != 0 || said.gid != 0) return -EPERM;
    message.sender = said;
    return 0;
}

long read_control(Call& c, const Socket& s, const Header& h, Message& message) {
    if (h.control_bytes > kMostControl) return -ENOBUFS;
    for (std::uint64_t at = 0; h.control != 0 && at + kHeader <= h.control_bytes;) {
        cmsghdr head{};
        if (!c.mm().get(h.control + at, head)) return -EFAULT;
        if (head.cmsg_len < kHeader || head.cmsg_len > h.control_bytes - at) return -EINVAL;
        std::vector<std::uint8_t> data(head.cmsg_len - kHeader);
        if (!c.mm().read(h.control + at + kHeader, data.data(), data.size())) return -EFAULT;
        at += aligned(head.cmsg_len);
        if (head.cmsg_level != SOL_SOCKET) {
            if (s.is_unix()) continue; // as __scm_send has it
            return -EINVAL;
        }
        long r = -EINVAL;
        if (head.cmsg_type == SCM_RIGHTS && s.is_unix()) r = read_rights(c, data, message);
        if (head.cmsg_type == SCM_CREDENTIALS && s.is_unix()) r = read_credentials(c, data, message);
        if (r != 0) return r;
    }
    return 0;
}

Path<long> send_all(Call& c, std::shared_ptr<Socket> s, GuestBuffer from, Message message, int flags) {
    Io io = io_of(c);
    const Cycles deadline = give_up_at(c, *s, true);
    long total = 0;
    for (;;) {
        const long r = s->send(io, from, message, flags);
        if (r >= 0) {
            total += r;
            if (!s->writes_all() || from.left() == 0 || !may_wait(*s, flags)) co_return total;
        } else if (r != -EAGAIN || !may_wait(*s, flags)) {
            if (r == -EPIPE && (flags & MSG_NOSIGNAL) == 0 && s->signals_broken_pipe()) send_broken_pipe(c);
            co_return total != 0 ? total : r;
        } else {
            const Wake w = co_await c.kernel.sleep(c.task, &s->readiness()->queue, deadline);
            if (w != Wake::woken && total != 0) co_return total;
            if (w == Wake::timeout) co_return -EAGAIN;
            if (w == Wake::signal) co_return deadline == kNever ? c.interrupted() : -EINTR;
        }
    }
}

Path<long> sys_sendto(Call& c) {
    auto s = socket_at(c, c.fd(0));
    if (!s) co_return s.error();
    Message message;
    if (c.args[4] != 0) {
        auto address = read_address(c, c.args[4], c.args[5]);
        if (!address) co_return address.error();
        message.address = *address;
    }
    auto from = GuestBuffer::range(c.mm(), c.args[1], c.args[2]);
    if (!from) co_return from.error();
    co_return co_await send_all(c, *s, std::move(*from), std::move(message), static_cast<int>(c.args[3]));
}

Path<long> send_message(Call& c, std::shared_ptr<Socket> s, Addr at, int flags) {
    Header h{};
    if (!c.mm().get(at, h)) co_return -EFAULT;
    Message message;
    if (h.name != 0 && h.name_bytes != 0) {
        if (h.name_bytes < 0) co_return -EINVAL;
        const int bytes = std::min(h.name_bytes, static_cast<std::int32_t>(SocketAddress::kMost));
        auto address = read_address(c, h.name, static_cast<std::uint64_t>(bytes));
        if (!address) co_return address.error();
        message.address = *address;
    }
    if (h.range_count > GuestBuffer::kMostRanges) co_return -EMSGSIZE;
    auto from = GuestBuffer::list(c.mm(), h.ranges, h.range_count);
    if (!from) co_return from.error();
    if (const long r = read_control(c, *s, h, message); r != 0) co_return r;
    co_return co_await send_all(c, std::move(s), std::move(*from), std::move(message), flags);
}

Path<long> sys_sendmsg(Call& c) {
    auto s = socket_at(c, c.fd(0));
    if (!s) co_return s.error();
    co_return co_await send_message(c, *s, c.args[1], static_cast<int>(c.args[2]));
}

/// struct mmsghdr: a message and how long it was.
constexpr std::uint64_t kEntry = 64;

Path<long> sys_sendmmsg(Call& c) {
    auto s = socket_at(c, c.fd(0));
    if (!s) co_return s.error();
    const std::uint64_t n = std::min<std::uint64_t>(static_cast<std::uint32_t>(c.args[2]), kMostMessages);
    for (std::uint64_t i = 0; i < n; ++i) {
        const Addr at = c.args[1] + i * kEntry;
        const long r = co_await send_message(c, *s, at, static_cast<int>(c.args[3]));
        if (r < 0) co_return i != 0 ? static_cast<long>(i) : r;
        if (!c.mm().put(at + sizeof(Header), static_cast<std::uint32_t>(r)))
            co_return i != 0 ? static_cast<long>(i) : -EFAULT;
    }
    co_return static_cast<long>(n);
}

// Receiving.

Path<long> receive_all(Call& c, std::shared_ptr<Socket> s, GuestBuffer& to, Message& message, int flags,
                       Cycles deadline) {
    Io io = io_of(c);
    if ((flags & MSG_ERRQUEUE) != 0) co_return -EAGAIN; // nothing is ever put there
    const bool whole = (flags & MSG_WAITALL) != 0 && (flags & MSG_PEEK) == 0 && s->is_stream();
    long total = 0;
    for (;;) {
        const long r = s->receive(io, to, message, flags);
        if (r > 0) total += r;
        if (r >= 0 && (!whole || r == 0 || to.left() == 0)) co_return total;
        if (r < 0 && (r != -EAGAIN || !may_wait(*s, flags))) co_return total != 0 ? total : r;
        if (r > 0) continue;
        const Wake w = co_await c.kernel.sleep(c.task, &s->readiness()->queue, deadline);
        if (w != Wake::woken && total != 0) co_return total;
        if (w == Wake::timeout) co_return -EAGAIN;
        if (w == Wake::signal) co_return deadline == kNever ? c.interrupted() : -EINTR;
    }
}

Path<long> sys_recvfrom(Call& c) {
    auto s = socket_at(c, c.fd(0));
    if (!s) co_return s.error();
    auto to = GuestBuffer::range(c.mm(), c.args[1], c.args[2]);
    if (!to) co_return to.error();
    Message message;
    const int flags = static_cast<int>(c.args[3]);
    const long n = co_await receive_all(c, *s, *to, message, flags, give_up_at(c, **s, false));
    if (n < 0) co_return n;
    // A connection's bytes come from nobody in particular: the caller's length becomes zero.
    const long r = write_address(c, message.address, c.args[4], c.args[5]);
    co_return r != 0 ? r : n;
}

/// One control message behind the others, as far as there is room (net/core/scm.c, put_cmsg).
void put_control(Call& c, const Header& h, std::uint64_t& used, int& flags, int type, const void* data,
                 std::size_t bytes) {
    const std::uint64_t room = h.control != 0 && h.control_bytes > used ? h.control_bytes - used : 0;
    if (room < kHeader) {
        flags |= MSG_CTRUNC;
        return;
    }
    cmsghdr head{};
    head.cmsg_len = kHeader + bytes;
    head.cmsg_level = SOL_SOCKET;
    head.cmsg_type = type;
    if (room < head.cmsg_len) {
        flags |= MSG_CTRUNC;
        head.cmsg_len = room;
    }
    if (!c.mm().put(h.control + used, head) || !c.mm().write(h.control + used + kHeader, data, head.cmsg_len - kHeader))
        return;
    used += std::min(aligned(kHeader + bytes), room);
}

/// The files that came along become descriptors of the receiver, as many as fit.
void put_rights(Call& c, const Header& h, std::uint64_t& used, int& flags, Message& message, bool close_on_exec) {
    const std::uint64_t room = h.control != 0 && h.control_bytes > used ? h.control_bytes - used : 0;
    const std::size_t most = room > kHeader ? (room - kHeader) / sizeof(std::int32_t) : 0;
    std::vector<std::int32_t> fds;
    for (auto& file : message.rights) {
        if (fds.size() == most) break;
        const int fd = files_of(c).add(file, close_on_exec, descriptor_limit(c));
        if (fd < 0) break;
        fds.push_back(fd);
    }
    if (fds.size() < message.rights.size()) flags |= MSG_CTRUNC;
    if (!fds.empty()) put_control(c, h, used, flags, SCM_RIGHTS, fds.data(), fds.size() * sizeof(std::int32_t));
}

Path<long> receive_message(Call& c, std::shared_ptr<Socket> s, Addr at, int flags, Cycles deadline) {
    Header h{};
    if (!c.mm().get(at, h)) co_return -EFAULT;
    if (h.name_bytes < 0) co_return -EINVAL;
    if (h.range_count > GuestBuffer::kMostRanges) co_return -EMSGSIZE;
    auto to = GuestBuffer::list(c.mm(), h.ranges, h.range_count);
    if (!to) co_return to.error();
    Message message;
    const long n = co_await receive_all(c, s, *to, message, flags, deadline);
    if (n < 0) co_return n;
    int shown = message.flags | (flags & MSG_CMSG_CLOEXEC);
    std::uint64_t used = 0;
    if (s->is_unix() && s->options.pass_credentials() && message.sender)
        put_control(c, h, used, shown, SCM_CREDENTIALS, &*message.sender, sizeof *message.sender);
    if (!message.rights.empty()) put_rights(c, h, used, shown, message, (flags & MSG_CMSG_CLOEXEC) != 0);
    if (h.name != 0) {
        const Addr length = at + offsetof(Header, name_bytes);
        if (const long r = write_address(c, message.address, h.name, length); r != 0) co_return r;
    }
    if (!c.mm().put(at + offsetof(Header, control_bytes), used) || !c.mm().put(at + offsetof(Header, flags), shown))
        co_return -EFAULT;
    co_return n;
}

Path<long> sys_recvmsg(Call& c) {
    auto s = socket_at(c, c.fd(0));
    if (!s) co_return s.error();
    co_return co_await receive_message(c, *s, c.args[1], static_cast<int>(c.args[2]), give_up_at(c, **s, false));
}

Path<long> sys_recvmmsg(Call& c) {
    auto s = socket_at(c, c.fd(0));
    if (!s) co_return s.error();
    Cycles end = kNever;
    if (c.args[4] != 0) {
        GuestTime time;
        if (!c.mm().get(c.args[4], time)) co_return -EFAULT;
        const auto ns = from_timespec(time);
        if (!ns) co_return -EINVAL;
        end = deadline_in(c.kernel, c.task, *ns);
    }
    const std::uint64_t n = std::min<std::uint64_t>(static_cast<std::uint32_t>(c.args[2]), kMostMessages);
    int flags = static_cast<int>(c.args[3]);
    const int each = flags & ~MSG_WAITFORONE;
    std::uint64_t done = 0;
    while (done < n) {
        const Addr at = c.args[1] + done * kEntry;
        const bool first_only = done > 0 && (flags & MSG_WAITFORONE) != 0;
        const int now = first_only ? each | MSG_DONTWAIT : each;
        const long r = co_await receive_message(c, *s, at, now, give_up_at(c, **s, false));
        if (r < 0) co_return done != 0 ? static_cast<long>(done) : r;
        if (!c.mm().put(at + sizeof(Header), static_cast<std::uint32_t>(r)))
            co_return done != 0 ? static_cast<long>(done) : -EFAULT;
        ++done;
        if (c.kernel.now(c.task) >= end) break; // looked at between messages only (recvmmsg(2), BUGS)
    }
    co_return static_cast<long>(done);
}

} // namespace

std::span<const SyscallInfo> socket_message_calls() {
    static constexpr std::string_view kNoUrgent = "partial: no MSG_OOB";
    static constexpr SyscallInfo kCalls[] = {
        {44, "sendto", "fbuxpu", kNoUrgent, nullptr, sys_sendto},
        {45, "recvfrom", "fruxpp", kNoUrgent, nullptr, sys_recvfrom},
        {46, "sendmsg", "fpx", kNoUrgent, nullptr, sys_sendmsg},
        {47, "recvmsg", "fpx", kNoUrgent, nullptr, sys_recvmsg},
        {299, "recvmmsg", "fpuxp", kNoUrgent, nullptr, sys_recvmmsg},
        {307, "sendmmsg", "fpux", kNoUrgent, nullptr, sys_sendmmsg},
    };
    return kCalls;
}

} // namespace trapline
