#include "emu/cpu/bare.hpp"

#include "emu/cpu/engine_registers.hpp"
#include "emu/mm/page_table.hpp"

#include <cstring>

namespace trapline {
namespace {

constexpr Addr kWindow = 0xffff800000000000, kStack = 0x7ff000000000;

struct Bare {
    uc_engine* uc = nullptr;
    bool exited = false;
};

void on_syscall(uc_engine* uc, void* user) {
    std::uint64_t number = 0;
    uc_reg_read(uc, UC_X86_REG_RAX, &number);
    if (number == 1) return; // write
    static_cast<Bare*>(user)->exited = number == 60 || number == 231;
    uc_emu_stop(uc);
}

void on_interrupt(uc_engine* uc, std::uint32_t, void*) { uc_emu_stop(uc); }

} // namespace

bool run_bare(std::span<const BareSegment> segments, Addr entry, const char* argument) {
    Frames frames(256u << 20);
    PageTable table(frames, 0);
    auto map = [&](Addr va, Pte bits) {
        Pte* slot = table.slot(va);
        if (*slot == 0) *slot = pte::make(frames.allocate(), bits | pte::present);
        return frames.data(pte::frame(*slot)) + (va & kPageMask);
    };
    for (const BareSegment& s : segments) {
        const Pte bits = pte::user | (s.writable ? pte::writable : 0);
        for (Addr a = page_floor(s.address); a < s.address + s.bytes; a += kPageSize) map(a, bits);
        for (std::size_t i = 0; i < s.contents.size(); ++i) *map(s.address + i, bits) = s.contents[i];
    }
    for (Addr a = kStack - 64 * kPageSize; a < kStack; a += kPageSize) map(a, pte::user | pte::writable);
    const Addr sp = kStack - 256, text = kStack - 64;
    const std::uint64_t vector[] = {2, text, text, 0, 0, 0};
    std::memcpy(map(sp, 0), vector, sizeof vector);
    std::memcpy(map(text, 0), argument, std::strlen(argument) + 1);

    std::uint8_t* window = map(kWindow, pte::writable);
    const std::uint64_t gdt[] = {0, 0x00af9b000000ffff, 0, 0, 0, 0x00cff3000000ffff, 0x00affb000000ffff};
    const std::uint64_t frame[] = {entry, 0x33, 0x202, sp, 0x2b};
    std::memcpy(window, gdt, sizeof gdt);
    std::memcpy(window + 0x100, "\x48\xcf", 2); // iretq
    std::memcpy(window + 0x800, frame, sizeof frame);

    Bare bare;
    if (uc_open(UC_ARCH_X86, UC_MODE_64, &bare.uc) != UC_ERR_OK) return false;
    uc_ctl_set_cpu_model(bare.uc, UC_CPU_X86_WESTMERE);
    uc_mem_map_ptr(bare.uc, 0, frames.bytes(), UC_PROT_ALL, frames.ram());
    uc_hook hook = 0;
    uc_hook_add(bare.uc, &hook, UC_HOOK_INSN, reinterpret_cast<void*>(on_syscall), &bare, 1, 0, UC_X86_INS_SYSCALL);
    uc_hook_add(bare.uc, &hook, UC_HOOK_INTR, reinterpret_cast<void*>(on_interrupt), &bare, 1, 0);
    std::uint64_t cr4 = 1u << 2 | 1u << 5 | 1u << 9 | 1u << 10, cr0 = 0x80010033, cr3 = table.root(),
                  rsp = kWindow + 0x800;
    uc_x86_msr efer = {0xc0000080, 1u << 0 | 1u << 8 | 1u << 10 | 1u << 11};
    uc_x86_mmr gdtr = {0, kWindow, 0x7f, 0};
    uc_reg_write(bare.uc, UC_X86_REG_CR4, &cr4);
    uc_reg_write(bare.uc, UC_X86_REG_CR3, &cr3);
    uc_reg_write(bare.uc, UC_X86_REG_MSR, &efer);
    uc_reg_write(bare.uc, UC_X86_REG_CR0, &cr0);
    uc_reg_write(bare.uc, UC_X86_REG_GDTR, &gdtr);
    uc_reg_write(bare.uc, UC_X86_REG_RSP, &rsp);
    uc_emu_start(bare.uc, kWindow + 0x100, 0, 0, 0);
    uc_close(bare.uc);
    return bare.exited;
}

} // namespace trapline
