// strategies/emulate.cpp: the kernel computes what the instruction would have done.
//
// Linux does it since 3.16 (2014) for nops, jumps, conditional jumps and calls, and since 4.15 for `push reg`; seed 000
// calls it the way that needs total knowledge of the instruction set, and so do they: it is a handful of instructions
// that decoder/emulated.hpp recognises by the dialect's rules. Everything else is stepped in a slot of the XOL area
// (strategies/xol.cpp), and so is a push whose stack cannot be written, for the sake of its fault.
//
//   start    emulated          registers and stack are as the instruction leaves them
//            resumed
//
// What the program can observe: nothing where the kernel is right. Released kernels go by opcode bytes that are not
// always the opcode: `xchg r8, rax` passes for a nop, vpor for a jump (as measured on Linux 6.18.44), and the program
// computes something else; the dialect `fixed` steps those. Under the program's own TF the kernel sends the SIGTRAP
// itself.
//
// Costs one trap. No slot, so no area until something has to be stepped.
#include "decoder/flow.hpp"
#include "probes/with_fallback.hpp"

namespace trapline {
namespace {

class Emulate final : public WithFallback {
  public:
    using WithFallback::WithFallback;

    Path<bool> start(Hit hit) override {
        Addr next = 0;
        return compute(hit, next) ? emulated(hit, next) : WithFallback::start(hit);
    }

  private:
    /// The instruction's effect except for RIP, which is `next` afterwards. False: it has to be stepped.
    bool compute(const Hit& hit, Addr& next) {
        const Emulation& e = hit.uprobe->emulation;
        Kernel& k = uprobes.kernel();
        const Addr behind = hit.address + e.length;
        const Addr target = behind + static_cast<Addr>(std::int64_t{e.displacement});
        next = behind;
        switch (e.kind) {
        case Emulated::none:
            return false;
        case Emulated::nop:
            return true;
        case Emulated::jmp:
            next = target;
            return true;
        case Emulated::jcc:
            if (condition_holds(e.condition, k.get(hit.task, Reg::eflags))) next = target;
            return true;
        case Emulated::call_rel:
            next = target;
            return push(hit.task, behind);
        case Emulated::push_reg:
            return push(hit.task, k.get(hit.task, static_cast<Reg>(e.reg)));
        }
        return false;
    }

    bool push(Task& t, std::uint64_t value) {
        Kernel& k = uprobes.kernel();
        const Addr sp = k.get(t, Reg::rsp) - sizeof value;
        if (!t.process->mm->put(sp, value)) return false;
        k.set(t, Reg::rsp, sp);
        return true;
    }
};

} // namespace

std::unique_ptr<Strategy> make_emulate(Uprobes& u) { return std::make_unique<Emulate>(u, make_xol(u)); }

} // namespace trapline
