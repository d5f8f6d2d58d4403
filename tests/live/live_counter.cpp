// live_counter: runs a program on the live kernel with uprobes on it and counts their hits.
//
//     live_counter --json FILE [--root DIR] [--cpus N] [-p OFFSET:PATH]... [-r OFFSET:PATH]... -- PROGRAM [ARGS...]
//
// This is the outside judge of the tests in this folder: the numbers that the emulation is held against are read from
// here when the test runs, never from a recording. Each probe is at a file offset, an entry probe with -p and a return
// probe with -r, through perf's `uprobe` PMU. Every event is a file descriptor of this process, so nothing stays behind
// however it ends. The program keeps standard input, output and error; the environment is the caller's. PATH is this
// process's; PROGRAM and what it opens are below DIR, if one is given: its root folder, with a /proc.
//
// The program runs on one CPU or the first N that it may use. Each is an event per probe, and closing one takes the
// kernel a grace period, so that many CPUs cost time.
//
// The events count whoever executes the probed file: give private copies, which nothing else on the machine runs.
// Events bound to one process cannot be used: the kernel reads the path of an inherited event again at every fork and
// clone, from the memory of the process that forks, where after an exec it is not. The clone then fails with EFAULT.
//
// A kernel decides about a probe's instruction when the file is mapped executable in some process. So every probed file
// is mapped here first: that makes a refusal show as an errno instead of as a probe that never fires.
//
// Exit codes: 0 the program ran (its own end is in the JSON), 77 this machine has no uprobes for us, 2 anything else.
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <linux/perf_event.h>
#include <sched.h>
#include <string>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace {

struct Probe {
    std::uint64_t offset = 0;
    std::string path;
    bool at_return = false;
    std::vector<int> fds; // one event for each CPU that the program may use
    int error = 0;        // errno of perf_event_open
    std::uint64_t hits = 0;
};

[[noreturn]] void stop(int code, const std::string& why) {
    std::fprintf(stderr, "live_counter: %s\n", why.c_str());
    std::exit(code);
}
[[noreturn]] void stop_with_errno(const std::string& what) { stop(2, what + ": " + std::strerror(errno)); }

/// The number of the `uprobe` PMU on this kernel; ends with 77 where there is none.
std::uint32_t uprobe_pmu() {
    std::ifstream file("/sys/bus/event_source/devices/uprobe/type");
    std::uint32_t type = 0;
    if (!(file >> type)) stop(77, "this kernel has no uprobe PMU");
    return type;
}

/// Restricts this process, and so the program, to the first few of its CPUs, and returns their numbers.
std::vector<int> choose_cpus(std::size_t most) {
    cpu_set_t allowed, chosen;
    CPU_ZERO(&chosen);
    if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) stop_with_errno("sched_getaffinity");
    std::vector<int> cpus;
    for (int cpu = 0; cpu < CPU_SETSIZE && cpus.size() < most; ++cpu) {
        if (!CPU_ISSET(cpu, &allowed)) continue;
        CPU_SET(cpu, &chosen);
        cpus.push_back(cpu);
    }
    if (::sched_setaffinity(0, sizeof chosen, &chosen) != 0) stop_with_errno("sched_setaffinity");
    return cpus;
}

/// Opens the probe's events. Where the kernel refuses the probe, `error` is why.
void open_probe(std::uint32_t pmu, Probe& probe, const std::vector<int>& cpus) {
    perf_event_attr attr{};
    attr.size = sizeof attr;
    attr.type = pmu;
    attr.config1 = reinterpret_cast<std::uintptr_t>(probe.path.c_str()); // uprobe_path
    attr.config2 = probe.offset;                                         // probe_offset
    attr.config = probe.at_return ? 1 : 0;                               // retprobe
    for (const int cpu : cpus) {
        const long fd = ::syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
        if (fd < 0) {
            probe.error = errno;
            return;
        }
        probe.fds.push_back(static_cast<int>(fd));
    }
}

/// Maps the whole file as a loader maps text, for as long as this process lives.
void map_executable(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return; // the kernel's own errno for such a path comes from perf_event_open
    struct stat status {};
    if (::fstat(fd, &status) == 0 && status.st_size > 0)
        ::mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    ::close(fd);
}

