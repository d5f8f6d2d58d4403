#include "loader/proc/process_text.hpp"

#include "loader/files/file_table.hpp"
#include "loader/process_state.hpp"

#include <array>
#include <fmt/format.h>
#include <sys/resource.h>

namespace trapline {
namespace {

/// A part of the process's own memory, as it is now: programs may write over it.
std::string memory_text(Process& p, Addr from, Addr to) {
    constexpr Addr kMost = 6u << 20; // more than exec lets through
    if (from >= to || to - from > kMost) return {};
    std::string out(to - from, '\0');
    return p.mm->force_read(from, out.data(), out.size()) ? out : std::string();
}

/// Neighbours that Linux would have merged are shown as one area.
bool alike(const Vma& a, const Vma& b) {
    return a.end == b.start && !a.inode && !b.inode && a.prot == b.prot && a.name == b.name && a.shared == b.shared;
}

std::uint64_t mask_of(const Process& p, bool (*wanted)(Addr handler)) {
    std::uint64_t set = 0;
    for (int s = 1; s <= sig::count; ++s)
        if (wanted(p.actions[static_cast<std::size_t>(s)].handler)) set |= sig::bit(s);
    return set;
}
bool is_ignored(Addr handler) { return handler == sig::handler_ignore; }
bool is_caught(Addr handler) { return handler != sig::handler_ignore && handler != sig::handler_default; }

char state_letter(Io& io, const Task& t) {
    if (&t == &io.task) return 'R';
    switch (t.state) {
    case Task::State::ready:
        return 'R';
    case Task::State::stopped:
        return 'T';
    default:
        return 'S';
    }
}

std::uint64_t stack_bytes(const Process& p) {
    std::uint64_t sum = 0;
    for (const auto& [start, v] : p.mm->vmas())
        if (v.name == "[stack]") sum += v.end - v.start;
    return sum;
}

int parent_of(const Process& p) { return p.parent != nullptr ? p.parent->pid : 1; }

} // namespace

std::string maps_text(Io&, Process& p, Task&) {
    std::string out;
    const auto& vmas = p.mm->vmas();
    for (auto it = vmas.begin(); it != vmas.end();) {
        const Vma& v = it->second;
        if (v.hidden) {
            ++it;
            continue;
        }
        Addr end = v.end;
        for (const Vma* last = &v; ++it != vmas.end() && alike(*last, it->second); last = &it->second)
            end = it->second.end;
        // Anonymous shared memory is a file of tmpfs, everything else is on the one disk.
        const bool on_disk = v.inode && v.inode->name.rfind(" (deleted)") == std::string::npos;
        std::string line = fmt::format("{:08x}-{:08x} {}{}{}{} {:08x} {:02x}:{:02x} {} ", v.start, end,
                                       v.prot & prot::read ? 'r' : '-', v.prot & prot::write ? 'w' : '-',
                                       v.prot & prot::exec ? 'x' : '-', v.shared ? 's' : 'p', v.inode ? v.offset : 0,
                                       on_disk ? 8 : 0, v.inode ? 1 : 0, v.inode ? v.inode->number : 0);
        if (!v.label().empty()) {
            constexpr std::size_t kNameColumn = 73; // fs/proc/task_mmu.c pads to here
            line.resize(std::max(line.size(), kNameColumn), ' ');
            line += v.label();
        }
        out += line + "\n";
    }
    return out;
}

std::string cmdline_text(Io&, Process& p, Task&) {
    const ProcessState& s = state_of(p);
    return memory_text(p, s.arguments, s.arguments_end);
}

std::string environ_text(Io&, Process& p, Task&) {
    const ProcessState& s = state_of(p);
    return memory_text(p, s.environment, s.environment_end);
}

/// The auxiliary vector lies on the stack behind argv and envp, where exec put it.
std::string auxv_text(Io&, Process& p, Task&) {
    Addr at = state_of(p).stack_pointer;
    std::uint64_t word = 0;
    if (at == 0 || !p.mm->force_read(at, &word, sizeof word)) return {};
    at += sizeof word * (word + 2); // argc, the arguments and their end
    constexpr int kMost = 1 << 20;
    for (int i = 0; i < kMost; ++i, at += sizeof word) {
        if (!p.mm->force_read(at, &word, sizeof word)) return {};
        if (word == 0) break;
    }
    at += sizeof word;
    std::string out;
    for (int i = 0; i < 64; ++i, at += 2 * sizeof word) {
        std::array<std::uint64_t, 2> pair{};
        if (!p.mm->force_read(at, pair.data(), sizeof pair)) break;
        out.append(reinterpret_cast<const char*>(pair.data()), sizeof pair);
        if (pair[0] == 0) break; // AT_NULL
    }
    return out;
}

std::string comm_text(Io&, Process&, Task& t) { return thread_name(t) + "\n"; }

std::string zero_text(Io&, Process&, Task&) { return "0\n"; }

std::string mounts_text(Io&, Process&, Task&) {
    return "/dev/sda1 / ext4 rw,relatime 0 0\nproc /proc proc rw,nosuid,nodev,noexec,relatime 0 0\n"
           "sysfs /sys sysfs rw,nosuid,nodev,noexec,relatime 0 0\ndevtmpfs /dev devtmpfs rw,nosuid,relatime 0 0\n"
           "tmpfs /dev/shm tmpfs rw,nosuid,nodev 0 0\n";
}

std::string mountinfo_text(Io&, Process&, Task&) {
    return "20 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n21 20 0:22 / /proc rw,relatime - proc proc rw\n"
           "22 20 0:23 / /sys rw,relatime - sysfs sysfs rw\n23 20 0:6 / /dev rw,relatime - devtmpfs devtmpfs rw\n"
           "24 23 0:25 / /dev/shm rw,relatime - tmpfs tmpfs rw\n";
}

std::string statm_text(Io&, Process& p, Task&) {
    const std::uint64_t pages = p.mm->mapped_bytes() / kPageSize;
    return fmt::format("{} {} 0 0 0 {} 0\n", pages, p.mm->resident(), pages);
}

std::string limits_text(Io&, Process& p, Task&) {
    struct Row {
        int index;
        const char *name, *unit;
    };
    constexpr Row kRows[] = {
        {RLIMIT_CPU, "Max cpu time", "seconds"},         {RLIMIT_FSIZE, "Max file size", "bytes"},
        {RLIMIT_DATA, "Max data size", "bytes"},         {RLIMIT_STACK, "Max stack size", "bytes"},
        {RLIMIT_CORE, "Max core file size", "bytes"},    {RLIMIT_RSS, "Max resident set", "bytes"},
        {RLIMIT_NPROC, "Max processes", "processes"},    {RLIMIT_NOFILE, "Max open files", "files"},
        {RLIMIT_MEMLOCK, "Max locked memory", "bytes"},  {RLIMIT_AS, "Max address space", "bytes"},
        {RLIMIT_LOCKS, "Max file locks", "locks"},       {RLIMIT_SIGPENDING, "Max pending signals", "signals"},
        {RLIMIT_MSGQUEUE, "Max msgqueue size", "bytes"}, {RLIMIT_NICE, "Max nice priority", ""},
        {RLIMIT_RTPRIO, "Max realtime priority", ""},    {RLIMIT_RTTIME, "Max realtime timeout", "us"}};
    std::string out = fmt::format("{:<25} {:<20} {:<20} {:<10}\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    auto value = [](std::uint64_t v) { return v == ~0ull ? std::string("unlimited") : std::to_string(v); };
    for (const Row& r : kRows) {
        const Limit& l = state_of(p).limits[static_cast<std::size_t>(r.index)];
        out += fmt::format("{:<25} {:<20} {:<20} {:<10}\n", r.name, value(l.soft), value(l.hard), r.unit);
    }
    return out;
}

std::string stat_text(Io& io, Process& p, Task& t) {
    const ProcessState& s = state_of(p);
    constexpr std::uint64_t kTick = 10'000'000; // nanoseconds: USER_HZ is 100
    const std::uint64_t user = io.kernel.nanoseconds(p.user_time) / kTick;
    const std::uint64_t children = io.kernel.nanoseconds(s.children_user) / kTick;
    Addr stack_top = 0;
    for (const auto& [start, v] : p.mm->vmas())
        if (v.name == "[stack]") stack_top = s.stack_pointer;
    std::string out = fmt::format("{} ({}) {} {} {} {} 0 -1 4194304 0 0 0 0 ", t.tid, thread_name(t),
                                  state_letter(io, t), parent_of(p), p.group, p.session);
    out += fmt::format("{} 0 {} 0 {} {} {} 0 0 {} {} {} 1 1 {} 0 0 ", user, children, 20 + s.nice, s.nice,
                       p.tasks.size(), p.mm->mapped_bytes(), p.mm->resident(), s.limits[RLIMIT_RSS].soft, stack_top);
    out += fmt::format("{} {} {} {} 0 0 0 {} {} 0 0 0 0 0 0 0 {} {} {} {} {} 0\n", t.pending.set() & 0x7fffffff,
                       t.blocked_signals & 0x7fffffff, mask_of(p, is_ignored) & 0x7fffffff,
                       mask_of(p, is_caught) & 0x7fffffff, p.exit_signal, t.cpu < 0 ? 0 : t.cpu, p.mm->program_break(),
                       s.arguments, s.arguments_end, s.environment, s.environment_end);
    return out;
}

std::string status_text(Io& io, Process& p, Task& t) {
    const char letter = state_letter(io, t);
    const char* state = letter == 'R' ? "R (running)" : letter == 'T' ? "T (stopped)" : "S (sleeping)";
    auto kib = [](std::uint64_t bytes) { return bytes / 1024; };
    const std::uint64_t resident = p.mm->resident() * 4;
    std::string out =
        fmt::format("Name:\t{}\nUmask:\t{:04o}\nState:\t{}\nTgid:\t{}\nNgid:\t0\nPid:\t{}\nPPid:\t{}\nTracerPid:\t0\n",
                    thread_name(t), files_of(p).umask, state, p.pid, t.tid, parent_of(p));
    out += fmt::format("Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nFDSize:\t{}\nGroups:\t "
                       "\nNStgid:\t{}\nNSpid:\t{}\nNSpgid:\t{}\nNSsid:\t{}\n",
                       std::max<std::size_t>(64, files_of(p).all().size()), p.pid, t.tid, p.group, p.session);
    out +=
        fmt::format("VmPeak:\t{0:8} kB\nVmSize:\t{0:8} kB\nVmLck:\t       0 kB\nVmPin:\t       0 kB\nVmHWM:\t{1:8} kB\n"
                    "VmRSS:\t{1:8} kB\nVmStk:\t{2:8} kB\nVmSwap:\t       0 kB\n",
                    kib(p.mm->mapped_bytes()), resident, kib(stack_bytes(p)));
    out += fmt::format(
        "Threads:\t{}\nSigQ:\t0/31383\nSigPnd:\t{:016x}\nShdPnd:\t{:016x}\nSigBlk:\t{:016x}\nSigIgn:\t{:016x}\n"
        "SigCgt:\t{:016x}\n",
        p.tasks.size(), t.pending.set(), p.pending.set(), t.blocked_signals, mask_of(p, is_ignored),
        mask_of(p, is_caught));
    const unsigned cpus = io.kernel.config().cpus;
    out += fmt::format("NoNewPrivs:\t0\nSeccomp:\t0\nCpus_allowed:\t{:x}\nCpus_allowed_list:\t{}\n",
                       cpus >= 64 ? ~0ull : (1ull << cpus) - 1, cpus == 1 ? "0" : fmt::format("0-{}", cpus - 1));
    out += "voluntary_ctxt_switches:\t0\nnonvoluntary_ctxt_switches:\t0\n";
    return out;
}

} // namespace trapline
