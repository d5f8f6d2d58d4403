#include "tools/judge/events.hpp"

#include <cerrno>
#include <fstream>
#include <linux/perf_event.h>
#include <sys/syscall.h>

namespace trapline::judge {
namespace {

// /sys/bus/event_source/devices/uprobe/format: bit 0 of config is `retprobe`, bits 32 to 63 are `ref_ctr_offset`.
constexpr std::uint64_t kReturnProbe = 1;
constexpr unsigned kCounterShift = 32;

int open_event(std::uint32_t pmu, const LiveProbe& probe, const char* file, int cpu) {
    perf_event_attr attr{};
    attr.size = sizeof attr;
    attr.type = pmu;
    attr.config = (probe.is_return ? kReturnProbe : 0) | std::uint64_t{probe.counter_offset} << kCounterShift;
    attr.config1 = reinterpret_cast<std::uintptr_t>(file); // uprobe_path
    attr.config2 = probe.offset;                           // probe_offset
    return static_cast<int>(::syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC));
}

} // namespace

Result<std::uint32_t> uprobe_pmu() {
    std::ifstream file("/sys/bus/event_source/devices/uprobe/type");
    std::uint32_t type = 0;
    if (!(file >> type)) return fail("this kernel has no uprobe PMU, or /sys is not mounted");
    return type;
}

int try_event(std::uint32_t pmu) {
    const Descriptor fd(open_event(pmu, {}, "/", 0));
    // A folder is no file to probe: who gets as far as being told so may probe.
    return fd || errno == EINVAL ? 0 : errno;
}

int Events::arm(std::size_t i, const LiveProbe& probe, const std::string& file) {
    std::vector<Descriptor>& fds = probes_[i];
    for (const int cpu : cpus_) {
        const int fd = open_event(pmu_, probe, file.c_str(), cpu);
        if (fd < 0) {
            const int error = errno;
            fds.clear();
            return error;
        }
        fds.emplace_back(fd);
    }
    return 0;
}

void Events::disarm(std::size_t i) {
    hits_before_[i] = hits(i);
    probes_[i].clear();
}

std::uint64_t Events::hits(std::size_t i) const {
    std::uint64_t sum = hits_before_[i];
    for (const Descriptor& fd : probes_[i]) {
        std::uint64_t count = 0;
        if (::read(fd.get(), &count, sizeof count) == sizeof count) sum += count;
    }
    return sum;
}

} // namespace trapline::judge
