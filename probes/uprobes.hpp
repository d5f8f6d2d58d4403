// probes/uprobes.hpp: the uprobes layer of the virtual kernel.
//
// Uprobes keeps the probes of the machine, arms them wherever their file is mapped, and serves their traps. One hit,
// told once (probes/hit.cpp, top to bottom):
//
//   trap      int3 was fetched; RIP is past it
//   lookup    the uprobe is found by address. Gone meanwhile, and no int3 there: RIP back, run it again (restarted).
//             No uprobe but an int3: the program's own, SIGTRAP.
//   handler   every consumer's handler runs (handlers.cpp); with a return probe, return-hijacked follows (returns.hpp)
//   ...       the strategy's steps: the instruction runs
//   resumed   back in user mode behind the instruction
//
// The program's API in the shape of 2010 (seed 004 section 4) is probes/register.hpp; specifications such as
// `libc.so.6:malloc` are probes/spec.hpp and probes/attach.hpp. Read next: hit.cpp, then strategies/.
#pragma once

#include "probes/dialect.hpp"
#include "probes/mutation.hpp"
#include "probes/returns.hpp"
#include "probes/space.hpp"
#include "probes/strategy.hpp"
#include "probes/uprobe.hpp"

#include <map>
#include <memory>
#include <vector>

namespace trapline {

/// A thread's state in a hit, and its account with the truth (Linux: struct uprobe_task).
struct Utask : Extension {
    Uprobe* active = nullptr;    ///< a step is in progress
    Addr address = 0;            ///< of the probe point
    bool user_trap_flag = false; ///< EFLAGS.TF before the step
    bool our_trap_flag = false;  ///< TF was set for the step, and is to go with it
    Cycles trapped_at = 0;
    // xol
    int slot = -1;
    Scratch scratch = Scratch::none; ///< the register that holds an address for the copy; its own value is saved
    std::uint64_t saved_scratch = 0;
    // Truth.
    Uprobe* owed = nullptr; ///< its handlers ran, `owed_runs` times, and the instruction has not yet
    std::uint64_t owed_runs = 0;
    Uprobe* bare = nullptr;      ///< the CPU was about to execute it; not yet known whether it completed
    Addr bare_address = 0;       ///< where: the probe point, or a copy that is not stepped
    bool bare_copy = false;      ///< a copy: nothing is reported when a fault that was served restarts it
    std::uint64_t bare_time = 0; ///< the thread's, in instructions; if it is the same later, nothing has run
    struct Aside {
        Addr copy;
        Uprobe* owed;
        std::uint64_t runs;
    };
    std::vector<Aside> aside; ///< copies that a signal came before: the thread may come back to them (sigreturn)
    Miss bare_seen;           ///< when that was, in case it turns out to be a miss
    std::vector<PendingReturn> pending; ///< in the order of the calls (Linux)
    std::string text;                   ///< what the handlers of this hit had to say
    /// What the strategy keeps for the thread, beyond the slot above.
    std::unique_ptr<Extension> strategy;
};

/// What the accounting shows (INTERFACES: counters).
struct ProbeCounters {
    std::uint64_t breakpoint_traps = 0, step_traps = 0, text_writes = 0, pages_copied = 0, xol_slots_used = 0, ipis = 0,
                  vmas_added = 0, restarts = 0, fallbacks = 0; ///< fallbacks: hits that the strategy handed to another
};

class Uprobes final : public KernelObserver {
  public:
    Uprobes(Kernel& kernel, const Dialect& dialect, const StrategyInfo& strategy);
    ~Uprobes() override;

    /// Enters a consumer for the instruction at `offset` of `inode` and arms it wherever that is mapped. 0 or a
    /// negative errno; steps of other threads may come between its own, and it sleeps while another thread registers or
    /// unregisters at the same place. The consumer must outlive its registration.
    Path<bool> add(Consumer& c, std::shared_ptr<Inode> inode, std::uint64_t offset, int* error);
    /// The same for an address in one process's memory.
    Path<bool> add_at(Consumer& c, Process& p, Addr address, int* error);
    /// Takes the consumer out; restores the original byte everywhere if it was the last. When the path has ended, no
    /// thread is in the consumer's handler: not for handlers, which would wait for themselves. No-op when it is not
    /// registered.
    Path<bool> remove(Consumer& c);
    // The same at once, for callers that are not kernel paths: handlers, and code before the machine runs. -EBUSY when
    // another thread is registering there; a consumer whose probe point has handlers running goes when they are done.
    int add_now(Consumer& c, std::shared_ptr<Inode> inode, std::uint64_t offset);
    int add_at_now(Consumer& c, Process& p, Addr address);
    void remove_now(Consumer& c);

