// probes/out_of_line.hpp: stepping a copy of the instruction, wherever the copy stands.
//
// Slots in a VMA, the user stack, a page outside every VMA: strategies differ in where the copy is, who owns the place
// and what can happen to it. What must be done to a thread before and after a copied instruction is the same for all,
// and is here: the scratch register that stands in for RIP, RIP itself, the return address of a call
// (decoder/fixup.hpp). Read next: strategies/xol.cpp.
#pragma once

#include "probes/uprobes.hpp"

namespace trapline {

/// The register by its name in the machine; not for Scratch::none.
Reg scratch_register(Scratch s);

class OutOfLineStep : public Strategy {
  protected:
    using Strategy::Strategy;

    /// The thread executes the copy at `copy` next; its registers are as the copy wants them.
    void enter(const Hit& hit, Addr copy);
    /// The same for a copy whose RIP-relative operand has been encoded anew, and which needs no scratch register.
    void enter_relocated(const Hit& hit, Addr copy);
    /// The copy has run: RIP and a pushed return address are moved to where the original would have left them, and the
    /// step is over. Where the thread goes on; at the probe point again if its stack is gone (Linux: restart).
    Addr leave(const Hit& hit, Addr copy);
    /// The copy has not run to its end: registers as before `enter`, RIP at the probe point.
    void undo(const Hit& hit);

  private:
    void restore_scratch(const Hit& hit);
    bool fix_up(const Hit& hit, Addr copy);
};

} // namespace trapline
