// /proc and /sys: what they say about the machine. A table of paths and the functions that write the texts.
#include "loader/proc/node.hpp"

#include "loader/system.hpp"

#include <algorithm>
#include <dirent.h>
#include <fmt/format.h>

namespace trapline {
namespace {

/// Hundredths of a second since the machine started: USER_HZ.
std::uint64_t ticks(Io& io) { return io.kernel.nanoseconds(io.kernel.latest()) / 10'000'000; }

std::string cpu_list(Io& io) {
    const unsigned n = io.kernel.config().cpus;
    return n == 1 ? "0\n" : fmt::format("0-{}\n", n - 1);
}

/// The processor that CPUID shows (emu/cpu/engine.cpp): a Westmere, without AVX.
std::string cpuinfo(Io& io) {
    const unsigned n = io.kernel.config().cpus;
    const double mhz = static_cast<double>(io.kernel.config().cost->hz) / 1e6;
    std::string out;
    for (unsigned i = 0; i < n; ++i)
        out += fmt::format("processor\t: {0}\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 44\n"
                           "model name\t: Westmere E56xx/L56xx/X56xx (Nehalem-C)\nstepping\t: 1\nmicrocode\t: 0x1\n"
                           "cpu MHz\t\t: {2:.3f}\ncache size\t: 16384 KB\nphysical id\t: 0\nsiblings\t: {1}\n"
                           "core id\t\t: {0}\ncpu cores\t: {1}\napicid\t\t: {0}\ninitial apicid\t: {0}\nfpu\t\t: yes\n"
                           "fpu_exception\t: yes\ncpuid level\t: 11\nwp\t\t: yes\n"
                           "flags\t\t: fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush "
                           "mmx fxsr sse sse2 syscall nx lm constant_tsc rep_good nopl cpuid pni pclmulqdq ssse3 cx16 "
                           "sse4_1 sse4_2 popcnt aes lahf_lm\nbugs\t\t:\nbogomips\t: {3:.2f}\nclflush size\t: 64\n"
                           "cache_alignment\t: 64\naddress sizes\t: 40 bits physical, 48 bits virtual\n"
                           "power management:\n\n",
                           i, n, mhz, mhz * 2);
    return out;
}

std::string meminfo(Io& io) {
    const std::uint64_t total = io.kernel.frames().bytes() / 1024;
    const std::uint64_t used = std::uint64_t{io.kernel.frames().in_use()} * 4;
    const std::uint64_t left = total - std::min(total, used);
    return fmt::format("MemTotal:       {:8} kB\nMemFree:        {:8} kB\nMemAvailable:   {:8} kB\n"
                       "Buffers:               0 kB\nCached:                0 kB\nSwapCached:            0 kB\n"
                       "SwapTotal:             0 kB\nSwapFree:              0 kB\nShmem:                 0 kB\n"
                       "CommitLimit:    {:8} kB\nCommitted_AS:   {:8} kB\nHugePages_Total:       0\n"
                       "HugePages_Free:        0\nHugepagesize:       2048 kB\n",
                       total, left, left, total / 2, used);
}

std::string stat_text(Io& io) {
    const unsigned n = io.kernel.config().cpus;
    const std::uint64_t t = ticks(io);
    std::string out = fmt::format("cpu  {} 0 0 0 0 0 0 0 0 0\n", t * n);
    for (unsigned i = 0; i < n; ++i) out += fmt::format("cpu{} {} 0 0 0 0 0 0 0 0 0\n", i, t);
    std::size_t running = 0, blocked = 0;
    for (const auto& task : io.kernel.tasks()) (task->state == Task::State::blocked ? blocked : running) += 1;
    return out + fmt::format("intr 0\nctxt 0\nbtime {}\nprocesses {}\nprocs_running {}\nprocs_blocked {}\n",
                             io.kernel.config().start_time, io.kernel.created_tasks(), running, blocked);
}

std::string uptime(Io& io) {
    const std::uint64_t t = ticks(io);
    return fmt::format("{0}.{1:02} 0.00\n", t / 100, t % 100);
}

std::string loadavg(Io& io) { return fmt::format("0.00 0.00 0.00 1/{} {}\n", io.kernel.tasks().size(), io.task.tid); }

struct TextFile {
    std::string_view path;
    const char* fixed; ///< the whole text, or nullptr:
    std::string (*text)(Io&) = nullptr;
};

// Ordered by path: the names of directories are found by going through it.
constexpr TextFile kFiles[] = {
    {"/proc/cmdline", "BOOT_IMAGE=trapline\n"},
    {"/proc/cpuinfo", nullptr, cpuinfo},
    {"/proc/filesystems", "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tdevtmpfs\n\text4\n"},
    {"/proc/loadavg", nullptr, loadavg},
    {"/proc/meminfo", nullptr, meminfo},
    {"/proc/stat", nullptr, stat_text},
    {"/proc/sys/fs/pipe-max-size", "1048576\n"},
    {"/proc/sys/kernel/cap_last_cap", "40\n"},
    {"/proc/sys/kernel/hostname", "trapline\n"},
    {"/proc/sys/kernel/ngroups_max", "65536\n"},
    {"/proc/sys/kernel/osrelease", "6.18.0\n"},
    {"/proc/sys/kernel/ostype", "Linux\n"},
    {"/proc/sys/kernel/pid_max", "4194304\n"},
    {"/proc/sys/kernel/random/boot_id", "7472617a-6c69-4e65-8000-000000000001\n"},
    {"/proc/sys/kernel/randomize_va_space", "0\n"},
    {"/proc/sys/kernel/version", "#1 SMP\n"},
    {"/proc/sys/vm/max_map_count", "65530\n"},
    {"/proc/sys/vm/overcommit_memory", "0\n"},
    {"/proc/uptime", nullptr, uptime},
    {"/proc/version", "Linux version 6.18.0 (trapline) #1 SMP\n"},
    {"/sys/devices/system/cpu/online", nullptr, cpu_list},
    {"/sys/devices/system/cpu/possible", nullptr, cpu_list},
    {"/sys/devices/system/cpu/present", nullptr, cpu_list},
};

/// /sys/devices/system/cpu/cpuN: as many cores as there are CPUs, one thread each, in one package.
constexpr std::string_view kCpus = "/sys/devices/system/cpu";
constexpr std::string_view kTopology[] = {"core_cpus_list", "core_id", "package_cpus_list", "physical_package_id",
                                          "thread_siblings_list"};

Node cpu_node(Io& io, const std::string& path) {
    for (unsigned i = 0; i < io.kernel.config().cpus; ++i) {
        const std::string top = fmt::format("{}/cpu{}", kCpus, i);
        if (path == top) return directory_node(path, {{"topology", DT_DIR}});
        if (path == top + "/topology") {
            std::vector<Node::Name> names;
            for (const std::string_view name : kTopology) names.emplace_back(name, DT_REG);
            return directory_node(path, std::move(names));
        }
        for (const std::string_view name : kTopology) {
            if (path != fmt::format("{}/topology/{}", top, name)) continue;
            if (name == "package_cpus_list") return text_node(path, cpu_list);
            const unsigned value = name == "physical_package_id" ? 0 : i;
            return text_node(path, [value](Io&) { return fmt::format("{}\n", value); });
        }
    }
    return {};
}

} // namespace

Node machine_node(Io& io, const std::string& path) {
    if (path == "/proc/mounts") return link_node(path, "self/mounts");
    if (path.starts_with(fmt::format("{}/cpu", kCpus))) return cpu_node(io, path);
    std::vector<Node::Name> names;
    bool found = false;
    for (const TextFile& f : kFiles) {
        if (f.path == path && f.text != nullptr) return text_node(path, f.text);
        if (f.path == path) return text_node(path, [&f](Io&) { return std::string(f.fixed); });
        if (!f.path.starts_with(path) || f.path[path.size()] != '/') continue;
        found = true;
        const std::string_view below = f.path.substr(path.size() + 1);
        const auto slash = below.find('/');
        Node::Name name{std::string(below.substr(0, slash)),
                        slash == below.npos ? std::uint8_t{DT_REG} : std::uint8_t{DT_DIR}};
        if (names.empty() || names.back() != name) names.push_back(std::move(name));
    }
    if (path == "/proc") names.emplace_back("mounts", DT_LNK);
    if (path == kCpus)
        for (unsigned i = 0; i < io.kernel.config().cpus; ++i) names.emplace_back(fmt::format("cpu{}", i), DT_DIR);
    return found ? directory_node(path, std::move(names)) : Node{};
}

} // namespace trapline
