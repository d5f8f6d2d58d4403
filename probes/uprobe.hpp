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

#include "decoder/emulated.hpp"
#include "decoder/fixup.hpp"
#include "decoder/flow.hpp"
#include "emu/kernel/kernel.hpp"
#include "emu/kernel/wait.hpp"

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace trapline {

struct Uprobe;

/// What a handler is given: the thread, stopped at the probe point or behind the function's return. It may change
/// registers, the instruction pointer too, and memory.
class HitContext {
  public:
    HitContext(Kernel& kernel, Task& task, Addr at, bool at_return = false)
        : address(at), returning(at_return), kernel_(kernel), task_(task) {}
    [[nodiscard]] std::uint64_t get(Reg r) const { return kernel_.get(task_, r); }
    void set(Reg r, std::uint64_t v) { kernel_.set(task_, r, v); }
    [[nodiscard]] Kernel& kernel() const { return kernel_; }
    [[nodiscard]] Task& task() const { return task_; }
    [[nodiscard]] Mm& memory() const { return *task_.process->mm; }
    const Addr address;          ///< of the probe point
    const bool returning;        ///< the function has returned: RIP is where the thread goes on, RAX the result
    std::string text;            ///< what the handler has to say: it goes into the event log
    bool ignores_return = false; ///< set on entry: this consumer's handler is not called when this call returns

  private:
    Kernel& kernel_;
    Task& task_;
};

/// One registration. A consumer may want entries, returns, or both; the handler is told which by the context.
struct Consumer {
    int pid = 0; ///< only this process; 0: every one that maps the file
    /// Which processes it wants beyond that; empty: all. Asked again at hits, so the answer may change.
    std::function<bool(const Process&)> filter;
    bool on_entry = true, on_return = false;
    /// In the file: a 16-bit counter that is one higher wherever the probe is armed (a USDT semaphore); 0: none.
    std::uint64_t counter_offset = 0;
    std::function<void(HitContext&)> handler;
    /// A handler that may sleep, instead of `handler`: the probed thread stays stopped, the others run. In task context
    /// only.
    std::function<Path<bool>(HitContext&)> sleeping_handler;
    bool in_interrupt = false;           ///< the handler runs in the trap itself, not on the way back to user mode
    std::uint64_t hits = 0, returns = 0; ///< runs of the handler on entry and on return
    // Kept by the Uprobes object.
    Uprobe* uprobe = nullptr;
    bool leaving = false;     ///< unregistered: no handler begins any more
    unsigned running = 0;     ///< threads that are in its handler
    std::uint64_t number = 0; ///< of the registration, in order

    [[nodiscard]] bool wants_all() const { return pid == 0 && !filter; }
    [[nodiscard]] bool wants(const Process& p) const { return (pid == 0 || p.pid == pid) && (!filter || filter(p)); }
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
    std::uint64_t counter_offset = 0; ///< the same for all its consumers
    std::vector<Consumer*> consumers; ///< in order of registration; nullptr: one that left while handlers run
    Truth truth;
    Truth returned; ///< the same of returns: an execution is a call that came back

    Addr first_address = 0; ///< where it was armed first
    int error = 0;          ///< of the last attempt to arm it, a negative errno

    bool analysed = false; ///< the instruction has been read and judged (Linux: UPROBE_COPY_INSN)
    std::array<std::uint8_t, 16> bytes{};
    OutOfLine copy;
    Emulation emulation; ///< what this kernel computes itself
    bool rep_string = false;
    Flow flow = Flow::sequential;

    // Kept by handlers.cpp.
    bool plain = true;         ///< every consumer wants entries only, and none has a handler that sleeps or a filter
    bool returns = false;      ///< some consumer wants returns
    bool in_interrupt = false; ///< some handler runs in the trap itself
    unsigned running = 0;      ///< threads that are in handlers of its consumers
    WaitQueue idle;            ///< woken when a handler has ended
    bool locked = false;       ///< somebody is registering or unregistering here (Linux: register_rwsem)
    WaitQueue unlocked;

    /// Whether a consumer wants entries or returns in this address space, whose process is `p`.
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
