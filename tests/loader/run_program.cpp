#include "tests/loader/run_program.hpp"

#include "loader/files/file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace trapline::test {
namespace {

/// A descriptor from which `text` can be read.
HostFd input_of(const std::string& text) {
    HostFd fd(::memfd_create("input", MFD_CLOEXEC));
    if (::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) ::abort();
    ::lseek(fd.get(), 0, SEEK_SET);
    return fd;
}

int exit_code(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

void print_event(const Event& e) {
    fmt::print(stderr, "{:>8} t{} cpu{} {} {:#x} {:#x} {}\n", e.number, e.task, static_cast<std::int16_t>(e.cpu),
               step_info(e.step).name, e.object, e.value, e.text);
}

} // namespace

Ran run_emulated(const std::vector<std::string>& command, const RunOptions& options) {
    Ran ran;
    KernelConfig config;
    config.cpus = options.cpus;
    config.seed = options.seed;
    config.limit = options.limit;
    RoundRobin policy;
    Kernel kernel(config, policy);
    if (::getenv("TRAPLINE_TEST_EVENTS") != nullptr) kernel.log().set_writer(print_event);
    auto sandbox = Sandbox::create("/", options.write, [&] { return time_of_day(kernel); });
    if (!sandbox) {
        ran.error = sandbox.error().text();
        return ran;
    }
    const HostFd input = input_of(options.input), output = input_of(""), errors = input_of("");
    System system(kernel, std::move(*sandbox), {input.get(), output.get(), errors.get()}, options.directory);
    system.output = [&](int stream, std::span<const std::uint8_t> bytes) {
        (stream == 1 ? ran.out : ran.err).append(bytes.begin(), bytes.end());
    };
    auto started = system.start(command.front(), command, options.environment);
    if (!started) {
        ran.error = started.error().text();
        ran.code = system.start_failure();
        return ran;
    }
    const Outcome end = kernel.run();
    ran.code = end.kind == Outcome::Kind::exited ? exit_code(end.status) : -2 - static_cast<int>(end.kind);
    ran.log_hash = kernel.log().hash();
    ran.instructions = kernel.cpu().retired();
    ran.threads = kernel.created_tasks();
    ran.processes = kernel.created_processes();
    return ran;
}

Ran run_natively(const std::vector<std::string>& command, const RunOptions& options) {
    const HostFd input = input_of(options.input);
    int out[2], err[2];
    if (::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(err, O_CLOEXEC) != 0) ::abort();
    std::vector<char*> args, environment;
    for (const auto& a : command) args.push_back(const_cast<char*>(a.c_str()));
    for (const auto& e : options.environment) environment.push_back(const_cast<char*>(e.c_str()));
    args.push_back(nullptr);
    environment.push_back(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
        ::dup2(input.get(), 0);
        ::dup2(out[1], 1);
        ::dup2(err[1], 2);
        if (::chdir(options.directory.c_str()) != 0) ::_exit(126);
        environ = environment.data();
        ::execvp(args[0], args.data());
        ::_exit(127);
    }
    ::close(out[1]);
    ::close(err[1]);
    Ran ran;
    pollfd both[2] = {{out[0], POLLIN, 0}, {err[0], POLLIN, 0}};
    std::string* texts[2] = {&ran.out, &ran.err};
    for (int open = 2; open > 0;) {
        ::poll(both, 2, -1);
        for (int i = 0; i < 2; ++i) {
            if (both[i].fd < 0 || both[i].revents == 0) continue;
            char part[65536];
            const ssize_t n = ::read(both[i].fd, part, sizeof part);
            if (n > 0) {
                texts[i]->append(part, static_cast<std::size_t>(n));
            } else {
                ::close(both[i].fd);
                both[i].fd = -1;
                --open;
            }
        }
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    ran.code = exit_code(status);
    return ran;
}

} // namespace trapline::test
