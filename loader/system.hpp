// loader/system.hpp: what a user program sees of the system: exec, files, system calls.
//
// System is the kernel's SyscallHandler. A system call is one step (Step::syscall) and then a handler from the table
// (syscalls/families.hpp): a plain function, or a path where it may sleep. A call that the table
// refuses returns its errno; where a program may well depend on it, it is named once on standard error. Everything a
// call reads from outside goes through the Sandbox, or comes from the machine's own models (/proc, /dev, clocks,
// randomness). Read next: syscalls/call.hpp, exec.hpp.
#pragma once

#include "emu/kernel/kernel.hpp"
#include "emu/result.hpp"
#include "loader/sandbox.hpp"
#include "loader/syscalls/futex.hpp"

#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace trapline {

class FileTable;
struct SyscallInfo;

/// The host descriptors that are the guest's standard input, output and error.
struct StandardFiles {
    int in = 0, out = 1, err = 2;
};

class System final : public SyscallHandler {
  public:
    System(Kernel& kernel, Sandbox sandbox, StandardFiles standard, std::string working_directory);
    ~System() override;

    /// Makes the first process run `program` (a guest path, or a name to be found in PATH). On error nothing was
    /// started.
    Result<Task*> start(const std::string& program, const std::vector<std::string>& args,
                        const std::vector<std::string>& environment);

    /// After an error of `start`, what env(1) would exit with: 127 not found, 126 found but not to be run.
    [[nodiscard]] int start_failure() const { return start_failure_; }

    Path<bool> syscall(Task& t) override;
    void task_exit(Task& t) override;
    void process_exit(Process& p) override;
    void signal_pending(Process& p) override;
    void signal_taken(Process& p, SigInfo& info) override;
    void cpu_time_used(Task& t) override;

    [[nodiscard]] Kernel& kernel() { return kernel_; }
    [[nodiscard]] Sandbox& sandbox() { return sandbox_; }
    [[nodiscard]] std::uint64_t calls() const { return calls_; }
    [[nodiscard]] const StandardFiles& standard() const { return standard_; }
    /// The first process's, a guest path without links.
    [[nodiscard]] const std::string& working_directory() const { return working_directory_; }
    [[nodiscard]] Futexes& futexes() { return futexes_; }

    /// The page-cache inode of a host file: one for each file (device and inode number), shared by all who map it.
    std::shared_ptr<Inode> inode_of(int host_fd, const std::string& guest_path);
    /// Receives bytes that the guest writes to its standard output and error, for tests and scenarios; null: the
    /// host's.
    std::function<void(int stream, std::span<const std::uint8_t>)> output;

  private:
    void say_refused(std::uint64_t number, const SyscallInfo* info);
    void tell(const Task& t, std::uint64_t event, bool returned, const std::string& text);
    Kernel& kernel_;
    Sandbox sandbox_;
    StandardFiles standard_;
    std::string working_directory_;
    Futexes futexes_;
    int start_failure_ = 0;
    std::uint64_t calls_ = 0;
    std::set<std::uint64_t> refused_; ///< calls that were named on standard error
    std::map<std::pair<std::uint64_t, std::uint64_t>, std::weak_ptr<Inode>> inodes_;
};

} // namespace trapline