std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out + '"';
}

/// Changes the root folder of this process for good, with a /proc that only it and its children see. Ends with 77 where
/// that is not allowed.
void enter(const std::string& root) {
    const std::string proc = root + "/proc";
    ::mkdir(proc.c_str(), 0755);
    if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("proc", proc.c_str(), "proc", 0, nullptr) != 0 || ::chroot(root.c_str()) != 0 || ::chdir("/") != 0) {
        std::fprintf(stderr, "live_counter: a root folder with /proc: %s\n", std::strerror(errno));
        ::_exit(77);
    }
}

/// Starts the program below `root`; it dies with this process.
pid_t start(char** command, const std::string& root) {
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child < 0) stop_with_errno("fork");
    if (child != 0) return child;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(2);
    if (!root.empty()) enter(root);
    ::execvp(command[0], command);
    std::fprintf(stderr, "live_counter: %s: %s\n", command[0], std::strerror(errno));
    ::_exit(127);
}

} // namespace

int main(int argc, char** argv) {
    std::vector<Probe> probes;
    std::string json, root;
    std::size_t most_cpus = 1;
    int at = 1;
    for (; at < argc && std::string(argv[at]) != "--"; at += 2) {
        const std::string option = argv[at];
        if (at + 1 == argc) stop(2, option + " needs a value");
        const std::string value = argv[at + 1];
        const std::size_t colon = value.find(':');
        if (option == "--json")
            json = value;
        else if (option == "--root")
            root = value;
        else if (option == "--cpus")
            most_cpus = std::strtoul(value.c_str(), nullptr, 10);
        else if ((option == "-p" || option == "-r") && colon != std::string::npos)
            probes.push_back({std::strtoull(value.c_str(), nullptr, 0), value.substr(colon + 1), option == "-r", {}});
        else
            stop(2, "wrong argument " + option + " " + value);
    }
    if (json.empty() || at + 1 >= argc)
        stop(2, "usage: live_counter --json FILE [--root DIR] [--cpus N] [-p OFFSET:PATH]... [-r OFFSET:PATH]... -- "
                "PROGRAM [ARGS...]");
    const std::uint32_t pmu = uprobe_pmu();

    const std::vector<int> cpus = choose_cpus(most_cpus);
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &files);
    }
    for (Probe& probe : probes) {
        map_executable(probe.path);
        open_probe(pmu, probe, cpus);
        if (probe.error == EACCES || probe.error == EPERM || probe.error == ENOSYS || probe.error == ENODEV)
            stop(77, std::string("no uprobes for this user here: ") + std::strerror(probe.error));
    }

    // Children whose parent ends first come to this process, so that every count is complete when the last one is gone.
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    const pid_t child = start(argv + at + 1, root);
    int status = 0, ended = 0;
    for (pid_t gone = 0; (gone = ::wait(&ended)) > 0 || errno == EINTR;)
        if (gone == child) status = ended;
    for (Probe& probe : probes)
        for (const int fd : probe.fds) {
            std::uint64_t hits = 0;
            if (::read(fd, &hits, sizeof hits) != sizeof hits) stop_with_errno("reading a counter");
            probe.hits += hits;
        }

    utsname kernel{};
    ::uname(&kernel);
    std::ofstream out(json);
    out << "{\"kernel\": " << quoted(kernel.release) << ", \"exit\": {"
        << (WIFSIGNALED(status) ? "\"signal\": " : "\"code\": ")
        << (WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)) << "}, \"probes\": [";
    for (std::size_t i = 0; i < probes.size(); ++i)
        out << (i == 0 ? "" : ",") << "\n  {\"path\": " << quoted(probes[i].path)
            << ", \"offset\": " << probes[i].offset << ", \"status\": \""
            << (probes[i].error == 0 ? "armed" : "refused") << "\", \"errno\": " << probes[i].error
            << ", \"hits\": " << probes[i].hits << '}';
    out << "\n]}\n";
    out.close();
    if (!out) stop(2, json + ": cannot be written");
    return 0;
}
