// boost/emulate_most.cpp: the kernel computes as much as it honestly can.
//
// `emulate` is what Linux does, a handful of instructions. Seed 000 asks what total knowledge of the instruction set
// would buy; this is the answer for moves, arithmetic with its flags, string operations, near branches, calls and
// returns, and the stack (compute.cpp), and for what names registers alone, SSE above all, by way of a nested CPU: the
// instruction runs in the kernel on one that has the thread's registers and nothing to touch.
//
//   start    emulated          registers, flags and memory are as the instruction leaves them
//            resumed
//
// What cannot be computed (decoder/computed.hpp), and what would fault, is stepped out of line in ring 3 and has its
// usual effect there (a fallback, counted). What the program can observe: nothing. No text changes, and no code is
// added to the program until something has to be stepped. Another CPU may see a read and a write of one instruction
// apart, so what a lock makes atomic is stepped, and so is a repeated string instruction under the program's own TF.
//
// Costs one trap.
#include "boost/emulate_most.hpp"

#include "boost/compute.hpp"
#include "emu/cpu/gaps.hpp"
#include "probes/with_fallback.hpp"

namespace trapline {
namespace {

class EmulateMost final : public WithFallback {
  public:
    using WithFallback::WithFallback;

    Path<bool> start(Hit hit) override {
        Kernel& k = uprobes.kernel();
        const auto insn = outline(hit.uprobe->bytes);
        if (!insn || gap(*insn, hit.uprobe->bytes) != Gap::none) return WithFallback::start(hit);
        const bool own_step = k.trap_flag(hit.task);
        const Computed kind = computed(*insn, hit.uprobe->bytes);
        if (kind == Computed::none || (own_step && insn->rep_string)) return WithFallback::start(hit);
        if (kind == Computed::nested) return own_step ? WithFallback::start(hit) : nested(hit);
        const auto next = compute(k, hit.task, kind, *insn, hit.uprobe->bytes, hit.address);
        return next ? emulated(hit, *next) : WithFallback::start(hit);
    }

  private:
    Path<bool> nested(Hit hit) {
        Kernel& k = uprobes.kernel();
        co_await k.outside(hit.task);
        k.load(hit.task);
        const InnerRun done = k.cpu().run_in_ring(0, std::span(hit.uprobe->bytes).first(hit.uprobe->copy.length));
        const Addr next = hit.address + hit.uprobe->copy.length;
        if (done.vector == vector::breakpoint) co_return co_await emulated(hit, next);
        co_return co_await WithFallback::start(hit); // it would fault
    }
};

} // namespace

std::unique_ptr<Strategy> make_emulate_most(Uprobes& u) { return std::make_unique<EmulateMost>(u, make_xol(u)); }

} // namespace trapline
