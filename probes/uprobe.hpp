// probes/uprobe.hpp: a probe point, who is interested in it, and the ground truth about it.
//
// A Uprobe is an instruction in a file (inode and offset), as in Linux since 3.5; the 2010 interface's (pid, address)
// is looked up to the same thing and filtered to one process. A Consumer is one registration: a handler and a filter. A
// Site is the uprobe's place in one address space, armed or not.
//
// The truth. `executions` counts how often the instruction completed in a thread of a process that a consumer wants;
// `missed` those that no handler run preceded; `repeated` handler runs beyond the first for one execution. Always
// executions = hits - repeated + missed, where hits are handler runs (DESIGN, "Ground truth"). Read next: uprobes.hpp.
#pragma once

#include "decoder/fixup.hpp"
#include "emu/kernel/kernel.hpp"

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace trapline {

struct Uprobe;

/// What a handler is given: the thread, stopped at the probe point. It may change registers, the instruction pointer
/// too.
class HitContext {
  public:
    HitContext(Kernel& kernel, Task& task, Addr at) : address(at), kernel_(kernel), task_(task) {}
    [[nodiscard]] std::uint64_t get(Reg r) const { return kernel_.get(task_, r); }
    void set(Reg r, std::uint64_t v) { kernel_.set(task_, r, v); }
    [[nodiscard]] Task& task() const { return task_; }
    [[nodiscard]] Mm& memory() const { return *task_.process->mm; }
    const Addr address; ///< of the probe point

  private:
    Kernel& kernel_;
    Task& task_;
};

struct Consumer {
    int pid = 0; ///< only this process; 0: every one that maps the file
    std::function<void(HitContext&)> handler;
    bool in_interrupt = false; ///< the handler runs in the trap itself, not on the way back to user mode
    // Kept by the Uprobes object.
    Uprobe* uprobe = nullptr;
    bool leaving = false; ///< unregistered from inside a handler: goes when the handlers are done
    std::uint64_t hits = 0;
};

struct Truth {
    std::uint64_t executions = 0, hits = 0, missed = 0, repeated = 0;
    Cycles cycles = 0; ///< virtual cycles between trap and resumption, over all hits
};

struct Uprobe {
    std::uint32_t number = 0;     ///< in order of registration
    std::shared_ptr<Inode> inode; ///< nullptr: anonymous memory of one address space, `offset` is the address
    std::uint32_t mm = 0;         ///< of an anonymous one
    std::uint64_t offset = 0;
    std::vector<Consumer*> consumers; ///< in order of registration
    Truth truth;

    Addr first_address = 0; ///< where it was armed first
    int error = 0;          ///< of the last attempt to arm it, a negative errno

    bool analysed = false; ///< the instruction has been read and judged (Linux: UPROBE_COPY_INSN)
    std::array<std::uint8_t, 16> bytes{};
    OutOfLine copy;
    bool rep_string = false;

    [[nodiscard]] bool wants(const Mm& m, const Process* p) const;
};

/// One uprobe in one address space.
struct Site {
    Uprobe* uprobe = nullptr;
    Addr address = 0;
    bool armed = false;   ///< int3 was written here (a strategy may have lifted it for a moment)
    bool watched = false; ///< the bare instruction may run: the CPU reports every fetch
};

} // namespace trapline
