// Timers, signals and processes as files.
#include "loader/files/pidfd.hpp"
#include "loader/files/signalfd.hpp"
#include "loader/files/timerfd.hpp"
#include "loader/syscalls/clock.hpp"
#include "loader/syscalls/file_support.hpp"
#include "loader/syscalls/send_signal.hpp"

#include <algorithm>
#include <charconv>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>

namespace trapline {
namespace {

// Timers.

long sys_timerfd_create(Call& c) {
    constexpr int kRealtimeAlarm = 8, kBoottimeAlarm = 9; // they would wake a machine that sleeps
    const int clock = static_cast<int>(c.args[0]);
    if ((c.args[1] & ~std::uint64_t{TFD_CLOEXEC | TFD_NONBLOCK}) != 0) return -EINVAL;
    if (clock == kRealtimeAlarm || clock == kBoottimeAlarm) return -EPERM;
    if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME) return -EINVAL;
    FileTable& files = files_of(c);
    const int status = O_RDWR | static_cast<int>(c.args[1] & TFD_NONBLOCK);
    auto file = std::make_shared<TimerFd>(c.kernel, clock, status, ++files.shared->last_number);
    return files.add(std::move(file), (c.args[1] & TFD_CLOEXEC) != 0, descriptor_limit(c));
}

OrErrno<std::shared_ptr<TimerFd>> timer_at(Call& c, int fd) {
    const auto file = files_of(c).use(fd);
    if (file == nullptr) return refuse(EBADF);
    auto timer = std::dynamic_pointer_cast<TimerFd>(file);
    if (timer == nullptr) return refuse(EINVAL);
    return timer;
}

struct Setting {
    GuestTime interval, value;
};

Setting setting_of(const Call& c, TimerFd& timer) {
    const Cycles left = timer.left();
    const std::uint64_t ns = left == 0 ? 0 : std::max<std::uint64_t>(c.kernel.nanoseconds(left), 1);
    return {to_timespec(c.kernel.nanoseconds(timer.interval())), to_timespec(ns)};
}

long sys_timerfd_settime(Call& c) {
    Setting fresh;
    if (!c.mm().get(c.args[2], fresh)) return -EFAULT;
    const auto value = from_timespec(fresh.value), interval = from_timespec(fresh.interval);
    constexpr std::uint64_t kKnown = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET; // nobody sets the clock
    if ((c.args[1] & ~kKnown) != 0 || !value || !interval) return -EINVAL;
    auto timer = timer_at(c, c.fd(0));
    if (!timer) return timer.error();
    const Setting old = setting_of(c, **timer);
    const bool absolute = (c.args[1] & TFD_TIMER_ABSTIME) != 0;
    const Cycles when = *value == 0 ? kNever
                        : absolute  ? deadline_at(c.kernel, (*timer)->clock(), *value)
                                    : deadline_in(c.kernel, c.task, *value);
    (*timer)->set(when, *interval == 0 ? 0 : std::max<Cycles>(c.kernel.cycles(*interval), 1));
    return c.args[3] == 0 || c.mm().put(c.args[3], old) ? 0 : -EFAULT;
}

long sys_timerfd_gettime(Call& c) {
    auto timer = timer_at(c, c.fd(0));
    if (!timer) return timer.error();
    return c.mm().put(c.args[1], setting_of(c, **timer)) ? 0 : -EFAULT;
}

// Signals.

long signal_file(Call& c, std::uint64_t flags) {
    std::uint64_t mask = 0;
    if (c.args[2] != sizeof mask || (flags & ~std::uint64_t{SFD_CLOEXEC | SFD_NONBLOCK}) != 0) return -EINVAL;
    if (!c.mm().get(c.args[1], mask)) return -EFAULT;
    mask &= ~sig::unblockable;
    FileTable& files = files_of(c);
    if (c.fd(0) == -1) {
        auto file =
            std::make_shared<SignalFd>(mask, files.shared->signal_events,
                                       O_RDWR | static_cast<int>(flags & SFD_NONBLOCK), ++files.shared->last_number);
        return files.add(std::move(file), (flags & SFD_CLOEXEC) != 0, descriptor_limit(c));
    }
    const auto file = files.use(c.fd(0));
    if (file == nullptr) return -EBADF;
    auto* signals = dynamic_cast<SignalFd*>(file.get());
    if (signals == nullptr) return -EINVAL;
    signals->set_mask(mask);
    files.shared->signal_events.changed(c.kernel);
    return c.fd(0);
}

long sys_signalfd(Call& c) { return signal_file(c, 0); }
long sys_signalfd4(Call& c) { return signal_file(c, c.args[3]); }

// Processes.

long sys_pidfd_open(Call& c) {
    const int pid = static_cast<int>(c.args[0]);
    if ((c.args[1] & ~std::uint64_t{O_NONBLOCK}) != 0 || pid <= 0) return -EINVAL;
    if (c.kernel.process(pid) == nullptr) return c.kernel.task(pid) != nullptr ? -EINVAL : -ESRCH;
    return open_process(c, pid, static_cast<int>(c.args[1]));
}

/// The folder of a process in /proc will do, too (kernel/signal.c, pidfd_to_pid).
OrErrno<int> pid_of_folder(Call& c, int fd) {
    constexpr std::string_view kProc = "/proc/";
    const auto file = files_of(c).use(fd);
    const std::string* folder = file != nullptr ? file->directory() : nullptr;
    if (folder == nullptr || !folder->starts_with(kProc)) return refuse(EBADF);
    int pid = 0;
    const auto [end, error] = std::from_chars(folder->data() + kProc.size(), folder->data() + folder->size(), pid);
    if (error != std::errc{} || end != folder->data() + folder->size()) return refuse(EBADF);
    return pid;
}

long sys_pidfd_send_signal(Call& c) {
    if (c.args[3] != 0) return -EINVAL;
    auto pid = pid_of(c, c.fd(0));
    if (!pid) pid = pid_of_folder(c, c.fd(0));
    if (!pid) return pid.error();
    Process* p = c.kernel.process(*pid);
    if (p == nullptr) return -ESRCH;
    return send_described(c, *p, static_cast<int>(c.args[1]), c.args[2]);
}

long sys_pidfd_getfd(Call& c) {
    const auto pid = pid_of(c, c.fd(0));
    if (!pid) return pid.error();
    if (c.args[2] != 0) return -EINVAL;
    const Process* p = c.kernel.process(*pid);
    if (p == nullptr || p->files == nullptr) return -ESRCH;
    auto file = files_of(*p).get(c.fd(1));
    if (file == nullptr) return -EBADF;
    return files_of(c).add(std::move(file), true, descriptor_limit(c));
}

} // namespace

