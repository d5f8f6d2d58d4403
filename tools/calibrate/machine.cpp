#include "tools/calibrate/machine.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <ctime>
#include <fstream>
#include <sched.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>
#include <x86intrin.h>

namespace trapline::calibrate {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kPage = 4096;

double since(Clock::time_point began) { return std::chrono::duration<double, std::nano>(Clock::now() - began).count(); }

/// Nanoseconds that this thread has run: other programs do not make it longer.
double processor_time() {
    timespec t{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    constexpr double kSecond = 1e9;
    return static_cast<double>(t.tv_sec) * kSecond + static_cast<double>(t.tv_nsec);
}

/// `times` measurements, each of something that is done `rounds` times, and of them what a tenth is below: the others
/// were disturbed.
template <class What> double undisturbed(unsigned times, unsigned rounds, What what) {
    std::vector<double> all;
    for (unsigned i = 0; i < times; ++i) all.push_back(what() / rounds);
    std::nth_element(all.begin(), all.begin() + times / 10, all.end());
    return all[times / 10];
}

/// Runs this thread on one of its CPUs only, and returns another one, or -1; everything is back when it goes.
class Pinned {
  public:
    Pinned() {
        CPU_ZERO(&before_);
        ::sched_getaffinity(0, sizeof before_, &before_);
        for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
            if (!CPU_ISSET(cpu, &before_)) continue;
            if (here_ < 0) {
                here_ = cpu;
            } else {
                other = cpu;
                break;
            }
        }
        go_to(here_);
    }
    ~Pinned() { ::sched_setaffinity(0, sizeof before_, &before_); }
    Pinned(const Pinned&) = delete;
    Pinned& operator=(const Pinned&) = delete;
    static void go_to(int cpu) {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        ::sched_setaffinity(0, sizeof one, &one);
    }
    int other = -1;

  private:
    cpu_set_t before_;
    int here_ = -1;
};

/// The first touch of each of some pages: reads of anonymous memory, for which no page has to be filled, or writes to a
/// private mapping of a file, which copy. (Reads of a file would map its neighbours, too.)
double touch_pages(bool copy) {
    constexpr std::size_t kPages = 256, kBytes = kPages * kPage;
    const int fd = ::memfd_create("pages", MFD_CLOEXEC);
    const std::vector<char> content(kBytes, 1);
    if (::write(fd, content.data(), content.size()) != static_cast<ssize_t>(kBytes)) return 0;
    const double ns = undisturbed(31, kPages, [&] {
        void* at = copy ? ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0)
                        : ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        ::madvise(at, kBytes, MADV_NOHUGEPAGE);
        auto* bytes = static_cast<volatile char*>(at);
        const double began = processor_time();
        for (std::size_t i = 0; i < kPages; ++i) {
            if (copy)
                bytes[i * kPage] = 2;
            else
                (void)bytes[i * kPage];
        }
        const double all = processor_time() - began;
        ::munmap(at, kBytes);
        return all;
    });
    ::close(fd);
    return ns;
}

double protect() {
    constexpr unsigned kRounds = 500;
    void* at = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    auto* byte = static_cast<volatile char*>(at);
    const double ns = undisturbed(31, kRounds, [&] {
        const double began = processor_time();
        for (unsigned i = 0; i < kRounds; ++i) {
            *byte = 1; // in the TLB, so that there is something to flush
            ::mprotect(at, kPage, PROT_READ);
            ::mprotect(at, kPage, PROT_READ | PROT_WRITE);
        }
        return processor_time() - began;
    });
    ::munmap(at, kPage);
    return ns;
}

double debugger_step() {
    constexpr unsigned kRounds = 200;
    const pid_t child = ::fork();
    if (child == 0) {
        ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
        ::raise(SIGSTOP);
        volatile int i = 0;
        for (;;) i = i + 1;
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    if (!WIFSTOPPED(status)) return 0;
    const double ns = undisturbed(11, kRounds, [&] {
        const auto began = Clock::now();
        for (unsigned i = 0; i < kRounds; ++i) {
            ::ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr);
            ::waitpid(child, &status, 0);
        }
        return since(began);
    });
    ::kill(child, SIGKILL);
    ::waitpid(child, &status, 0);
    return ns;
}

std::uint64_t counter_hz() {
    const auto began = Clock::now();
    const std::uint64_t from = __rdtsc();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const std::uint64_t cycles = __rdtsc() - from;
    return static_cast<std::uint64_t>(static_cast<double>(cycles) * 1e9 / since(began));
}

std::string processor() {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);)
        if (line.starts_with("model name")) return line.substr(std::min(line.find(": ") + 2, line.size()));
    return "a processor without a name";
}

} // namespace

Machine look_at_machine() {
    Machine m;
    utsname names{};
    ::uname(&names);
    m.name = names.nodename;
    m.kernel = names.release;
    m.processor = processor();
    char date[16];
    const std::time_t now = std::time(nullptr);
    std::strftime(date, sizeof date, "%Y-%m-%d", std::gmtime(&now));
    m.date = date;
    m.hz = counter_hz();
    const Pinned pinned;
    m.page_fault = touch_pages(false);
    m.page_copy = std::max(touch_pages(true) - m.page_fault, 0.0);
    m.protect = protect();
    m.debugger_step = debugger_step();
    if (pinned.other < 0) return m;
    std::atomic<bool> stop = false, there = false;
    std::thread other([&] {
        Pinned::go_to(pinned.other);
        there = true;
        while (!stop) {
        }
    });
    while (!there) {
    }
    m.protect_beside = protect();
    stop = true;
    other.join();
    return m;
}

} // namespace trapline::calibrate
