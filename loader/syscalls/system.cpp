// The machine itself: its name, its memory, randomness; and the calls of a thread about itself.
#include "loader/process_state.hpp"
#include "loader/syscalls/clock.hpp"
#include "loader/syscalls/families.hpp"

#include <algorithm>
#include <asm/prctl.h>
#include <cerrno>
#include <cstring>
#include <linux/capability.h>
#include <string_view>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>

namespace trapline {
namespace {

long uname(Call& c) {
    constexpr std::size_t kField = 65;
    // The release is the one whose uprobes the default dialect follows.
    constexpr std::string_view kFields[6] = {"Linux", "trapline", "6.18.0", "#1 SMP", "x86_64", "(none)"};
    char out[6 * kField] = {};
    for (std::size_t i = 0; i < 6; ++i) std::memcpy(out + i * kField, kFields[i].data(), kFields[i].size());
    return c.mm().put(c.args[0], out) ? 0 : -EFAULT;
}

/// Bytes of the machine's seed. The machine is always "initialised", so no flag makes a difference.
long getrandom(Call& c) {
    constexpr std::uint64_t kKnown = GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE;
    if ((c.args[2] & ~kKnown) != 0) return -EINVAL;
    constexpr std::uint64_t kMost = 32u << 20; // as much as Linux gives in one call, rounded
    const std::uint64_t n = std::min(c.args[1], kMost);
    for (std::uint64_t done = 0; done < n;) {
        const std::uint64_t r = c.kernel.rng().next();
        const std::uint64_t part = std::min<std::uint64_t>(n - done, sizeof r);
        if (!c.mm().write(c.args[0] + done, &r, part)) return done != 0 ? static_cast<long>(done) : -EFAULT;
        done += part;
    }
    return static_cast<long>(n);
}

long sysinfo(Call& c) {
    struct sysinfo s {};
    s.uptime = static_cast<long>(monotonic_time(c.kernel, c.task) / kSecond);
    s.totalram = c.kernel.frames().bytes();
    s.freeram = s.totalram - std::min<std::uint64_t>(s.totalram, frame_base(c.kernel.frames().in_use()));
    s.procs = static_cast<unsigned short>(std::min<std::size_t>(c.kernel.tasks().size(), 0xffff));
    s.mem_unit = 1;
    return c.mm().put(c.args[0], s) ? 0 : -EFAULT;
}

long arch_prctl(Call& c) {
    const auto base = [&](Reg r) {
        if (c.args[1] >= kTaskSize) return -EPERM;
        c.kernel.set(c.task, r, c.args[1]);
        return 0;
    };
    switch (static_cast<int>(c.args[0])) {
    case ARCH_SET_FS:
        return base(Reg::fs_base);
    case ARCH_SET_GS:
        return base(Reg::gs_base);
    case ARCH_GET_FS:
        return c.mm().put(c.args[1], c.kernel.get(c.task, Reg::fs_base)) ? 0 : -EFAULT;
    case ARCH_GET_GS:
        return c.mm().put(c.args[1], c.kernel.get(c.task, Reg::gs_base)) ? 0 : -EFAULT;
    default:
        return -EINVAL; // shadow stacks among them: this processor has none
    }
}

long prctl(Call& c) {
    switch (static_cast<int>(c.args[0])) {
    case PR_SET_NAME: {
        char name[16] = {};
        for (std::size_t i = 0; i + 1 < sizeof name; ++i) {
            if (!c.mm().get(c.args[1] + i, name[i])) return -EFAULT;
            if (name[i] == 0) break;
        }
        set_thread_name(c.task, name);
        return 0;
    }
    case PR_GET_NAME: {
        char name[16] = {};
        const std::string& own = thread_name(c.task);
        std::memcpy(name, own.data(), own.size());
        return c.mm().put(c.args[1], name) ? 0 : -EFAULT;
    }
    case PR_GET_DUMPABLE:
        return 1;
    case PR_SET_DUMPABLE:
        return c.args[1] <= 1 ? 0 : -EINVAL;
    case PR_SET_NO_NEW_PRIVS:
        return c.args[1] == 1 ? 0 : -EINVAL; // there are none to get
    default:
        return -EINVAL;
    }
}

/// No capability is held, and none can be got: whom the guest's user 0 may overrule is nobody.
long capget(Call& c) {
    __user_cap_header_struct header{};
    if (!c.mm().get(c.args[0], header)) return -EFAULT;
    if (header.version != _LINUX_CAPABILITY_VERSION_3 && header.version != _LINUX_CAPABILITY_VERSION_2 &&
        header.version != _LINUX_CAPABILITY_VERSION_1) {
        header.version = _LINUX_CAPABILITY_VERSION_3;
        if (!c.mm().put(c.args[0], header)) return -EFAULT;
        return c.args[1] == 0 ? 0 : -EINVAL;
    }
    if (header.pid < 0) return -EINVAL;
    if (header.pid != 0 && c.kernel.task(header.pid) == nullptr) return -ESRCH;
    if (c.args[1] == 0) return 0;
    const __user_cap_data_struct none[2] = {};
    const std::size_t bytes = header.version == _LINUX_CAPABILITY_VERSION_1 ? sizeof none[0] : sizeof none;
    return c.mm().write(c.args[1], none, bytes) ? 0 : -EFAULT;
}

/// None is all that can be had, and that is granted.
long capset(Call& c) {
    __user_cap_header_struct header{};
    __user_cap_data_struct wanted[2] = {};
    if (!c.mm().get(c.args[0], header)) return -EFAULT;
    const bool two = header.version == _LINUX_CAPABILITY_VERSION_3 || header.version == _LINUX_CAPABILITY_VERSION_2;
    if (!two && header.version != _LINUX_CAPABILITY_VERSION_1) {
        header.version = _LINUX_CAPABILITY_VERSION_3;
        return c.mm().put(c.args[0], header) ? -EINVAL : -EFAULT;
    }
    if (header.pid != 0 && header.pid != c.task.tid) return -EPERM;
    if (!c.mm().read(c.args[1], wanted, two ? sizeof wanted : sizeof wanted[0])) return -EFAULT;
    for (const __user_cap_data_struct& w : wanted)
        if ((w.effective | w.permitted | w.inheritable) != 0) return -EPERM;
    return 0;
}

long personality(Call& c) {
    constexpr std::uint64_t kQuery = 0xffffffff;
    return c.args[0] == 0 || (c.args[0] & kQuery) == kQuery ? 0 : -EINVAL; // PER_LINUX
}

constexpr SyscallInfo kCalls[] = {
    {SYS_uname, "uname", "p", "full", uname},
    {SYS_sysinfo, "sysinfo", "p", "partial: no load, no swap", sysinfo},
    {SYS_capget, "capget", "pp", "partial: no capability is held", capget},
    {SYS_capset, "capset", "pp", "partial: no capability can be got", capset},
    {SYS_personality, "personality", "x", "partial: PER_LINUX only", personality},
    {SYS_prctl, "prctl", "ixxxx", "partial: names, dumpable and no_new_privs", prctl},
    {SYS_arch_prctl, "arch_prctl", "ix", "partial: FS and GS", arch_prctl},
    {SYS_getrandom, "getrandom", "pux", "full", getrandom},
};

} // namespace

std::span<const SyscallInfo> system_calls() { return kCalls; }

} // namespace trapline