    // KernelObserver.
    Path<bool> breakpoint(Task& t) override;
    Path<bool> single_step(Task& t) override;
    void not_executed(Task& t, Addr rip) override;
    void before_fault_signal(Task& t) override;
    bool holds_signals(Task& t) override;
    bool steps_end_behind_calls(const Task& t) override;
    Path<bool> fetch(Task& t, Addr va) override;
    Path<bool> syscall(Task& t) override;
    void before_signal_frame(Task& t) override;
    void task_created(Task& parent, Task& child) override;
    void task_exit(Task& t) override;
    void executed(Task& t) override;
    void mapped(Mm& mm, const Vma& vma) override;
    void unmapping(Mm& mm, const Vma& vma, Addr from, Addr to) override;
    void duplicated(Mm& parent, Mm& child) override;
    void destroyed(Mm& mm) override;

    // For strategies and return probes.
    [[nodiscard]] Kernel& kernel() { return kernel_; }
    [[nodiscard]] const Dialect& dialect() const { return dialect_; }
    static Utask& utask(Task& t) {
        if (t.probe == nullptr) [[unlikely]]
            t.probe = std::make_unique<Utask>();
        return static_cast<Utask&>(*t.probe);
    }
    /// nullptr: the address space never had a probe.
    Space* space(const Mm& mm) { return space(mm.id()); }
    Space* space(std::uint32_t id) { return id < spaces_.size() ? spaces_[id].get() : nullptr; }
    Space& make_space(Mm& mm);
    /// The XOL area, the strategy's or one for the return trampoline; nullptr when there is no room for it.
    XolArea* area(Mm& mm);
    /// Whoever makes an area calls this: its slot 0 is the return trampoline, used or not.
    void prepare(XolArea& area) const {
        returns_.fill_slot_0(area);
        area.limit(static_cast<int>(slots_));
    }
    /// The page that holds an armed site, or nullptr when it has gone.
    TextPage* text_page(Mm& mm, Addr va);
    Site* site(Mm& mm, Addr va) {
        Space* s = space(mm);
        if (s == nullptr) return nullptr;
        return s->last != nullptr && s->last->address == va ? s->last : find(*s, va);
    }
    /// From now on the CPU reports bare fetches at the site, or no longer.
    void watch(Mm& mm, Site& s, bool on);
    /// Counts a write to text and what it costs the other CPUs.
    void count_text_write();
    /// The instruction, or its copy, runs next, with TF unless its end shows otherwise; the program's own TF is
    /// remembered.
    void begin_step(const Hit& hit, bool trap_flag = true);
    /// Ends it; true when the program had TF set itself.
    bool end_step(Task& t);
    /// The program had set TF itself, and the kernel has executed the instruction for it (Linux: send_sig(SIGTRAP)).
    void signal_own_step(Task& t);
    /// The last step of a hit: the thread goes on at `next`.
    Kernel::StepAwait resume(const Hit& hit, Addr next);
    /// In a dialect that does not leak it: removes the step's traces after pushf and syscall. `next` is the address
    /// behind.
    void hide_step(const Hit& hit, Addr next);
    /// The instruction completed in `t`, which is a thread of a wanted process.
    void completed(Task& t, Uprobe& u);
    /// The bare instruction at `va` is what `t` executes next, unless something comes between. For strategies that
    /// serve a fetch; of others the CPU is asked.
    void about_to_run(Task& t, Uprobe& u, Addr va);
    /// The instruction's copy at `at` is what `t` executes next, unobserved: it has completed when the thread is next
    /// seen elsewhere, unless an exception there becomes a signal.
    void under_way(Task& t, Uprobe& u, Addr at);
    /// It did not complete after all: an exception or a signal came before it.
    void not_under_way(Task& t);
    /// A signal handler runs before the copy at `at`, which the thread may come back to: what its execution is owed is
    /// kept until it is under way again.
    void set_aside(Task& t, Addr at);
    /// Runs the handlers of the probe point's consumers, and what follows from them. An empty path when all is done,
    /// which it is unless a handler sleeps or a return is wanted; otherwise the path does it, and the thread may have
    /// been elsewhere meanwhile. RIP must be at `va`, and RSP as the instruction there will find it.
    Path<bool> run_handlers(Task& t, Uprobe& u, Addr va);
    /// The same for a return; false: nobody wanted to know. Its event is the caller's.
    Path<bool> run_return_handlers(Task& t, const PendingReturn& r);
    /// The event of handlers that have run, with what they had to say.
    Kernel::StepAwait handled(Task& t, Step s, Addr va, std::uint64_t hits);
    /// The number of the last registration.
    [[nodiscard]] std::uint64_t registrations() const { return registrations_; }
    /// An execution that nobody saw, just now.
    void log_miss(const Task& t, Addr va) { kernel_.log().record(here(t, va)); }
    /// The XOL area has only so many slots for hits, from 1 to 31: to be set before anything happens.
    void limit_slots(unsigned n) { slots_ = n + 1; }
    [[nodiscard]] unsigned slots() const { return slots_; } ///< with the one that is reserved
    /// A defect on purpose: to be set before anything happens.
    void mutate(Mutation m) { mutation_ = m; }
    [[nodiscard]] bool mutated(Mutation m) const { return mutation_ == m; }
    ProbeCounters counters;
    /// All uprobes that were ever registered, by number; gone ones keep their truth.
    [[nodiscard]] const std::vector<std::unique_ptr<Uprobe>>& all() const { return all_; }
    /// Every place where a probe is, armed or not, in every address space.
    void each_site(const std::function<void(Mm&, const Site&)>& f);
    /// The first rule that the layer's state breaks, in words; empty when all is well (invariants.cpp). To be asked
    /// between two steps.
    [[nodiscard]] std::string broken();
    /// Settles what is still open when the run has ended, so that the truth adds up.
    void settle();

