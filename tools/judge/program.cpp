#include "tools/judge/program.hpp"

#include "tools/judge/auxv.hpp"
#include "tools/judge/descriptor.hpp"
#include "tools/judge/private_files.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fmt/format.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

namespace trapline::judge {
namespace {

// What the emulated machine has; loader/process_state.hpp and loader/syscalls/system.cpp are where it says so.
constexpr const char* kHostName = "trapline";
constexpr int kFirstProcess = 1000;
constexpr rlim_t kOpenFiles = 1024, kStack = 8u << 20;

void die(const char* what) {
    fmt::print(stderr, "trapline: {}: {}\n", what, std::strerror(errno));
    std::fflush(stderr);
    ::_exit(126);
}

void reset_signals() {
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
}

void limit(int resource, rlim_t soft) {
    rlimit now{};
    ::getrlimit(static_cast<__rlimit_resource>(resource), &now);
    now.rlim_cur = std::min(soft, now.rlim_max);
    ::setrlimit(static_cast<__rlimit_resource>(resource), &now);
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
    std::vector<char*> out;
    for (const std::string& s : strings) out.push_back(const_cast<char*>(s.c_str())); // as execve wants it
    out.push_back(nullptr);
    return out;
}

/// What root may do to files and processes stays; what it may do to the machine does not. It counts from the exec on.
void give_up_the_machine() {
    for (int capability = CAP_SETPCAP; capability <= CAP_LAST_CAP; ++capability)
        if (capability != CAP_SYS_PTRACE) ::prctl(PR_CAPBSET_DROP, capability);
}

[[noreturn]] void become_program(const LiveRequest& request, const ProgramFiles& files) {
    ::setsid();
    const Descriptor null(::open("/dev/null", O_RDWR | O_CLOEXEC)); // of the host: the root folder may have none
    if (::dup2(request.input >= 0 ? request.input : null.get(), 0) < 0 || ::dup2(files.out, 1) < 0 ||
        ::dup2(files.err, 2) < 0)
        die("standard files");
    ::close_range(3, ~0u, 0);
    reset_signals();
    ::umask(022);
    limit(RLIMIT_NOFILE, kOpenFiles);
    limit(RLIMIT_STACK, kStack);
    limit(RLIMIT_CORE, 0);
    ::personality(ADDR_NO_RANDOMIZE);
    const std::vector<char*> args = pointers(request.args), environment = pointers(request.environment);
    if (auto entered = enter_root(request); !entered) {
        fmt::print(stderr, "trapline: {}\n", entered.error().what);
        ::_exit(126);
    }
    give_up_the_machine();
    (void)stop_after_exec(); // the parent sees by the way this process stops or ends whether it may
    ::execve(request.program.c_str(), args.data(), environment.data());
    die(request.program.c_str());
    ::_exit(126);
}

/// Closes every descriptor but these: probes of this process's parent would live as long as it does.
void keep_only(std::vector<int> kept) {
    std::sort(kept.begin(), kept.end());
    unsigned from = 3;
    for (const int fd : kept) {
        if (fd < static_cast<int>(from)) continue;
        if (fd > static_cast<int>(from)) ::close_range(from, static_cast<unsigned>(fd) - 1, 0);
        from = static_cast<unsigned>(fd) + 1;
    }
    ::close_range(from, ~0u, 0);
}

/// Number 1 of the namespace: starts the program, takes in its orphans, and ends when the last process has.
[[noreturn]] void be_init(const LiveRequest& request, const ProgramFiles& files, Descriptor status_to) {
    keep_only({request.input, files.out, files.err, status_to.get()});
    const std::string proc = (request.root == "/" ? "" : request.root) + "/proc";
    // Without /proc a program sees that it has none; so does it in the emulated machine's root folder.
    (void)::mount("proc", proc.c_str(), "proc", 0, nullptr);
    if (std::FILE* last = std::fopen((proc + "/sys/kernel/ns_last_pid").c_str(), "w")) {
        std::fprintf(last, "%d", kFirstProcess - 1);
        std::fclose(last);
    }
    (void)::mount(nullptr, proc.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr);
    ::sethostname(kHostName, std::strlen(kHostName));
    const pid_t program = ::fork();
    if (program < 0) die("fork");
    if (program == 0) become_program(request, files);
    int status = edit_auxv(program).value_or(0), ended = 0;
    for (pid_t gone = 0; (gone = ::wait(&ended)) > 0 || errno == EINTR;)
        if (gone == program) status = ended;
    (void)!::write(status_to.get(), &status, sizeof status);
    ::_exit(0);
}

} // namespace

Result<int> run_in_namespace(const LiveRequest& request, const ProgramFiles& files) {
    const auto failed = [](const char* what) {
        return tl::make_unexpected(Error{fmt::format("{}: {}", what, std::strerror(errno)), {}, {}, 0, kUnavailable});
    };
    if (::unshare(CLONE_NEWPID) != 0) return failed("a PID namespace");
    Pipe pipe;
    if (!pipe.open()) return failed("pipe");
    const pid_t init = ::fork();
    if (init < 0) return failed("fork");
    if (init == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        // Gone before that took effect? The parent is outside of this namespace, so its number says nothing; its end of
        // the pipe does.
        pipe.read.reset();
        pollfd end{pipe.write.get(), 0, 0};
        if (::poll(&end, 1, 0) == 1 && (end.revents & POLLERR) != 0) ::_exit(2);
        be_init(request, files, std::move(pipe.write));
    }
    pipe.write.reset();
    if (files.meanwhile) files.meanwhile();
    int status = 0, ended = 0;
    ssize_t n = 0;
    while ((n = ::read(pipe.read.get(), &status, sizeof status)) < 0 && errno == EINTR) {
    }
    while (::waitpid(init, &ended, 0) < 0 && errno == EINTR) {
    }
    if (n != sizeof status) return fail("the live program's namespace was killed");
    return status;
}

} // namespace trapline::judge
