// boost/nop10.cpp: a nop of ten bytes becomes a step over the red zone, a call to a trampoline and a system call.
//
// Jiri Olsa, July 2026 ("Move optimized uprobe from nop5 to nop10"), after it had been seen that nop5's call writes
// into the red zone. USDT probes got a longer nop for it. boost/nop_call.hpp has the picture; the text becomes
//
//   lea -0x80(%rsp), %rsp         128 bytes that the ABI lets a leaf function use are stepped over
//   call trampoline               which ends in `ret 0x80`
//
// by the steps of nop5.cpp. A thread can now stand between the two instructions. So unregistering does not bring the
// nop back: it writes int3, then the second byte, then the first byte of `jmp +8`, and leaves the lea's end and the
// call as they are for whoever is still to execute them. A later probe at the place recognises the jump and goes on
// from there.
//
// A child of fork gets the trampoline. What remains to be observed: the text, the mapping, the jump that stays behind,
// and signal frames in the trampoline. The kernel's rules refuse the nop that assemblers use (66 2e 0f 1f 84 ..) for
// its cs prefix; 66 66 0f 1f 84 .. is taken. Asks the decoder for the length and the opcode.
#include "boost/nops.hpp"

#include "boost/nop_call.hpp"

namespace trapline {
namespace {

constexpr std::uint8_t kSize = 10;
constexpr std::uint8_t kJump8 = 0xeb, kOverTheRest = kSize - 2;

bool is_nop10(const Uprobe& u) {
    const std::optional<Outline> insn = outline(u.bytes);
    if (!insn || insn->length != kSize || insn->rex != 0) return false;
    if ((insn->prefixes & ~prefix::operand_size) != 0) return false;
    return (insn->map == map::m0f && insn->opcode == 0x1f && insn->reg() == 0) ||
           (insn->map == map::one_byte && insn->opcode == 0x90);
}

} // namespace

std::unique_ptr<Strategy> make_nop10(Uprobes& u) {
    NopForm form;
    form.size = kSize;
    form.before_call = {0x48, 0x8d, 0x64, 0x24, 0x80}; // lea -0x80(%rsp), %rsp
    form.skipped = 0x80;
    form.trampoline_end = {0xc2, 0x80, 0x00}; // ret 0x80
    form.is_nop = is_nop10;
    form.left_tail = [](const Uprobe&) { return std::vector<std::uint8_t>{kOverTheRest}; };
    form.left_head = [](const Uprobe&) { return kJump8; };
    form.child_has_trampoline = true;
    return std::make_unique<NopCall>(u, make_emulate(u), std::move(form));
}

} // namespace trapline
