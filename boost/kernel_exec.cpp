// boost/kernel_exec.cpp: the kernel runs the program's instruction itself.
//
// Peter Zijlstra in January 2010 (seed 000): "a combination of 4 and execute from kernel space would be feasible. I
// would think most regular instructions are runnable from kernel space given that we provide the proper pt_regs
// environment." And at once: "we need to fully emulate the address computation step for all memory writes, otherwise a
// wild userspace pointer might end up writing in your kernel image." Two days later (seed 001) he wants ring 2 instead
// of the computation, and Avi Kivity answers: "CPL2 gives unrestricted access to the kernel address space". Nobody
// built it. Here it runs, in ring 0 or 2 of the emulated CPU, whose page tables say what it may touch:
//
//   start    addresses-checked   kernel-exec only: every address that the instruction is going to touch was computed
//                                (decoder/address.hpp), and is the program's
//            ran-in-kernel       it ran from a page of the kernel's, with the thread's registers
//            kernel-read, kernel-written   it touched the kernel's data there, which in ring 3 would have been SIGSEGV
//            resumed
//
//   kernel-exec             ring 0, addresses checked: a wild pointer is handed back to the program
//   kernel-exec-unchecked   ring 0, none checked: a wild pointer reads and writes the kernel's memory
//   kernel-exec-cpl2        ring 2, none checked: the same, as a page knows only user (ring 3) and supervisor (the
//   rest);
//                           but privileged instructions fault, and it may use the stack
//
// A page fault on the way is served and the instruction starts again; it may be one on a page that was swapped out, so
// a thread can sleep here. Any other exception, and what cannot run in the kernel at all (what goes elsewhere, uses the
// stack, or depends on the ring: decoder/kernel_exec.hpp), is stepped out of line in ring 3, where it has its usual
// effect (a fallback, counted). So does an instruction whose addresses are refused.
//
// What others observe: nothing, no text changes and no code is added to the program: no window, no mapping, and pushf
// and syscall are stepped. What is not modelled: a kernel's own RSP stays, so an operand relative to RSP needs another
// register for it there, and FP registers belong to the program while a real kernel runs ("I'm not sure how folks would
// react to the idea of executing FP instructions in kernel space", seed 000). Costs one trap, and registers swapped
// twice; ring 2 costs another trap to come back from ("still slower due to privilege level switches", seed 001).
#include "boost/kernel_exec.hpp"

#include "decoder/address.hpp"
#include "decoder/kernel_exec.hpp"
#include "probes/out_of_line.hpp"
#include "probes/with_fallback.hpp"

namespace trapline {
namespace {

class KernelExec final : public WithFallback {
  public:
    KernelExec(Uprobes& layer, KernelRing ring) : WithFallback(layer, make_xol(layer)), ring_(ring) {}

    Path<bool> start(Hit hit) override {
        const auto insn = outline(hit.uprobe->bytes);
        // The program steps itself: its trap comes after the instruction, and the CPU's own step is the simplest.
        const bool own_step = uprobes.kernel().trap_flag(hit.task);
        if (!insn || own_step || kernel_exec(*insn, ring_) != Why::none) return WithFallback::start(hit);
        return run(hit, *insn);
    }

  private:
    Path<bool> run(Hit hit, Outline insn) {
        Kernel& k = uprobes.kernel();
        Task& t = hit.task;
        if (ring_ == KernelRing::ring0) {
            const Addr wild = wild_address(hit, insn);
            co_await k.step(t, Step::addresses_checked, wild, hit.address);
            if (wild != 0) co_return co_await WithFallback::start(hit);
        }
        for (;;) {
            co_await k.outside(t);
            const InnerRun done = run_once(hit);
            if (done.read_kernel) k.note(t, Step::kernel_read, kKernelData, hit.address);
            if (done.wrote_kernel) k.note(t, Step::kernel_written, kKernelData, hit.address);
            if (done.vector == vector::breakpoint) break;
            if (done.vector != vector::page_fault) co_return co_await WithFallback::start(hit);
            const Mm::Fault served = t.process->mm->fault(done.address, done.error_code | pf::user);
            co_await k.step(t, Step::fault, done.address, static_cast<std::uint64_t>(served));
            if (served != Mm::Fault::handled) co_return co_await WithFallback::start(hit);
        }
        const Addr next = hit.address + hit.uprobe->copy.length;
        k.set(t, Reg::rip, next);
        uprobes.completed(t, *hit.uprobe);
        if (ring_ == KernelRing::ring2) k.charge(t, Price::breakpoint_trap);
        co_await k.step(t, Step::ran_in_kernel, hit.address, next);
        co_await uprobes.resume(hit, next);
        co_return true;
    }

    /// The copy is far away from the text, so a scratch register stands in for RIP as it does out of line.
    InnerRun run_once(const Hit& hit) {
        Kernel& k = uprobes.kernel();
        const OutOfLine& copy = hit.uprobe->copy;
        const Reg scratch = scratch_register(copy.scratch);
        k.load(hit.task);
        std::uint64_t saved = 0;
        if (copy.scratch != Scratch::none) {
            saved = k.get(hit.task, scratch);
            k.set(hit.task, scratch, hit.address + copy.length);
        }
        const InnerRun done =
            k.cpu().run_in_ring(ring_ == KernelRing::ring2 ? 2 : 0, std::span(copy.bytes).first(copy.length));
        if (copy.scratch != Scratch::none) k.set(hit.task, scratch, saved);
        return done;
    }

    /// An address that the instruction is going to touch and that is not the program's; 0: there is none.
    Addr wild_address(const Hit& hit, const Outline& insn) {
        Kernel& k = uprobes.kernel();
        AddressRegisters r;
        for (unsigned i = 0; i < r.general.size(); ++i) r.general[i] = k.get(hit.task, static_cast<Reg>(i));
        r.next = hit.address + insn.length;
        r.fs_base = k.get(hit.task, Reg::fs_base);
        r.gs_base = k.get(hit.task, Reg::gs_base);
        // What begins below the end of user memory cannot reach the kernel's: the last page there belongs to nobody.
        const Accesses touched = accesses(insn, hit.uprobe->bytes, r);
        for (std::uint8_t i = 0; i < touched.count; ++i)
            if (touched.at[i] >= kTaskSize) return touched.at[i];
        return 0;
    }

    const KernelRing ring_;
};

} // namespace

std::unique_ptr<Strategy> make_kernel_exec(Uprobes& u) { return std::make_unique<KernelExec>(u, KernelRing::ring0); }
std::unique_ptr<Strategy> make_kernel_exec_unchecked(Uprobes& u) {
    return std::make_unique<KernelExec>(u, KernelRing::ring0_unchecked);
}
std::unique_ptr<Strategy> make_kernel_exec_cpl2(Uprobes& u) {
    return std::make_unique<KernelExec>(u, KernelRing::ring2);
}

} // namespace trapline
