// One instruction in ring 0 or 2, with a thread's registers and in its address space.
//
// The CPU itself decides what the instruction may touch: it stands in a page of the kernel's window, followed by an
// int3, and runs on the engine with the privilege of that ring. Everything that a ring has (the privilege level, the
// segments) is in a state that was saved in it when the machine started; the thread's own registers are put on top of
// that, and taken off again afterwards. What it does to the kernel's memory shows in that page's accessed and dirty
// bits.
#include "emu/cpu/engine.hpp"

#include "decoder/outline.hpp"
#include "emu/check.hpp"
#include "emu/cpu/gaps.hpp"

#include <algorithm>
#include <utility>

namespace trapline {
namespace {
constexpr std::size_t kGeneral = 16;
constexpr std::size_t kFxBytes = 512;
constexpr std::array kOthers = {Reg::eflags, Reg::fs_base, Reg::gs_base, Reg::mxcsr};
/// Of the last x87 instruction; the FXSAVE image has the rest.
constexpr std::array kLastX87 = {UC_X86_REG_FCS, UC_X86_REG_FDP, UC_X86_REG_FDS, UC_X86_REG_FOP};
} // namespace

InnerRun Cpu::run_in_ring(unsigned ring, std::span<const std::uint8_t> instruction) {
    TL_CHECK((ring == 0 || ring == 2) && instruction.size() <= 15, "no instruction for ring {}", ring);
    Outline shape;
    (void)decode(instruction, shape);
    // The engine must not be given it as it is: whoever asked steps it in ring 3, where `run` knows what to do.
    if (gap(shape, instruction) != Gap::none) return {.vector = vector::invalid_opcode};
    uc_engine* uc = engine_->uc;
    std::array<std::uint64_t, kGeneral> general{};
    std::array<std::uint64_t, kOthers.size()> others{};
    std::array<std::uint64_t, kLastX87.size()> last_x87{};
    std::array<std::uint8_t, kFxBytes> fx{};
    const auto take = [&] {
        for (std::size_t i = 0; i < kGeneral; ++i) general[i] = live_[static_cast<Reg>(i)];
        for (std::size_t i = 0; i < kOthers.size(); ++i) others[i] = read(kOthers[i]);
        for (std::size_t i = 0; i < kLastX87.size(); ++i) uc_reg_read(uc, kLastX87[i], &last_x87[i]);
        get_fx(fx.data());
    };
    const auto give = [&](std::uint64_t flags) {
        for (std::size_t i = 0; i < kGeneral; ++i) live_[static_cast<Reg>(i)] = general[i];
        set_fx(fx.data());
        for (std::size_t i = 0; i < kLastX87.size(); ++i) uc_reg_write(uc, kLastX87[i], &last_x87[i]);
        write(Reg::eflags, flags);
        for (std::size_t i = 1; i < kOthers.size(); ++i) write(kOthers[i], others[i]);
    };
    take();
    const std::uint64_t own_flags = others[0];
    save(*outer_);

    Context& inner = *inner_[ring == 0 ? 0 : 1];
    load(inner);
    if (inner.root_ != root_) save(inner); // the next run in this address space has its CR3 already
    give(own_flags & ~kFlagTrap);

    std::array<std::uint8_t, 16> code{};
    std::copy(instruction.begin(), instruction.end(), code.begin());
    code[instruction.size()] = 0xcc;
    std::copy(code.begin(), code.end(), frames_.data(engine_->kernel_text));
    if (std::exchange(engine_->kernel_code, code) != code)
        uc_ctl_remove_cache(uc, kernel_window::kText, kernel_window::kText + code.size());

    InnerRun run;
    inner_run_ = &run;
    why_ = Why::none;
    uc_emu_start(uc, kernel_window::kText, 0, 0, 0);
    inner_run_ = nullptr;
    TL_CHECK(why_ == Why::exit, "the CPU engine stopped by itself in ring {}", ring);
    if (run.vector == vector::page_fault) {
        // The state of the fault is in a saved context only.
        uc_context_save(uc, spare_->saved_);
        run.error_code = static_cast<std::uint32_t>(spare_->word(layout_.error_code));
        uc_reg_read(uc, UC_X86_REG_CR2, &run.address);
    }
    take();
    const std::uint64_t flags = (others[0] & kFlagsUser & ~kFlagTrap) | (own_flags & ~(kFlagsUser & ~kFlagTrap));
    load(*outer_);
    give(flags);

    Pte& data = *reinterpret_cast<Pte*>(frames_.ram() + engine_->kernel_data_entry);
    run.read_kernel = (data & pte::accessed) != 0;
    run.wrote_kernel = (data & pte::dirty) != 0;
    if (run.read_kernel) {
        data &= ~(pte::accessed | pte::dirty);
        uc_ctl_flush_tlb(uc); // or the next access would not set them
    }
    return run;
}

void Cpu::end_inner_run(unsigned vec) {
    inner_run_->vector = vec;
    stop(Why::exit);
}

} // namespace trapline
