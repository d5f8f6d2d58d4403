// strategies/stack_as_posted.cpp: single-stepping on the stack as the patch of seed 003 does it.
//
// The mail's text says "the bottom of the stack page", below the stack pointer (stack.cpp). Its code, "not complete yet
// and needs some more work", does this, transcribed from i386 to 64 bits:
//
//   start    the place is the page boundary above the stack pointer, plus 16 if the VMA there grows downwards, plus a
//            page if it does not. A test that there is room subtracts a larger address from a smaller one, and so is
//            always passed.
//            slot-written    16 bytes from the probe point on stand there, the thread is on them with TF set
//   or       copy-failed     no VMA there, or not writable. The error is returned to a caller that does not look: the
//                            thread is stepped from where the trap left it, behind the int3, inside the instruction
//   finish   stepped         RIP is moved by the distance from the copy to the probe point. The copy's address is kept
//            resumed         in one variable of the kernel, for all threads
//
// What follows, each of them a scenario or a test: above the stack pointer are the frames of the callers, whose data
// the copy overwrites. On a stack that may not be executed the copy faults (the text knows, the code does nothing), and
// the signal shows the copy's address. Near the top of the stack there is no VMA, and the thread goes astray. Two
// threads that step at once take each other's distance. A `call` pushes the copy's return address, `ret` and indirect
// jumps land beside their target: "TODO: need to fixup special instructions". Signals are not postponed.
//
// RIP-relative operands do not exist on i386, and the patch has nothing for them: such instructions are refused.
#include "probes/uprobes.hpp"

namespace trapline {
namespace {

constexpr std::uint64_t kInstructionBytes = 16; // MAX_INSN_SIZE

struct Copied : Extension {
    bool done = false;
};

class StackAsPosted final : public Strategy {
  public:
    using Strategy::Strategy;

    int accepts(const Uprobe& u) override {
        const auto insn = outline(u.bytes);
        return insn && insn->rip_relative ? enotsupp : 0;
    }

    Path<bool> start(Hit hit) override {
        Kernel& k = uprobes.kernel();
        Mm& mm = *hit.task.process->mm;
        const Addr at = place(mm, k.get(hit.task, Reg::rsp));
        uprobes.begin_step(hit);
        copied(hit.task).done = at != 0 && mm.put(at, hit.uprobe->bytes);
        if (copied(hit.task).done) {
            step_address_ = at;
            k.set(hit.task, Reg::rip, at);
            co_await k.step(hit.task, Step::slot_written, at, hit.address);
        } else {
            k.set(hit.task, Reg::rip, hit.address + 1);
            co_await k.step(hit.task, Step::copy_failed, at, hit.address);
        }
        co_return true;
    }

    Path<bool> finish(Hit hit) override {
        Kernel& k = uprobes.kernel();
        const Addr next = hit.address + (k.get(hit.task, Reg::rip) - step_address_);
        k.set(hit.task, Reg::rip, next);
        const bool users = uprobes.end_step(hit.task);
        if (copied(hit.task).done) uprobes.completed(hit.task, *hit.uprobe);
        co_await k.step(hit.task, Step::stepped, next);
        co_await uprobes.resume(hit, next);
        co_return !users;
    }

    void abort(const Hit& hit) override { uprobes.end_step(hit.task); }
    bool steps_hold_signals() override { return false; }

  private:
    Copied& copied(Task& t) {
        Utask& u = uprobes.utask(t);
        if (u.strategy == nullptr) u.strategy = std::make_unique<Copied>();
        return static_cast<Copied&>(*u.strategy);
    }

    /// 0: no VMA at or above the page boundary.
    static Addr place(const Mm& mm, Addr sp) {
        const Addr page = page_ceil(sp);
        for (const auto& [start, v] : mm.vmas())
            if (page < v.end) return v.grows_down ? page + kInstructionBytes : page + kPageSize;
        return 0;
    }

    Addr step_address_ = 0; // of the thread that was the last to start
};

} // namespace

std::unique_ptr<Strategy> make_stack_as_posted(Uprobes& u) { return std::make_unique<StackAsPosted>(u); }

} // namespace trapline
