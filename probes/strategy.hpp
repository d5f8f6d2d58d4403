// probes/strategy.hpp: the trap has fired and the handlers ran: how does the original instruction run?
//
// A strategy answers that one question; everything else (trap, lookup, handlers, accounting, text pages) is shared, so
// a difference between two rows of a table is a difference between two strategies. The answers that the mails of 2005
// to 2010 argued about are the files in strategies/, one each:
//
//   inline   lift the int3, step in place, put it back     others may pass meanwhile (seed 003; 004 section 1.1)
//   xol      step a copy elsewhere; the int3 stays          nobody can pass (seed 004 section 1.1)
//   emulate  the kernel computes a few, the rest as xol     nobody can pass (seed 000)
//
// A strategy is asked to `start` after the handlers, to `finish` at the step trap that follows, and to `abort` when the
// instruction raised an exception that becomes a signal. Its state for a thread is in the Utask (uprobes.hpp). Those
// that need no step trap, or patch more than the first byte, or send the thread through code of their own have the
// further questions below, which have an empty answer for the others.
//
// The table of all strategies is boost/catalogue.hpp; what the out-of-line ones share is out_of_line.hpp.
#pragma once

#include "probes/uprobe.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace trapline {

class Uprobes;
class XolArea;

/// One hit in progress.
struct Hit {
    Task& task;
    Uprobe* uprobe;
    Addr address;
};

class Strategy {
  public:
    explicit Strategy(Uprobes& layer) : uprobes(layer) {}
    virtual ~Strategy() = default;
    Strategy(const Strategy&) = delete;
    Strategy& operator=(const Strategy&) = delete;

    /// Prepares the thread so that the original instruction runs next, with TF set (Uprobes::begin_step), or out of
    /// sight until it is behind (Uprobes::under_way); or runs it (Uprobes::completed, resume). False: that was not
    /// possible, the thread re-executes the int3 (Linux: "restart").
    virtual Path<bool> start(Hit hit) = 0;
    /// The step trap has come: fix-ups, and the thread goes on behind the instruction. False: the program had set TF
    /// itself and gets its SIGTRAP.
    virtual Path<bool> finish(Hit hit) = 0;
    /// The instruction raised an exception: back to the state before `start`, RIP at the probe point.
    virtual void abort(const Hit& hit) = 0;

    // Around the life of a probe.
    /// Can this instruction be probed this way at all? 0 or a negative errno; asked once, after the dialect's rules.
    virtual int accepts(const Uprobe&) { return 0; }
    /// An int3 is about to be written at `va` for `uprobe`: what was patched over that place goes first. An empty path:
    /// nothing.
    virtual Path<bool> arming(Mm&, Uprobe&, Addr /*va*/) { return {}; }
    /// The int3 stands at `site`: more text may be patched now, step by step. An empty path: nothing more.
    virtual Path<bool> armed(Mm&, Site&) { return {}; }
    /// The int3 is about to go from `site`: whatever else was patched goes first. An empty path: nothing.
    virtual Path<bool> disarming(Mm&, Site&) { return {}; }
    /// The original byte is back at `va`, which was `uprobe`'s: what was kept for the place can go, once no thread is
    /// in it. An empty path: nothing.
    virtual Path<bool> disarmed(Mm&, Uprobe&, Addr /*va*/) { return {}; }
    /// A child has a copy of the parent's address space.
    virtual void duplicated(Mm& /*parent*/, Mm& /*child*/) {}
    /// A thread, or a process's first one, is about to start.
    virtual void task_created(Task& /*parent*/, Task& /*child*/) {}

    // Traps and fetches in the strategy's own code. An empty path: not this strategy's.
    /// An int3 at `va`, before it is looked up as a probe point; RIP is past it.
    virtual Path<bool> breakpoint(Task&, Addr /*va*/) { return {}; }
    /// A system call of the strategy's own code; its number is in RAX.
    virtual Path<bool> syscall(Task&) { return {}; }
    /// About to execute an address that the strategy watches, or that a debug register holds.
    virtual Path<bool> fetch(Task&, Addr /*va*/) { return {}; }

    // Signals while no step is in progress (the thread may be inside the strategy's own code).
    virtual void before_fault_signal(Task&) {}
    virtual void before_signal_frame(Task&) {}
    /// A signal is waiting and no step is in progress. True: not now; the thread may be sent where it will trap soon.
    virtual bool holds_signals(Task&) { return false; }
    /// While a step is in progress, too, unless the strategy has no such care.
    virtual bool steps_hold_signals() { return true; }

    /// The page of slots that the strategy has in the address space, made if need be: the trampoline of return probes
    /// goes into its slot 0. nullptr: it has none, and the layer makes one.
    virtual XolArea* area(Mm&) { return nullptr; }
    /// The first rule about its own slots that the strategy's state breaks in the address space, in words; empty when
    /// all is well.
    virtual std::string broken(Mm&) { return {}; }
    /// Something else than an int3 stands watch at a place whose original byte shows (probes/invariants.cpp).
    virtual bool watches(Mm&, Addr /*va*/) { return false; }
    /// An address space is going, or has been replaced: forget what was kept for it.
    virtual void forget(Mm&) {}
    /// The thread disappears in the middle of a hit; when its step was over and it still has a slot, without a uprobe.
    virtual void task_exit(const Hit& hit) { abort(hit); }

  protected:
    Uprobes& uprobes;
};

struct StrategyInfo {
    std::string_view name;
    std::string_view summary;
    std::string_view source;
    std::unique_ptr<Strategy> (*make)(Uprobes&);
};

// strategies/*.cpp
std::unique_ptr<Strategy> make_emulate(Uprobes& u);
std::unique_ptr<Strategy> make_inline(Uprobes& u);
std::unique_ptr<Strategy> make_inline_stop(Uprobes& u);
std::unique_ptr<Strategy> make_inline_hwbp(Uprobes& u);
std::unique_ptr<Strategy> make_inline_hwbp_lazy(Uprobes& u);
std::unique_ptr<Strategy> make_stack(Uprobes& u);
std::unique_ptr<Strategy> make_stack_as_posted(Uprobes& u);
std::unique_ptr<Strategy> make_xol(Uprobes& u);
std::unique_ptr<Strategy> make_xol_owned(Uprobes& u);
std::unique_ptr<Strategy> make_xol_page(Uprobes& u);
std::unique_ptr<Strategy> make_xol_int3(Uprobes& u);

} // namespace trapline