OrErrno<int> pid_of(Call& c, int fd) {
    const auto file = files_of(c).use(fd);
    const auto* p = dynamic_cast<const PidFd*>(file.get());
    if (p == nullptr) return refuse(EBADF);
    return p->pid();
}

int open_process(Call& c, int pid, int status_flags) {
    FileTable& files = files_of(c);
    auto file =
        std::make_shared<PidFd>(pid, files.shared->process_events, O_RDWR | status_flags, ++files.shared->last_number);
    return files.add(std::move(file), true, descriptor_limit(c));
}

std::span<const SyscallInfo> event_file_calls() {
    static constexpr SyscallInfo kCalls[] = {
        {282, "signalfd", "fpu", "full", sys_signalfd},
        {283, "timerfd_create", "ix", "full", sys_timerfd_create},
        {286, "timerfd_settime", "fxpp", "full", sys_timerfd_settime},
        {287, "timerfd_gettime", "fp", "full", sys_timerfd_gettime},
        {289, "signalfd4", "fpux", "full", sys_signalfd4},
        {424, "pidfd_send_signal", "fSpx", "full", sys_pidfd_send_signal},
        {434, "pidfd_open", "ix", "partial: no threads", sys_pidfd_open},
        {438, "pidfd_getfd", "ffx", "full", sys_pidfd_getfd},
    };
    return kCalls;
}

} // namespace trapline
