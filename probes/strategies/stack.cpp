// strategies/stack.cpp: single-stepping a copy of the instruction in the thread's own free stack space.
//
// Prasanna Panchamukhi's second answer of September 2005 (seed 003), which needs no memory of its own: programs do not
// use the stack below the stack pointer, so the copy can stand there. This is what the text of the mail says, with the
// two things it leaves for later, the no-execute bit and growing the stack; stack_as_posted.cpp is what its code does.
// The fix-ups are today's (out_of_line.hpp): the mail has none.
//
//      rsp ->  |              |
//              |  red zone    |  128 bytes that leaf functions use (x86-64 only: i386 has none)
//              |  ............|  256 bytes that the instruction itself may write: `enter` pushes up to 32 words
//      copy -> |  INSTRUCTION |  16 bytes, aligned, so that it does not cross a page
//
//   start    stack-grown       only if the stack must be expanded for it
//            slot-written      the copy stands below the red zone
//            nx-lifted         only if the page may not be executed; its entry stays so
//   step     the copy runs with TF
//   finish   stepped, resumed
//
// Where there is no room in the stack's VMA and it cannot grow, the instruction is stepped in place instead, with the
// window of `inline` (a fallback, counted); the mail does not say what to do then.
//
// What the program can observe: the bytes below its red zone change, which nobody may rely on unless the stack ends
// there. A stack that is a part of a larger VMA (an array, a coroutine's) has an end that the kernel does not know of,
// and the copy overwrites what lies below it. The page stays executable, so the program has lost a defence. A signal
// between copy and step has its frame pushed over the copy: the kernel of 2005 does not postpone it, and the thread
// comes back to whatever stands there (`fixed` postpones). No mapping is added, no slot runs out, threads do not share
// anything. Costs two traps and a write to a page that the CPU holds as data: on real CPUs, and in this machine, code
// that is run next to data that is written is slow. Asks the decoder for what xol asks.
#include "probes/out_of_line.hpp"

namespace trapline {
namespace {

constexpr std::uint64_t kOwnReach = 256; // more than the red zone
constexpr std::uint64_t kCopyBytes = 16;

struct OnStack : Extension {
    Addr copy = 0; ///< 0: stepped in place
};

class StackStep final : public OutOfLineStep {
  public:
    explicit StackStep(Uprobes& layer) : OutOfLineStep(layer), in_place_(make_inline(layer)) {}

    Path<bool> start(Hit hit) override {
        Kernel& k = uprobes.kernel();
        Mm& mm = *hit.task.process->mm;
        const Addr sp = k.get(hit.task, Reg::rsp);
        const Addr at = (sp - kOwnReach - kCopyBytes) & ~(kCopyBytes - 1);
        const Room room = make_room(mm, sp, at);
        on_stack(hit.task).copy = room == Room::none ? 0 : at;
        if (room == Room::none) {
            ++uprobes.counters.fallbacks;
            co_return co_await in_place_->start(hit);
        }
        if (room == Room::grown) co_await k.step(hit.task, Step::stack_grown, at, hit.address);
        if (!write(mm, at, hit.uprobe->copy.bytes)) co_return false; // unmapped meanwhile: the thread traps again
        uprobes.begin_step(hit);
        enter(hit, at);
        co_await k.step(hit.task, Step::slot_written, at, hit.address);
        if (mm.lift_no_execute(at)) co_await k.step(hit.task, Step::nx_lifted, page_floor(at), hit.address);
        co_return true;
    }

    Path<bool> finish(Hit hit) override {
        const Addr copy = on_stack(hit.task).copy;
        return copy == 0 ? in_place_->finish(hit) : leave_stack(hit, copy);
    }

    void abort(const Hit& hit) override {
        const Addr copy = on_stack(hit.task).copy;
        if (copy == 0) return in_place_->abort(hit);
        // A signal handler may run meanwhile: then it is not the copy that faulted.
        if (uprobes.kernel().get(hit.task, Reg::rip) == copy) undo(hit);
        uprobes.end_step(hit.task);
    }

    bool steps_hold_signals() override { return !uprobes.dialect().leaks_step; }

  private:
    enum class Room : std::uint8_t { none, there, grown };

    OnStack& on_stack(Task& t) {
        Utask& u = uprobes.utask(t);
        if (u.strategy == nullptr) u.strategy = std::make_unique<OnStack>();
        return static_cast<OnStack&>(*u.strategy);
    }

    /// Looks for the copy's place in the VMA that the stack pointer is in, or at the end of.
    static Room make_room(Mm& mm, Addr sp, Addr at) {
        const Vma* stack = mm.find(sp - 1);
        if (stack == nullptr || (stack->prot & prot::write) == 0 || at > sp) return Room::none;
        const bool grows = !stack->contains(at);
        if (grows && (!stack->grows_down || mm.find(at) != nullptr)) return Room::none;
        if (mm.page(at, pf::write, 1) == nullptr) return Room::none;
        return grows ? Room::grown : Room::there;
    }

    /// The copy of the hit before may still stand there: then its translation is good.
    static bool write(Mm& mm, Addr at, const std::array<std::uint8_t, kCopyBytes>& bytes) {
        std::array<std::uint8_t, kCopyBytes> there{};
        return (mm.get(at, there) && there == bytes) || mm.put(at, bytes);
    }

    Path<bool> leave_stack(Hit hit, Addr copy) {
        const Addr next = leave(hit, copy);
        co_await uprobes.kernel().step(hit.task, Step::stepped, next);
        co_await uprobes.resume(hit, next);
        co_return true;
    }

    const std::unique_ptr<Strategy> in_place_;
};

} // namespace

std::unique_ptr<Strategy> make_stack(Uprobes& u) { return std::make_unique<StackStep>(u); }

} // namespace trapline
