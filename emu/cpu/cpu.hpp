// emu/cpu/cpu.hpp: the processor: one engine in ring 3 with a real MMU.
//
// The Cpu runs one thread's user-mode instructions until something needs the kernel. It knows registers, page tables
// and traps; it does not know processes. What it adds to the engine (Unicorn 2.1.1, facts in docs/engine.md):
//
//   - Exact instruction counts. A block callback subtracts each block's count from a budget; a trap gives back what was
//   not
//     executed. When the budget ends inside a block, the rest is single-stepped, so `run(n)` stops after exactly n.
//     A rep string instruction counts once, whatever its number of iterations.
//   - Watched addresses (fetch_map.hpp): a callback before the instruction there executes. This is how the ground truth
//   of a
//     probe sees a bare execution, and how a schedule stops a task at a place.
//   - Faults with an error code, and without the engine's pile-up of exceptions.
//   - #UD for every VEX, EVEX and XOP instruction: this CPU has no AVX; and for what else the engine would compute
//   wrongly in silence (gaps.hpp).
//
// #BP and #DB are offered to a TrapService while the engine runs; if it serves them at once, the engine is not left at
// all. Everything else leaves `run` with an Exit. Read next: emu/kernel/machine.hpp, the only caller.
#pragma once

#include "emu/cpu/blocks.hpp"
#include "emu/cpu/context.hpp"
#include "emu/cpu/fetch_map.hpp"
#include "emu/cpu/live.hpp"
#include "emu/cpu/registers.hpp"
#include "emu/mm/page_table.hpp"

#include <array>
#include <memory>
#include <span>

namespace trapline {

class AccessSink;

/// Why user mode was left.
struct Exit {
    enum class Kind : std::uint8_t {
        budget,    ///< the instruction budget is used up, exactly
        watch,     ///< about to execute a watched address, and the service asked to stop
        served,    ///< the service took a #BP or #DB but wants the engine left
        syscall,   ///< `syscall` retired; RIP is past it, RCX and R11 are not yet set
        exception, ///< any other exception; RIP is on the instruction that caused it
    };
    Kind kind = Kind::budget;
    unsigned vector = 0;          ///< exception: the vector (registers.hpp)
    std::uint32_t error_code = 0; ///< page_fault: SDM error code bits
    Addr address = 0;             ///< page_fault: CR2
    bool trap_flag = false;       ///< syscall: EFLAGS.TF was set, a #DB is due after it
};

/// Data of the virtual kernel: one page that ring 3 cannot touch. What is there must not reach a program.
inline constexpr Addr kKernelData = 0xffff800000001000;

/// How an instruction ended that ran in an inner ring.
struct InnerRun {
    unsigned vector = 0;                            ///< breakpoint: it has completed; any other exception: it has not
    std::uint32_t error_code = 0;                   ///< page_fault: SDM error code bits
    Addr address = 0;                               ///< page_fault: CR2
    bool read_kernel = false, wrote_kernel = false; ///< it touched the page at kKernelData
};

/// Called while the engine is inside `run`. Must not throw.
class TrapService {
  public:
    virtual ~TrapService() = default;
    /// #BP (3, RIP past the int3) or #DB (1). True: served, go on at the current RIP. False: leave with Exit::served.
    virtual bool trap(unsigned vector) = 0;
    /// About to execute the watched address. True: execute it. False: leave with Exit::watch before it executes; the
    /// next run of this thread then calls again with `again` set.
    virtual bool fetch(Addr va, bool again) = 0;
};

enum class Gap : std::uint8_t;

class Cpu {
  public:
    /// Builds the engine over all of `frames` and enters ring 3 once, to have a pristine user context.
    explicit Cpu(Frames& frames);
    ~Cpu();
    Cpu(const Cpu&) = delete;
    Cpu& operator=(const Cpu&) = delete;

    void set_service(TrapService* service) { service_ = service; }
    /// Tells `sink` of every access from now on; nullptr: nobody. The first sink makes the engine translate everything
    /// anew, and memory accesses slower for good. Not while it runs.
    void set_access_sink(AccessSink* sink);
    [[nodiscard]] AccessSink* access_sink() const { return sink_; }
    /// The frame that every address space's upper half points to (PageTable's `kernel_pdpt`).
    [[nodiscard]] FrameNo kernel_pdpt() const { return kernel_pdpt_; }

