// epoll; and those relatives that a machine without devices and networks does not have.
#include "loader/files/epoll.hpp"

#include "loader/syscalls/clock.hpp"
#include "loader/syscalls/file_support.hpp"

#include <sys/epoll.h>

namespace trapline {
namespace {

constexpr std::uint64_t kMillisecond = 1'000'000;

long create(Call& c, bool close_on_exec) {
    FileTable& files = files_of(c);
    return files.add(std::make_shared<Epoll>(O_RDWR, ++files.shared->last_number), close_on_exec, descriptor_limit(c));
}

long sys_epoll_create(Call& c) { return static_cast<std::int32_t>(c.args[0]) <= 0 ? -EINVAL : create(c, false); }
long sys_epoll_create1(Call& c) {
    return (c.args[0] & ~std::uint64_t{EPOLL_CLOEXEC}) != 0 ? -EINVAL : create(c, c.args[0] != 0);
}

long sys_epoll_ctl(Call& c) {
    const auto self = files_of(c).use(c.fd(0)), file = files_of(c).use(c.fd(2));
    if (self == nullptr || file == nullptr) return -EBADF;
    auto* epoll = dynamic_cast<Epoll*>(self.get());
    if (epoll == nullptr) return -EINVAL;
    Epoll::Event event;
    if (c.fd(1) != EPOLL_CTL_DEL && !c.mm().get(c.args[3], event)) return -EFAULT;
    Io io = io_of(c);
    return epoll->control(io, c.fd(1), c.fd(2), file, event);
}

Path<long> wait(Call& c, Cycles deadline, bool look_once) {
    const auto self = files_of(c).use(c.fd(0));
    if (self == nullptr) co_return -EBADF;
    auto* epoll = dynamic_cast<Epoll*>(self.get());
    const auto most = static_cast<std::int32_t>(c.args[2]);
    constexpr std::int32_t kMost = 0x7fffffff / sizeof(Epoll::Event), kAtOnce = 1 << 16;
    if (epoll == nullptr || most <= 0 || most > kMost) co_return -EINVAL;
    Io io = io_of(c);
    for (;;) {
        const std::vector<Epoll::Event> events = epoll->collect(io, static_cast<std::size_t>(std::min(most, kAtOnce)));
        if (!events.empty()) {
            const bool ok = c.mm().write(c.args[1], events.data(), events.size() * sizeof(Epoll::Event));
            co_return ok ? static_cast<long>(events.size()) : -EFAULT;
        }
        if (look_once) co_return 0;
        Poller poller;
        epoll->watch(poller);
        const Wake w = co_await c.kernel.sleep(c.task, &poller.queue, deadline);
        if (w == Wake::signal) co_return -EINTR; // never starts again (signal(7))
        look_once = w == Wake::timeout;
    }
}

Path<long> wait_milliseconds(Call& c) {
    const auto ms = static_cast<std::int32_t>(c.args[3]);
    return wait(c, ms < 0 ? kNever : deadline_in(c.kernel, c.task, static_cast<std::uint64_t>(ms) * kMillisecond),
                ms == 0);
}

Path<long> masked(Call& c, Path<long> inner) {
    std::uint64_t set = 0;
    if (c.args[4] == 0) co_return co_await std::move(inner);
    if (c.args[5] != sizeof set) co_return -EINVAL;
    if (!c.mm().get(c.args[4], set)) co_return -EFAULT;
    c.task.saved_mask = c.task.blocked_signals;
    c.task.restore_mask = true;
    c.task.blocked_signals = set & ~sig::unblockable;
    const long r = co_await std::move(inner);
    if (r != -EINTR) {
        c.task.restore_mask = false;
        c.task.blocked_signals = c.task.saved_mask;
    }
    co_return r;
}

Path<long> sys_epoll_wait(Call& c) { return wait_milliseconds(c); }
Path<long> sys_epoll_pwait(Call& c) { return masked(c, wait_milliseconds(c)); }

Path<long> sys_epoll_pwait2(Call& c) {
    if (c.args[3] == 0) co_return co_await masked(c, wait(c, kNever, false));
    GuestTime time;
    if (!c.mm().get(c.args[3], time)) co_return -EFAULT;
    const auto ns = from_timespec(time);
    if (!ns) co_return -EINVAL;
    co_return co_await masked(c, wait(c, deadline_in(c.kernel, c.task, *ns), *ns == 0));
}

} // namespace

std::span<const SyscallInfo> epoll_calls() {
    static constexpr SyscallInfo kCalls[] = {
        {213, "epoll_create", "i", "full", sys_epoll_create},
        {232, "epoll_wait", "fpii", "full", nullptr, sys_epoll_wait},
        {233, "epoll_ctl", "fifp", "partial: not nested", sys_epoll_ctl},
        {281, "epoll_pwait", "fpiipu", "full", nullptr, sys_epoll_pwait},
        {291, "epoll_create1", "x", "full", sys_epoll_create1},
        {441, "epoll_pwait2", "fpiTpu", "full", nullptr, sys_epoll_pwait2},
    };
    return kCalls;
}

} // namespace trapline
