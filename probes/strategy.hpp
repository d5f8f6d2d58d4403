// probes/strategy.hpp: the trap has fired and the handlers ran: how does the original instruction run?
//
// A strategy answers that one question; everything else (trap, lookup, handlers, accounting, text pages) is shared, so
// a difference between two rows of a table is a difference between two strategies. The answers that the mails of 2005
// to 2010 argued about are the files in strategies/, one each:
//
//   inline   lift the int3, step in place, put it back     others may pass meanwhile (seed 003; 004 section 1.1)
//   xol      step a copy elsewhere; the int3 stays          nobody can pass (seed 004 section 1.1)
//
// A strategy is asked to `start` after the handlers, to `finish` at the step trap that follows, and to `abort` when the
// instruction raised an exception that becomes a signal. Its state for a thread is in the Utask (uprobes.hpp).
#pragma once

#include "probes/uprobe.hpp"

#include <memory>
#include <span>
#include <string_view>

namespace trapline {

class Uprobes;

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

    /// Prepares the thread so that the original instruction runs next, with TF set. False: that was not possible, the
    /// thread re-executes the int3 (Linux: "restart").
    virtual Path<bool> start(Hit hit) = 0;
    /// The step trap has come: fix-ups, and the thread goes on behind the instruction. False: the program had set TF
    /// itself and gets its SIGTRAP.
    virtual Path<bool> finish(Hit hit) = 0;
    /// The instruction raised an exception: back to the state before `start`, RIP at the probe point.
    virtual void abort(const Hit& hit) = 0;
    /// An address space is going, or has been replaced: forget what was kept for it.
    virtual void forget(Mm&) {}
    /// The thread disappears in the middle of a hit.
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

/// In the order of DESIGN.md's table.
std::span<const StrategyInfo> strategies();
const StrategyInfo* strategy_info(std::string_view name);

std::unique_ptr<Strategy> make_inline(Uprobes& u);
std::unique_ptr<Strategy> make_xol(Uprobes& u);

} // namespace trapline
