#include "emu/cpu/engine.hpp"

#include "emu/check.hpp"
#include "emu/cpu/access_sink.hpp"
#include "emu/mm/page_table.hpp"
#include "emu/snapshot/arena.hpp"

#include <cstring>

namespace trapline {
namespace {

constexpr Addr kWindow = kernel_window::kBase;
constexpr Addr kStub = kWindow + 0x100;  // iretq
constexpr Addr kFrame = kWindow + 0x800; // what it returns to
constexpr Addr kFirstUser = 0x400000;    // where ring 3 is entered the first time

constexpr std::uint64_t kCodeSelector = 0x33, kDataSelector = 0x2b;   // Linux's __USER_CS and __USER_DS
constexpr std::uint64_t kCodeSelector2 = 0x12, kDataSelector2 = 0x1a; // of ring 2, which Linux does not use

/// Bytes of host code that there is room for. A search whose runs map files again and again fills whatever there is,
/// and there is a machine for every core.
constexpr std::uint32_t kTranslations = 256u << 20;
/// What is left of them when all is translated anew. A block takes at most 64 KiB.
constexpr std::uint32_t kSpare = 4u << 20;

void must(uc_err e, const char* what) { TL_CHECK(e == UC_ERR_OK, "{}: {}", what, uc_strerror(e)); }

} // namespace

template <class Callback> void Cpu::Engine::hook(Cpu& cpu, int type, Callback callback, int instruction) {
    uc_hook handle = 0;
    // A range with begin > end means everywhere.
    must(uc_hook_add(uc, &handle, type, reinterpret_cast<void*>(callback), &cpu, 1, 0, instruction), "hook");
}

Cpu::Engine::Engine(Frames& frames, Cpu& cpu) {
    must(uc_open(UC_ARCH_X86, UC_MODE_64, &uc), "CPU engine");
    // x86-64-v2 without AVX: everything this model reports also executes (facts: CPU model).
    must(uc_ctl_set_cpu_model(uc, UC_CPU_X86_WESTMERE), "CPU model");
    must(uc_ctl_set_tcg_buffer_size(uc, kTranslations), "room for translations");
    must(uc_mem_map_ptr(uc, 0, frames.bytes(), UC_PROT_ALL, frames.ram()), "guest RAM");
    room = kTranslations - kSpare;
    hook(cpu, UC_HOOK_BLOCK, block);
    hook(
        cpu, UC_HOOK_INTR, +[](uc_engine*, std::uint32_t n, void* c) { static_cast<Cpu*>(c)->on_interrupt(n); });
    hook(
        cpu, UC_HOOK_INSN, +[](uc_engine*, void* c) { static_cast<Cpu*>(c)->on_syscall(); }, UC_X86_INS_SYSCALL);
    hook(
        cpu, UC_HOOK_INSN_INVALID, +[](uc_engine*, void* c) -> bool {
            static_cast<Cpu*>(c)->on_invalid();
            return false;
        });
}

Cpu::Engine::~Engine() { uc_close(uc); }

// What has been translated calls it, so it returns to where the translation lies.
void Cpu::Engine::block(uc_engine*, std::uint64_t pc, std::uint32_t size, void* cpu) {
    static_cast<Cpu*>(cpu)->on_block(pc, size, __builtin_return_address(0));
}

void Cpu::Engine::drop_translations() {
    uc_ctl_flush_tb(uc);
    last_code = first_code;
    ++drops;
}

Cpu::Cpu(Frames& frames) : frames_(frames) {
    {
        const Arena::Off off; // the engine and what goes with it is no part of the machine's state
        engine_ = std::make_unique<Engine>(frames, *this);
        blocks_ = std::make_unique<Blocks>();
        spare_ = std::make_unique<Context>(engine_->uc);
        outer_ = std::make_unique<Context>(engine_->uc);
        for (auto& ring : inner_) ring = std::make_unique<Context>(engine_->uc);
    }
    set_up_kernel_window();
}

Cpu::~Cpu() = default;

void Cpu::set_access_sink(AccessSink* sink) {
    sink_ = sink;
    if (sink == nullptr || reports_accesses_) return;
    reports_accesses_ = true;
    engine_->report_accesses(*this);
}

void Cpu::Engine::report_accesses(Cpu& cpu) {
    hook(
        cpu, UC_HOOK_MEM_READ | UC_HOOK_MEM_WRITE,
        +[](uc_engine*, uc_mem_type type, std::uint64_t at, int bytes, std::int64_t, void* c) {
            AccessSink* to = static_cast<Cpu*>(c)->sink_;
            // What the engine says is the physical address (2.1.1, with paging on).
            if (to != nullptr) to->memory(at, static_cast<std::uint64_t>(bytes), type == UC_MEM_WRITE);
        });
    uc_ctl_flush_tb(uc); // what is translated does not call back
}

void Cpu::set_up_kernel_window() {
    // PML4[256] -> one table at each level, shared by every address space.
    const FrameNo pdpt = frames_.allocate(), pd = frames_.allocate(), pt = frames_.allocate(),
                  page = frames_.allocate(), data = frames_.allocate(), text = frames_.allocate();
    constexpr Pte kTable = pte::present | pte::writable | pte::user;
    auto entry = [&](FrameNo t, unsigned i) { return reinterpret_cast<Pte*>(frames_.data(t)) + i; };
    *entry(pdpt, 0) = pte::make(pd, kTable);
    *entry(pd, 0) = pte::make(pt, kTable);
    *entry(pt, 0) = pte::make(page, pte::present);
    *entry(pt, 1) = pte::make(data, pte::present | pte::writable | pte::no_execute);
    *entry(pt, 2) = pte::make(text, pte::present);
    kernel_pdpt_ = pdpt;
    engine_->kernel_text = text;
    engine_->kernel_data_entry = frame_base(pt) + sizeof(Pte);
    std::memset(frames_.data(data), 0x4b, kPageSize); // 'K', so that whoever gets hold of it knows

    std::uint8_t* window = frames_.data(page);
    auto put = [&](Addr at, std::uint64_t v) { std::memcpy(window + (at - kWindow), &v, sizeof v); };
    put(kWindow + 8 * 1, 0x00af9b000000ffff); // ring 0 code
    put(kWindow + 8 * 2, 0x00afdb000000ffff); // ring 2 code
    put(kWindow + 8 * 3, 0x00cfd3000000ffff); // ring 2 data
    put(kWindow + 8 * 5, 0x00cff3000000ffff); // ring 3 data
    put(kWindow + 8 * 6, 0x00affb000000ffff); // ring 3 code, long mode
    put(kStub, 0xcf48);                       // iretq
    const auto return_to = [&](Addr rip, std::uint64_t code, std::uint64_t stack) {
        const std::uint64_t frame[] = {rip, code, kFlagFixed | kFlagInterrupt, 0, stack};
        for (unsigned i = 0; i < 5; ++i) put(kFrame + 8 * i, frame[i]);
    };

    // A first address space with one page of int3 and two instructions that fault, to enter ring 3 and to find the
    // layout.
    idle_table_ = std::make_unique<PageTable>(frames_, pdpt);
    PageTable& first = *idle_table_;
    const FrameNo code = frames_.allocate();
    *first.slot(kFirstUser) = pte::make(code, pte::present | pte::user);
    constexpr std::uint8_t kLoad[] = {0x8a, 0x04, 0x25, 0, 0, 0, 0};  // mov al, [0]
    constexpr std::uint8_t kStore[] = {0x88, 0x04, 0x25, 0, 0, 0, 0}; // mov [0], al
    // All of it, so that each block ends at once: a page of zeros is one long block, and a millisecond to translate.
    std::memset(frames_.data(code), 0xcc, kPageSize);
    std::memcpy(frames_.data(code) + 16, kLoad, sizeof kLoad);
    std::memcpy(frames_.data(code) + 32, kStore, sizeof kStore);

    uc_engine* uc = engine_->uc;
    // SDM volume 3, "Control Registers" and "IA32_EFER MSR": PG WP ET PE; TSD PAE OSFXSR OSXMMEXCPT; SCE LME LMA NXE.
    std::uint64_t cr4 = 1u << 2 | 1u << 5 | 1u << 9 | 1u << 10, cr0 = 0x80010033, cr3 = first.root();
    uc_x86_msr efer = {0xc0000080, 1u << 0 | 1u << 8 | 1u << 10 | 1u << 11};
    uc_x86_mmr gdt = {0, kWindow, 0x7f, 0};
    uc_reg_write(uc, UC_X86_REG_CR4, &cr4);
    uc_reg_write(uc, UC_X86_REG_CR3, &cr3);
    uc_reg_write(uc, UC_X86_REG_MSR, &efer);
    uc_reg_write(uc, UC_X86_REG_CR0, &cr0);
    uc_reg_write(uc, UC_X86_REG_GDTR, &gdt);
    root_ = first.root();
    fetch_ = &idle_fetch_;
    live_ = LiveRegisters::find(uc);
    set(Reg::rsp, kFrame);
    // The CPU starts in ring 0. Ring 2 is entered as ring 3 is, for an int3.
    save(*inner_[0]);
    return_to(kernel_window::kText, kCodeSelector2, kDataSelector2);
    std::memset(frames_.data(text), 0xcc, kPageSize);
    InnerRun ring2;
    inner_run_ = &ring2;
    why_ = Why::none;
    uc_emu_start(uc, kStub, 0, 0, 0);
    inner_run_ = nullptr;
    TL_CHECK(ring2.vector == vector::breakpoint && get(Reg::rip) == kernel_window::kText + 1, "ring 2 was not reached");
    save(*inner_[1]);
    load(*inner_[0]);
    return_to(kFirstUser, kCodeSelector, kDataSelector);
    set(Reg::rip, kStub);
    Exit entered = run(1u << 20);
    TL_CHECK(entered.kind == Exit::Kind::served && get(Reg::rip) == kFirstUser + 1, "ring 3 was not reached");

    std::uint16_t fpcw = 0x37f; // what finit and Linux give a new program; the engine starts with 0
    uc_reg_write(uc, UC_X86_REG_FPCW, &fpcw);
    set(Reg::mxcsr, 0x1f80);
    for (unsigned r = 0; r < static_cast<unsigned>(Reg::rip); ++r) set(static_cast<Reg>(r), 0);
    pristine_ = std::make_unique<Context>(uc);
    save(*pristine_);

    Context faults[2] = {Context(uc), Context(uc)};
    for (unsigned i = 0; i < 2; ++i) {
        set(Reg::rip, kFirstUser + 16 + 16 * i);
        why_ = Why::none;
        floor_ = 0;
        const Addr start = get(Reg::rip);
        uc_emu_start(uc, start, 0, 0, 0);
        uc_context_save(uc, faults[i].saved_);
        uc_context_restore(uc, pristine_->saved_);
    }
    layout_ = ContextLayout::find(*pristine_, faults[0], faults[1], uc_context_size(uc));
    *first.slot(kFirstUser) = 0;
    drop_code(code);
    idle_fetch_.flush();
    frames_.put(code);
}

std::unique_ptr<Context> Cpu::new_context() const {
    auto c = std::make_unique<Context>(engine_->uc);
    c->copy_from(*pristine_);
    return c;
}

void Cpu::save(Context& c) {
    uc_context_save(engine_->uc, c.saved_);
    c.reported_watch = reported_watch_;
    c.root_ = root_;
}

void Cpu::load(const Context& c) {
    uc_context_restore(engine_->uc, c.saved_);
    reported_watch_ = c.reported_watch;
    // The saved state brings its old CR3 along; the address space in use stays the one that was chosen.
    if (c.root_ != root_) uc_reg_write(engine_->uc, UC_X86_REG_CR3, &root_);
}

void Cpu::use(PhysAddr root, FetchMap& fetch) {
    if (root == root_ && fetch_ == &fetch) return;
    root_ = root;
    fetch_ = &fetch;
    uc_reg_write(engine_->uc, UC_X86_REG_CR3, &root_);
}

void Cpu::use_idle() { use(idle_table_->root(), idle_fetch_); }

void Cpu::flush_tlb_of(PhysAddr root) {
    if (root == root_) uc_ctl_flush_tlb(engine_->uc);
}

} // namespace trapline
