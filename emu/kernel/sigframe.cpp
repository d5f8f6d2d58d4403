// The signal frame: pushed before a handler runs, read back by rt_sigreturn.
#include "emu/kernel/kernel.hpp"

#include <array>
#include <cstring>

namespace trapline {
namespace {

/// struct sigcontext, 64-bit (Linux uapi asm/sigcontext.h, by layout).
struct SigContext {
    std::uint64_t r8_15[8];
    std::uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
    std::uint16_t cs, gs, fs, ss;
    std::uint64_t error, vector, old_mask, cr2, fpstate, reserved[8];
};

struct Frame {
    std::uint64_t return_address; // the restorer
    std::uint64_t uc_flags, uc_link;
    std::uint64_t stack_sp;
    std::int32_t stack_flags, stack_pad;
    std::uint64_t stack_size;
    SigContext machine;
    std::uint64_t mask;
    std::uint8_t info[128];
};
static_assert(sizeof(SigContext) == 256 && sizeof(Frame) == 8 + 16 + 24 + 256 + 8 + 128);

constexpr std::uint64_t kUcSegments = 2 | 4; // UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS
constexpr std::size_t kFxBytes = 512;
constexpr std::uint64_t kRedZone = 128; // System V ABI: below the stack pointer, a leaf may use it

void fill_info(const SigInfo& i, std::uint8_t* out) {
    std::memset(out, 0, 128);
    auto put = [&](std::size_t at, const auto& v) { std::memcpy(out + at, &v, sizeof v); };
    put(0, i.signo);
    put(8, i.code);
    if (i.fault) {
        put(16, i.address);
        return;
    }
    put(16, i.pid);
    put(20, i.uid);
    if (i.signo == sig::chld)
        put(24, i.status);
    else
        put(24, i.value);
}

constexpr std::array kFirst = {Reg::rdi, Reg::rsi, Reg::rbp, Reg::rbx, Reg::rdx,
                               Reg::rax, Reg::rcx, Reg::rsp, Reg::rip};

} // namespace

bool Kernel::push_frame(Task& t, const SigInfo& info, const SigAction& action) {
    load(t);
    Mm& mm = *t.process->mm;
    Addr sp = get(t, Reg::rsp);
    const bool on_alt = sp >= t.alt_stack.sp && sp - t.alt_stack.sp < t.alt_stack.size;
    if ((action.flags & sig::sa_onstack) != 0 && (t.alt_stack.flags & 2) == 0 && !on_alt)
        sp = t.alt_stack.sp + t.alt_stack.size;
    else
        sp -= kRedZone;
    sp = (sp - kFxBytes) & ~Addr{63};
    const Addr fx_at = sp;
    sp = ((sp - sizeof(Frame)) & ~Addr{15}) - 8;

    std::array<std::uint8_t, kFxBytes> fx;
    cpu_->get_fx(fx.data());
    Frame f{};
    f.return_address = action.restorer;
    f.uc_flags = kUcSegments;
    f.stack_sp = t.alt_stack.sp;
    f.stack_size = t.alt_stack.size;
    f.stack_flags = (t.alt_stack.flags & 2) != 0 ? 2 : on_alt ? 1 : 0;
    for (unsigned i = 0; i < 8; ++i) f.machine.r8_15[i] = get(t, static_cast<Reg>(static_cast<unsigned>(Reg::r8) + i));
    std::uint64_t* field = &f.machine.rdi;
    for (Reg r : kFirst) *field++ = get(t, r);
    f.machine.eflags = get(t, Reg::eflags);
    f.machine.cs = 0x33;
    f.machine.ss = 0x2b;
    f.machine.vector = t.trap_vector;
    f.machine.error = t.trap_error;
    f.machine.cr2 = t.trap_address;
    f.machine.old_mask = t.blocked_signals;
    f.machine.fpstate = fx_at;
    f.mask = t.restore_mask ? t.saved_mask : t.blocked_signals;
    fill_info(info, f.info);
    if (!mm.write(fx_at, fx.data(), fx.size()) || !mm.put(sp, f)) return false;

    set(t, Reg::rdi, static_cast<std::uint64_t>(info.signo));
    set(t, Reg::rsi, sp + offsetof(Frame, info));
    set(t, Reg::rdx, sp + offsetof(Frame, uc_flags));
    set(t, Reg::rax, 0);
    set(t, Reg::rsp, sp);
    set(t, Reg::rip, action.handler);
    constexpr std::uint64_t kDirection = 1u << 10, kResume = 1u << 16;
    set(t, Reg::eflags, get(t, Reg::eflags) & ~(kDirection | kResume | kFlagTrap));
    t.resume_time = ~0ull; // what the handler begins with is fetched like anything else
    return true;
}

void Kernel::sigreturn(Task& t) {
    load(t);
    Mm& mm = *t.process->mm;
    Frame f{};
    std::array<std::uint8_t, kFxBytes> fx;
    // RSP is past the return address, which the handler's ret has popped.
    if (!mm.get(get(t, Reg::rsp) - 8, f) ||
        (f.machine.fpstate != 0 && !mm.read(f.machine.fpstate, fx.data(), fx.size())))
        return terminate(t, sig::segv);
    if (f.machine.fpstate != 0) cpu_->set_fx(fx.data());
    for (unsigned i = 0; i < 8; ++i) set(t, static_cast<Reg>(static_cast<unsigned>(Reg::r8) + i), f.machine.r8_15[i]);
    const std::uint64_t* field = &f.machine.rdi;
    for (Reg r : kFirst) set(t, r, *field++);
    set(t, Reg::eflags, (f.machine.eflags & (kFlagsUser | kFlagTrap)) | kFlagFixed | kFlagInterrupt);
    t.blocked_signals = f.mask & ~sig::unblockable;
    if (f.stack_flags != 1) t.alt_stack = {f.stack_sp, f.stack_size, f.stack_flags};
}

} // namespace trapline