    // The thread on the CPU.
    [[nodiscard]] std::uint64_t get(Reg r) const { return r <= Reg::rip ? live_[r] : read(r); }
    void set(Reg r, std::uint64_t value) {
        if (r > Reg::rip) return write(r, value);
        live_[r] = value;
    }
    /// EFLAGS.TF, which every step sets and clears: asking for all of EFLAGS costs more.
    [[nodiscard]] bool trap_flag() const { return (live_.lazy_flags() & kFlagTrap) != 0; }
    void set_trap_flag(bool on) {
        std::uint64_t& flags = live_.lazy_flags();
        flags = on ? flags | kFlagTrap : flags & ~kFlagTrap;
    }
    /// 16 bytes of XMM register `index`.
    void get_xmm(unsigned index, void* out) const;
    void set_xmm(unsigned index, const void* in);
    /// The legacy FXSAVE image, 512 bytes (Intel SDM volume 1, "FXSAVE Area").
    void get_fx(std::uint8_t* out) const;
    void set_fx(const std::uint8_t* in);

    [[nodiscard]] std::unique_ptr<Context> new_context() const; ///< as Linux starts a program: ring 3, FPU initialised
    void save(Context& c);
    void load(const Context& c);
    /// Switches address spaces; free when it is the one already in use.
    void use(PhysAddr root, FetchMap& fetch);
    /// Switches to an address space without user pages, for when the current one is about to go.
    void use_idle();
    /// No address space is in use, and none of the registers here counts: what the engine holds may be stale after
    /// this (emu/snapshot/snapshot.hpp). The next `use` and `load` set it right.
    void let_go() {
        root_ = 0;
        fetch_ = &idle_fetch_;
    }
    /// The same, if the address space with this root is the one in use.
    void leave(PhysAddr root) {
        if (root == root_) use_idle();
    }
    /// Drops every translation of the address space with this root, if it is the one in use (a switch drops them
    /// anyway). Needed when a present entry changes or goes, not when one is added; ~250 ns.
    void flush_tlb_of(PhysAddr root);
    /// The bytes there have changed, or are about to: the next block that starts there is looked at before it is
    /// entered, and translated anew if need be (blocks.hpp). The range lies in one page.
    void drop_code(FrameNo frame) { drop_code(frame_base(frame), kPageSize); }
    void drop_code(PhysAddr at, std::uint64_t bytes) { blocks_->forget(at, bytes); }
    /// Code has run in the frame at some time, and something is remembered of it.
    [[nodiscard]] bool knows_code(FrameNo frame) const { return blocks_->knows(frame_base(frame)); }

    /// Room for `bytes` of translations, before all is translated anew: for tests, which cannot wait for it.
    void limit_translations(std::size_t bytes);
    /// How often that has happened.
    [[nodiscard]] unsigned dropped_translations() const;

    /// Executes user code of the current thread until an Exit; at most `budget` instructions.
    Exit run(std::uint64_t budget);
    /// Executes one instruction of the current thread in ring 0 or 2 from the kernel's memory, with the thread's
    /// registers and address space. RIP stays; what the instruction did to the other registers is theirs. No control
    /// transfers. What falls into a gap (gaps.hpp) is #UD, also what `run` would mend. Not while the engine runs.
    InnerRun run_in_ring(unsigned ring, std::span<const std::uint8_t> instruction);
    /// For debuggers: from this many retired instructions on, every instruction is reported like a watched one. ~0:
    /// none. May be changed at any time, also by a TrapService that is being called. Nothing else depends on it.
    void watch_from(std::uint64_t retired);
    /// EFLAGS.TF of the thread on the CPU is set because of us, not by the program or its kernel.
    [[nodiscard]] bool own_step() const { return stepping_ && !guest_trap_flag_; }
    /// Instructions retired in ring 3 since the machine started.
    [[nodiscard]] std::uint64_t retired() const { return granted_ - static_cast<std::uint64_t>(remaining_); }
    /// Copies guest memory of the current address space as the CPU would fetch it; returns how much was present.
    std::size_t peek(Addr va, std::uint8_t* out, std::size_t n) const;

  private:
    struct Engine; // the engine's handles and C callbacks (cpu.cpp)
    enum class Why : std::uint8_t { none, exit, step, step_over, stale, full };

    std::uint64_t read(Reg r) const;
    void write(Reg r, std::uint64_t value);