  private:
    Uprobe* find(std::uint64_t inode, std::uint64_t offset) const;
    static Site* find(Space& s, Addr va);
    int analyse(Uprobe& u);
    Path<bool> arm(Mm& mm, Uprobe& u, Addr va, int* error);
    Path<bool> disarm(Mm& mm, Addr va);
    Uprobe* adopt(Mm& mm, Addr va);
    bool is_foreign_breakpoint(Mm& mm, Addr va);
    void count_reference(Mm& mm, Uprobe& u, int by);
    void count_waiting(Mm& mm, const Vma& vma);
    static void settle_owed(Utask& u);
    static void settle(Utask& u);
    /// What the thread was about to run has completed, unless it is still there.
    void confirm(Task& t) {
        if (utask(t).bare != nullptr) confirm_bare(t);
    }
    void confirm_bare(Task& t);
    void completed(Task& t, Uprobe& u, const Miss* seen);
    Miss here(const Task& t, Addr va);
    [[nodiscard]] const Process* owner(const Mm& mm) const;
    static bool probeable(const Vma& v, const Dialect& d);
    [[nodiscard]] std::optional<Addr> not_armed(Space& space) const; // invariants.cpp
    [[nodiscard]] TextPage::Defects page_defects() const { return {!mutated(Mutation::text_copy_shared)}; }
    // handlers.cpp
    class Inside;
    Path<bool> run_handlers_at_length(Task& t, Uprobe& u, Addr va);
    void owe(Task& t, Uprobe& u);
    void refresh(Uprobe& u);
    void leave_handlers(Uprobe& u);
    void sweep();
    Path<bool> arm_everywhere(Uprobe& u, int* error);
    Path<bool> withdraw(Consumer& c);
    void detach(Consumer& c);

    Kernel& kernel_;
    const Dialect& dialect_;
    std::unique_ptr<Strategy> strategy_;
    std::map<std::pair<std::uint64_t, std::uint64_t>, Uprobe*> tree_; // by (inode, offset)
    std::vector<std::unique_ptr<Uprobe>> all_;                        // never shrinks: pointers to uprobes stay good
    std::vector<std::unique_ptr<Space>> spaces_;                      // by Mm::id
    std::vector<Consumer*> leaving_;                                  // unregistered while handlers ran
    std::uint64_t registrations_ = 0;
    Returns returns_{*this};
    bool closing_ = false;
    Mutation mutation_ = Mutation::none;
    unsigned slots_ = XolArea::kSlots;
    std::string broken_; // a rule that was broken by what is no state: the first, for good
};

} // namespace trapline
