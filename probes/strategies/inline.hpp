// strategies/inline.hpp: lifting the breakpoint from an instruction and putting it back.
//
// `inline` is this as it stands; `inline-stop` stops the program's other threads meanwhile, `inline-hwbp` watches the
// gap with a debug register. Read next: inline.cpp.
#pragma once

#include "probes/uprobes.hpp"

namespace trapline {

class InlineStep : public Strategy {
  public:
    using Strategy::Strategy;

    Path<bool> start(Hit hit) override;
    Path<bool> finish(Hit hit) override;
    void abort(const Hit& hit) override;

  protected:
    /// The original byte is visible; an event for the caller to make. False: it was already, or the probe has gone.
    bool lift(const Hit& hit);
    /// The int3 is visible again. False: another thread has put it back already, or the probe has gone.
    bool lower(Mm& mm, Addr address);
};

} // namespace trapline
