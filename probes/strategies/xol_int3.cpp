// strategies/xol_int3.cpp: out of line, the copy followed by an int3 of the kernel's own.
//
// Masami Hiramatsu's replacement for single-stepping in kprobes (x86, Linux 5.13): the copy needs no TF, because the
// int3 behind it traps as soon as it is done. Nobody has proposed it for user space. Where a #DB costs more than a #BP
// (under a hypervisor that intercepts it, fifteen times, as published figures go) it is the cheaper trap.
//
//   start    slot-taken, slot-written   as xol.cpp, and an int3 stands behind the copy
//   step     the copy runs at full speed, a rep string instruction through all its iterations
//   finish   copy-trapped               the int3 was reached; fix-ups done, the thread is behind the probe point
//            slot-freed, resumed
//
// An instruction that may go elsewhere (jumps, calls, returns, system calls) does not reach the int3: kprobes emulates
// those, here they are stepped with TF in the same slot, counted as a fallback. What the program can observe: the
// mapping and the slot's address as with xol, but no TF in what pushf stores, and one hit for a whole rep string
// instruction. Costs two traps of one kind; asks the decoder for the length and the flow of control.
#include "probes/strategies/xol.hpp"

namespace trapline {
namespace {

class XolInt3 final : public XolStep {
  public:
    using XolStep::XolStep;

    Path<bool> breakpoint(Task& t, Addr va) override {
        if (t.probe == nullptr) return {};
        const Utask& u = uprobes.utask(t);
        if (u.active == nullptr || u.slot < 0) return {};
        if (stepped(*u.active)) return XolStep::breakpoint(t, va);
        const Addr end_of_copy = area(*t.process->mm)->slot_address(u.slot) + u.active->copy.length;
        if (va != end_of_copy) return {};
        ++uprobes.counters.breakpoint_traps;
        uprobes.kernel().set(t, Reg::rip, va);
        return end(Hit{t, u.active, u.address}, Step::copy_trapped);
    }

  protected:
    Copy copy_of(const Uprobe& u) override {
        Copy copy = XolStep::copy_of(u);
        if (stepped(u)) {
            ++uprobes.counters.fallbacks;
            return copy;
        }
        copy.bytes[u.copy.length] = kBreakpoint;
        copy.size = u.copy.length + 1u;
        copy.stepped = false;
        return copy;
    }

  private:
    static bool stepped(const Uprobe& u) { return u.flow != Flow::sequential; }
};

} // namespace

std::unique_ptr<Strategy> make_xol_int3(Uprobes& u) { return std::make_unique<XolInt3>(u); }

} // namespace trapline
