#include "emu/cpu/cpu.hpp"

#include "decoder/memory_operand.hpp"
#include "decoder/walk.hpp"
#include "emu/check.hpp"
#include "emu/cpu/access_sink.hpp"
#include "emu/cpu/engine.hpp"
#include "emu/cpu/gaps.hpp"
#include "emu/mm/page_table.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

namespace trapline {
namespace {
/// Longest block the engine builds: 512 instructions of at most 15 bytes.
constexpr std::size_t kLongestBlock = 512 * 15;
/// For `floor_`: more instructions than any budget has.
constexpr std::int64_t kOutOfReach = std::numeric_limits<std::int64_t>::max();
} // namespace

std::uint64_t Cpu::read(Reg r) const {
    std::uint64_t v = 0;
    uc_reg_read(engine_->uc, engine_register(r), &v);
    return v;
}

void Cpu::write(Reg r, std::uint64_t value) { uc_reg_write(engine_->uc, engine_register(r), &value); }

Pte Cpu::leaf(Addr va) const {
    Pte e = root_;
    for (int shift = 39; shift >= 12; shift -= 9) {
        e = reinterpret_cast<const Pte*>(frames_.ram() + (e & pte::address))[(va >> shift) & 511];
        if ((e & pte::present) == 0) return 0;
    }
    return e;
}

bool Cpu::translate(Addr va, PhysAddr& out) const {
    const Pte e = leaf(va);
    out = (e & pte::address) | (va & kPageMask);
    return e != 0;
}

std::size_t Cpu::peek(Addr va, std::uint8_t* out, std::size_t n) const {
    std::size_t done = 0;
    while (done < n) {
        PhysAddr p = 0;
        if (!translate(va + done, p)) break;
        std::size_t part = std::min<std::size_t>(n - done, kPageSize - ((va + done) & kPageMask));
        std::memcpy(out + done, frames_.ram() + p, part);
        done += part;
    }
    return done;
}

Exit Cpu::run(std::uint64_t budget) {
    granted_ = retired() + budget;
    remaining_ = static_cast<std::int64_t>(budget);
    bool step = false;
    for (;;) {
        if (engine_->full()) {
            engine_->drop_translations();
            blocks_->forget_all();
        }
        why_ = Why::none;
        floor_ = lowest_floor();
        last_size_ = 0;
        rep_block_ = 1;
        if (step) begin_stepping();
        // `until` is 0 and `count` is 0: anything else retranslates or instruments code (docs/engine.md).
        const Addr start = get(Reg::rip);
        uc_err err = uc_emu_start(engine_->uc, start, 0, 0, 0);
        const bool stepped = stepping_;
        if (stepping_) end_stepping();
        TL_CHECK(why_ != Why::none, "the CPU engine stopped by itself at {:#x}: {}", get(Reg::rip), uc_strerror(err));
        if (why_ == Why::exit) break;
        if (why_ == Why::stale) translate_anew();
        step = why_ == Why::step || ((why_ == Why::stale || why_ == Why::full) && stepped);
    }
    if (exit_.kind == Exit::Kind::exception && exit_.vector < 32) clear_fault();
    return exit_;
}

void Cpu::limit_translations(std::size_t bytes) { engine_->room = bytes; }
unsigned Cpu::dropped_translations() const { return engine_->drops; }

void Cpu::stop(Why why) {
    why_ = why;
    floor_ = kOutOfReach;
    uc_emu_stop(engine_->uc);
}

void Cpu::watch_from(std::uint64_t retired) {
    watch_from_ = retired;
    debugged_ = true;
    if (why_ == Why::none && !stepping_) floor_ = lowest_floor();
}

void Cpu::leave(Exit::Kind kind, unsigned vec) {
    exit_ = Exit{};
    exit_.kind = kind;
    exit_.vector = vec;
    stop(Why::exit);
}

void Cpu::request_step(Addr pc, std::uint32_t size) {
    step_from_ = pc;
    step_to_ = pc + size;
    stop(Why::step);
}

/// How many instructions must be left for a block not to be looked at.
std::int64_t Cpu::lowest_floor() const {
    if (sink_ != nullptr) return kOutOfReach; // every block is reported
    return granted_ > watch_from_ ? static_cast<std::int64_t>(granted_ - watch_from_) : 0;
}

/// With a sink every block comes this way, and most are common ones all the same.
bool Cpu::on_reported_block(Addr pc, std::uint32_t size) {
    const FetchMap::Entry& e = fetch_->entry(pc);
    if (stepping_ || granted_ > watch_from_ || e.page != page_floor(pc)) return false;
    const std::uint32_t word = e.blocks[pc & kPageMask];
    if ((word & 0xffff) != size || remaining_ < word >> 16) return false;
    remaining_ -= word >> 16;
    last_pc_ = pc;
    last_size_ = size;
    sink_->code(pc, size);
    return true;
}

void Cpu::on_slow_block(Addr pc, std::uint32_t size, const void* translation) {
    engine_->entered(translation);
    if (why_ != Why::none || inner_run_ != nullptr) return; // on the way out: the engine finishes what it was doing
    if (sink_ != nullptr && on_reported_block(pc, size)) return;
    // It is not entered. Between two iterations of a rep string instruction nothing new is translated.
    if (engine_->full() && !(pc == rep_at_ && last_pc_ == rep_block_)) return stop(Why::full);
    if (!current(pc, size)) return;
    if (stepping_ && !enter_step(pc)) return;
    look(pc, size);
}

/// False when the block was translated from other bytes than stand there now; it is then not entered.
bool Cpu::current(Addr pc, std::uint32_t size) {
    for (Addr at = pc; at < pc + size;) {
        const std::size_t part = std::min<Addr>(pc + size, page_floor(at) + kPageSize) - at;
        PhysAddr p = 0;
        if (translate(at, p) &&
            !blocks_->translated_from(p, {frames_.ram() + p, part}, frames_.ram() + page_floor(p))) {
            stale_pc_ = pc;
            stale_size_ = size;
            stop(Why::stale);
            return false;
        }
        at += part;
    }
    return true;
}

/// Drops the stale block, and all others that touch its bytes.
void Cpu::translate_anew() {
    for (Addr at = stale_pc_; at < stale_pc_ + stale_size_;) {
        const std::size_t part = std::min<Addr>(stale_pc_ + stale_size_, page_floor(at) + kPageSize) - at;
        PhysAddr p = 0;
        if (translate(at, p)) {
            blocks_->forget(p, part);
            blocks_->retranslated(p, {frames_.ram() + p, part});
            uc_ctl_remove_cache(engine_->uc, at, at + part);
        }
        at += part;
    }
}

void Cpu::look(Addr pc, std::uint32_t size) {
    const Pte e = leaf(pc);
    TL_CHECK(e != 0, "a block at {:#x} runs from a page that is not there", pc);
    const PhysAddr at = (e & pte::address) | (pc & kPageMask);
    BlockInfo info;
    if (page_floor(pc) != page_floor(pc + size - 1)) { // over a page's end: decoded every time
        std::array<std::uint8_t, kLongestBlock> bytes;
        info = Blocks::decode({bytes.data(), peek(pc, bytes.data(), std::min<std::size_t>(size, bytes.size()))});
    } else {
        // What is remembered was decoded from the bytes that it is compared with each time (`current`).
        info = blocks_->look_up(at, {frames_.ram() + at, size});
        if ((e & pte::volatile_text) == 0) { // text that may change unseen comes this way every time
            if (!info.special) blocks_->note(at, size, info.count);
            std::uint32_t* words = blocks_->page(page_floor(at));
            if (!fetch_->watched(page_floor(pc), page_floor(pc) + 2 * kPageSize))
                fetch_->entry(pc) = FetchMap::Entry{page_floor(pc), words};
        }
    }
    const Gap here = info.first_gap == 0 ? gap_at(pc) : Gap::none;
    const bool amended = here == Gap::lengths || here == Gap::aliased || here == Gap::carry;
    if (!stepping_ && (info.first_gap > 0 || amended)) return request_step(pc, size);

    // The engine runs each iteration of a rep string instruction as a block of its own.
    const bool goes_on = info.ends_in_rep && info.count == 1 && pc == rep_at_ && last_pc_ == rep_block_;
    const std::int64_t count = goes_on ? 0 : info.count;
    if (count > remaining_) {
        if (remaining_ != 0) return request_step(pc, size);
        step_pending_ = false; // not entered after all
        return leave(Exit::Kind::budget);
    }
    // Only now is it certain that the instruction here is entered: a watch is reported once for each time it is.
    const bool reported = retired() + static_cast<std::uint64_t>(std::max<std::int64_t>(count, 1)) > watch_from_;
    if ((fetch_->any_watch() || reported) && !goes_on && !look_at_watches(pc, size, count > 1, reported)) return;
    if (here == Gap::invalid || here == Gap::refused || (here == Gap::lengths && !limit_lengths(pc)))
        return leave(Exit::Kind::exception, vector::invalid_opcode);
    if (here == Gap::aliased) add_across(pc);
    if (here == Gap::carry) flags_before_ = get(Reg::eflags);
    if (here == Gap::guarded) return leave(Exit::Kind::exception, vector::general_protection);
    if (sink_ != nullptr) sink_->code(pc, size);
    remaining_ -= count;
    last_pc_ = pc;
    last_size_ = size;
    if (info.ends_in_rep) rep_block_ = pc, rep_at_ = pc + info.last;
}

bool Cpu::look_at_watches(Addr pc, std::uint32_t size, bool several, bool reported) {
    const bool here = reported || fetch_->watched(pc, pc + 1);
    if (!stepping_ && (fetch_->watched(pc + 1, pc + size) || (several && here && debugged_))) {
        request_step(pc, size);
        return false;
    }
    if (!here) return true;
    const bool execute = service_ == nullptr || service_->fetch(pc, reported_watch_ == pc);
    if (!execute) {
        reported_watch_ = pc;
        step_pending_ = false;
        leave(Exit::Kind::watch);
        return false;
    }
    reported_watch_ = 1;
    return true;
}

void Cpu::on_interrupt(unsigned vec) {
    // The engine's #DB after a `syscall` under TF comes before the call has been served: the kernel raises it when it
    // has (Exit::trap_flag).
    if (why_ != Why::none) return;
    if (inner_run_ != nullptr) return end_inner_run(vec);
    on_exception(vec);
}

void Cpu::on_exception(unsigned vec) {
    const Addr rip = get(Reg::rip);
    if (vec == vector::debug) {
        if (stepping_) {
            const bool guests = step_was_guests_;
            finish_step();
            if (!guests) return;
            end_stepping();
        }
        // The trap came between two iterations of a rep string instruction: it has not retired.
        if (last_size_ != 0 && rip == last_pc_ && rep_block_ == last_pc_) remaining_ += 1;
        last_size_ = 0;
        rep_block_ = 1;
        return serve(vec);
    }
    if (stepping_ && flags_before_ != 0) set(Reg::eflags, flags_before_); // TF is about to be put right, too
    if (stepping_) end_stepping();
    if (vec == vector::breakpoint) {
        give_back(rip - 1);
        return serve(vec);
    }
    give_back(rip);
    leave(Exit::Kind::exception, vec);
}

void Cpu::serve(unsigned vec) {
    if (service_ != nullptr && service_->trap(vec)) return;
    leave(Exit::Kind::served, vec);
}

void Cpu::on_syscall() {
    const bool guests = stepping_ ? guest_trap_flag_ : trap_flag();
    if (stepping_) end_stepping();
    leave(Exit::Kind::syscall);
    exit_.trap_flag = guests;
}

void Cpu::on_invalid() {
    if (why_ != Why::none) return;
    if (inner_run_ != nullptr) return end_inner_run(vector::invalid_opcode);
    if (stepping_) end_stepping();
    give_back(get(Reg::rip));
    leave(Exit::Kind::exception, vector::invalid_opcode);
}

/// Instructions of the current block from `rip` on were counted when the block was entered and have not retired.
void Cpu::give_back(Addr rip) {
    if (last_size_ == 1 && rip == last_pc_) { // an int3 by itself, as a probe's is
        remaining_ += 1;
    } else if (last_size_ != 0 && rip >= last_pc_ && rip < last_pc_ + last_size_) {
        std::array<std::uint8_t, kLongestBlock> bytes;
        std::size_t n = peek(rip, bytes.data(), std::min<std::size_t>(last_pc_ + last_size_ - rip, bytes.size()));
        remaining_ += walk({bytes.data(), n}).count;
    }
    last_size_ = 0;
    rep_block_ = 1;
}

void Cpu::begin_stepping() {
    stepping_ = true;
    floor_ = kOutOfReach;
    step_pending_ = false;
    guest_trap_flag_ = trap_flag();
    set_trap_flag(true);
}

void Cpu::end_stepping() {
    if (step_pending_) finish_step();
    stepping_ = false;
    floor_ = why_ == Why::none ? lowest_floor() : kOutOfReach;
    set_trap_flag(guest_trap_flag_);
}

/// A block starts while we step: it is one instruction. False when stepping is over or has to start again.
bool Cpu::enter_step(Addr pc) {
    if (step_pending_) { // the last step ended without #DB: popf loaded other flags, or mov ss held the trap back
        finish_step();
        if (!trap_flag()) {
            stop(Why::step);
            return false;
        }
    }
    if (pc < step_from_ || pc >= step_to_) {
        stop(Why::step_over);
        return false;
    }
    std::array<std::uint8_t, 15> bytes;
    std::size_t n = peek(pc, bytes.data(), bytes.size());
    std::size_t i = 0;
    while (i + 1 < n && (bytes[i] == 0x66 || (bytes[i] & 0xf0) == 0x40)) ++i;
    step_opcode_ = bytes[i] == 0x9c || bytes[i] == 0x9d ? bytes[i] : 0;
    step_was_guests_ = guest_trap_flag_;
    step_pending_ = true;
    return true;
}

Gap Cpu::gap_at(Addr pc) const {
    std::array<std::uint8_t, 15> bytes;
    const std::span<const std::uint8_t> there(bytes.data(), peek(pc, bytes.data(), bytes.size()));
    Outline insn;
    (void)decode(there, insn);
    return gap(insn, there);
}

/// pcmpestr takes lengths beyond 16 for 16 (Intel SDM volume 1, "Source Data Format"), of either sign. False: they are
/// part of its operand's address, too, and cannot be changed.
bool Cpu::limit_lengths(Addr pc) {
    constexpr std::int64_t kMost = 16;
    constexpr std::uint8_t kRexW = 0x48;
    std::array<std::uint8_t, 15> bytes;
    const std::size_t n = peek(pc, bytes.data(), bytes.size());
    Outline insn;
    (void)decode({bytes.data(), n}, insn);
    const auto address = memory_operand(insn, {bytes.data(), n});
    std::array<std::uint64_t, 2> limited = {get(Reg::rax), get(Reg::rdx)};
    for (const Reg r : {Reg::rax, Reg::rdx}) {
        const bool wide = (insn.rex & kRexW) == kRexW;
        const auto length = wide ? static_cast<std::int64_t>(get(r)) : static_cast<std::int32_t>(get(r));
        const auto number = static_cast<std::uint8_t>(r);
        if (length >= -kMost && length <= kMost) continue;
        if (address && (address->base == number || address->index == number)) return false;
        limited[r == Reg::rdx] = static_cast<std::uint64_t>(std::clamp(length, -kMost, kMost));
    }
    lengths_ = {get(Reg::rax), get(Reg::rdx)};
    lengths_limited_ = true;
    set(Reg::rax, limited[0]);
    set(Reg::rdx, limited[1]);
    return true;
}

/// phadd and phsub of a register with itself: what it holds afterwards is known before (Intel SDM volume 2, "PHADDW").
void Cpu::add_across(Addr pc) {
    std::array<std::uint8_t, 15> bytes;
    const std::size_t n = peek(pc, bytes.data(), bytes.size());
    Outline insn;
    (void)decode({bytes.data(), n}, insn);
    const unsigned index = insn.rm() | (insn.rex & 1u) << 3;
    const bool subtract = (insn.opcode & 4) != 0, saturate = (insn.opcode & 3) == 3;
    const auto across = [&]<class T>(std::array<T, 16 / sizeof(T)> v) {
        auto out = v;
        for (std::size_t i = 0; i < v.size(); ++i) {
            const std::size_t pair = 2 * (i % (v.size() / 2));
            const std::int64_t a = v[pair], b = v[pair + 1];
            const std::int64_t sum = subtract ? a - b : a + b;
            using Limits = std::numeric_limits<T>;
            out[i] = static_cast<T>(saturate ? std::clamp<std::int64_t>(sum, Limits::min(), Limits::max()) : sum);
        }
        std::memcpy(across_.data(), out.data(), across_.size());
    };
    std::array<std::int16_t, 8> words;
    std::array<std::int32_t, 4> doublewords;
    get_xmm(index, words.data());
    get_xmm(index, doublewords.data());
    if ((insn.opcode & 3) == 2)
        across(doublewords);
    else
        across(words);
    across_index_ = static_cast<int>(index);
}

/// Hides our TF from pushf and keeps what popf loaded as the guest's own.
void Cpu::finish_step() {
    step_pending_ = false;
    flags_before_ = 0;
    if (across_index_ >= 0) set_xmm(static_cast<unsigned>(std::exchange(across_index_, -1)), across_.data());
    if (std::exchange(lengths_limited_, false)) {
        set(Reg::rax, lengths_[0]);
        set(Reg::rdx, lengths_[1]);
    }
    if (step_opcode_ == 0x9c && !guest_trap_flag_) {
        PhysAddr p = 0;
        if (translate(get(Reg::rsp) + 1, p)) frames_.ram()[p] &= static_cast<std::uint8_t>(~(kFlagTrap >> 8));
    } else if (step_opcode_ == 0x9d) {
        guest_trap_flag_ = trap_flag();
    }
    step_opcode_ = 0;
}

void Cpu::clear_fault() {
    uc_context_save(engine_->uc, spare_->saved_);
    if (exit_.vector == vector::page_fault) {
        exit_.error_code = static_cast<std::uint32_t>(spare_->word(layout_.error_code));
        uc_reg_read(engine_->uc, UC_X86_REG_CR2, &exit_.address);
    }
    spare_->set_word(layout_.old_exception, -1);
    uc_context_restore(engine_->uc, spare_->saved_);
}

} // namespace trapline