    void set_up_kernel_window();
    // Every block starts here, so every instruction of it costs. `floor_` is out of reach when something else wants to
    // look.
    void on_block(Addr pc, std::uint32_t size, const void* translation) {
        const FetchMap::Entry& e = fetch_->entry(pc);
        if (e.page == page_floor(pc)) [[likely]] {
            const std::uint32_t word = e.blocks[pc & kPageMask];
            const std::int64_t left = remaining_ - (word >> 16);
            if ((word & 0xffff) == size && left >= floor_) [[likely]] {
                remaining_ = left;
                last_pc_ = pc;
                last_size_ = size;
                return;
            }
        }
        on_slow_block(pc, size, translation);
    }
    void on_slow_block(Addr pc, std::uint32_t size, const void* translation);
    bool on_reported_block(Addr pc, std::uint32_t size);
    void look(Addr pc, std::uint32_t size);
    bool look_at_watches(Addr pc, std::uint32_t size, bool several, bool reported);
    [[nodiscard]] std::int64_t lowest_floor() const;
    bool enter_step(Addr pc);
    bool current(Addr pc, std::uint32_t size);
    void translate_anew();
    void on_interrupt(unsigned vector);
    void on_exception(unsigned vector);
    void on_syscall();
    void on_invalid();
    void serve(unsigned vector);
    void end_inner_run(unsigned vector);
    void stop(Why why);
    void request_step(Addr pc, std::uint32_t size);
    void leave(Exit::Kind kind, unsigned vector = 0);
    void begin_stepping();
    void end_stepping();
    void finish_step();
    Gap gap_at(Addr pc) const;
    bool limit_lengths(Addr pc);
    void add_across(Addr pc);
    void give_back(Addr rip);
    void clear_fault();
    /// The leaf entry for `va`, 0 when it is not present.
    [[nodiscard]] Pte leaf(Addr va) const;
    [[nodiscard]] bool translate(Addr va, PhysAddr& out) const;

    Frames& frames_;
    std::unique_ptr<Engine> engine_;
    LiveRegisters live_;
    TrapService* service_ = nullptr;
    AccessSink* sink_ = nullptr;
    bool reports_accesses_ = false;  // the engine calls back for each of them
    std::unique_ptr<Blocks> blocks_; // not part of the machine's state: it mirrors the engine
    FetchMap* fetch_ = nullptr;
    PhysAddr root_ = 0;
    FrameNo kernel_pdpt_ = 0;
    std::unique_ptr<PageTable> idle_table_; // no user pages: what CR3 holds while there is no process
    FetchMap idle_fetch_;
    std::unique_ptr<Context> pristine_;
    std::unique_ptr<Context> spare_;
    std::unique_ptr<Context> outer_;                // a thread's registers while it is in an inner ring
    std::array<std::unique_ptr<Context>, 2> inner_; // rings 0 and 2, as they were when the machine started
    InnerRun* inner_run_ = nullptr;                 // the instruction that runs in one of them
    ContextLayout layout_;

    std::int64_t remaining_ = 0;
    std::int64_t floor_ = 0; // what `remaining_` may not fall below on the fast path
    std::uint64_t granted_ = 0;
    Addr last_pc_ = 0; // the block that was entered last, for exact counts at a trap
    std::uint32_t last_size_ = 0;
    Addr rep_at_ = 1, rep_block_ = 1; // a block at rep_block_ ended in a rep string instruction at rep_at_
    Addr reported_watch_ = 1;
    std::uint64_t watch_from_ = ~0ull;
    bool debugged_ = false; // watch_from was used: a watched instruction is stepped, so that the next can be reported

    Why why_ = Why::none;
    Exit exit_;
    // Single-stepping of our own, invisible to the guest.
    bool stepping_ = false;
    bool guest_trap_flag_ = false; // what EFLAGS.TF would be without our stepping
    bool step_pending_ = false;    // an instruction was entered and its step has not been finished
    bool step_was_guests_ = false; // EFLAGS.TF was the guest's own when that instruction was entered
    std::uint8_t step_opcode_ = 0; // 0x9c or 0x9d when it pushes or pops the flags
    Addr step_from_ = 0, step_to_ = 0;
    bool lengths_limited_ = false; // the step is a pcmpestr, whose lengths were these
    std::array<std::uint64_t, 2> lengths_{};
    std::uint64_t flags_before_ = 0; // the step may fault after it has changed them; 0: it is not one of these
    int across_index_ = -1;          // the step is a phadd or phsub: this XMM register will hold these bytes
    std::array<std::uint8_t, 16> across_{};
    Addr stale_pc_ = 0; // the block that was translated from other bytes than stand there now
    std::uint32_t stale_size_ = 0;
};

} // namespace trapline
