// tests/emu/code.hpp: a machine that runs a few bytes of code, without an ELF file or system calls.
//
// Code stands at 0x400000 (r-x), data at 0x600000 (rw-), a stack below 0x700000. `syscall` with RAX = 60 ends the
// thread with the status in RDI; 24 (sched_yield) does nothing. Everything else is ENOSYS.
#pragma once

#include "emu/kernel/kernel.hpp"

#include <initializer_list>
#include <vector>

namespace trapline::testing {

inline constexpr Addr kCode = 0x400000, kData = 0x600000, kStackTop = 0x700000;

class CodeMachine : public SyscallHandler {
  public:
    explicit CodeMachine(std::vector<std::uint8_t> code, unsigned cpus = 2, Policy* policy = nullptr,
                         const CostProfile* cost = &cost_profiles().front())
        : kernel(config(cpus, cost), policy != nullptr ? *policy : round_robin) {
        kernel.attach(this);
        process = &kernel.create_process(nullptr);
        process->mm = kernel.create_mm();
        area(kData, 0x10000, prot::read | prot::write);
        area(kStackTop - 0x80000, 0x80000, prot::read | prot::write);
        // The text is a private mapping of a file, as a program's is.
        file = std::make_shared<MemoryInode>(kernel.frames(), 1, "/code", 0x4000);
        for (std::size_t i = 0; i < code.size(); ++i)
            kernel.frames().data(file->page(i / kPageSize))[i % kPageSize] = code[i];
        area(kCode, 0x4000, prot::read | prot::exec, file);
    }

    /// A thread that starts at `offset` into the code, with a stack of 4 KiB.
    Task& thread(Addr offset = 0) {
        Task& t = kernel.create_task(*process);
        kernel.set(t, Reg::rip, kCode + offset);
        kernel.set(t, Reg::rsp, kStackTop - 0x1000 * (threads_++) - 64);
        kernel.start(t);
        return t;
    }

    Path<bool> syscall(Task& t) override; // in code.cpp: GCC 12 cannot link an inline coroutine twice
    void task_exit(Task&) override {}
    void process_exit(Process&) override {}

    RoundRobin round_robin;
    Kernel kernel;
    Process* process = nullptr;
    std::shared_ptr<Inode> file;        ///< what is mapped at kCode
    std::vector<std::uint64_t> results; ///< exit statuses in order

  private:
    static KernelConfig config(unsigned cpus, const CostProfile* cost) {
        KernelConfig c;
        c.cost = cost;
        c.cpus = cpus;
        return c;
    }
    void area(Addr start, std::uint64_t bytes, std::uint8_t protection, std::shared_ptr<Inode> inode = nullptr) {
        Vma v;
        v.inode = std::move(inode);
        v.start = start;
        v.end = start + bytes;
        v.prot = protection;
        process->mm->map(std::move(v));
    }
    std::uint64_t threads_ = 0;
};

/// Joins pieces of code.
inline std::vector<std::uint8_t> code(std::initializer_list<std::vector<std::uint8_t>> parts) {
    std::vector<std::uint8_t> all;
    for (const auto& p : parts) all.insert(all.end(), p.begin(), p.end());
    return all;
}

inline const std::vector<std::uint8_t> kExit = {0xb8, 60, 0, 0, 0, 0x0f, 0x05}; // mov eax, 60; syscall

} // namespace trapline::testing
