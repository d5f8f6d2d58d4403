// Fuzzing of decoder/: any bytes, every question. Beyond not crashing, the answers must fit together.
#include "decoder/address.hpp"
#include "decoder/computed.hpp"
#include "decoder/effects.hpp"
#include "decoder/emulated.hpp"
#include "decoder/fixup.hpp"
#include "decoder/flow.hpp"
#include "decoder/insn.hpp"
#include "decoder/memory_operand.hpp"
#include "decoder/region.hpp"
#include "decoder/strategies.hpp"
#include "decoder/walk.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>

namespace {

using namespace trapline;

void part_is_inside(const Outline& insn, unsigned offset, unsigned size) {
    if (size != 0) must(offset + size <= insn.length, "a part lies outside its instruction");
}

void look_at_shape(std::span<const uint8_t> bytes, Mode mode) {
    Outline insn;
    const Decoded decoded = decode(bytes, insn, mode);
    const auto again = outline(bytes, mode);
    must(again.has_value() == (decoded == Decoded::ok), "two answers");
    if (decoded == Decoded::truncated) must(bytes.size() < 15, "fifteen bytes are enough");
    if (decoded != Decoded::ok) return;
    must(insn.length >= 1 && insn.length <= 15 && insn.length <= bytes.size(), "a length that cannot be");
    part_is_inside(insn, insn.disp_offset, insn.disp_size);
    part_is_inside(insn, insn.imm_offset, insn.imm_size);
    part_is_inside(insn, insn.modrm_offset, insn.has_modrm);
    part_is_inside(insn, insn.opcode_offset, insn.undefined ? 0 : 1);
    const auto own = bytes.first(insn.length);
    Outline alone;
    must(decode(own, alone, mode) == Decoded::ok && alone.length == insn.length, "what follows it counts");
    if (insn.length > 1 && !insn.undefined)
        must(decode(own.first(own.size() - 1), alone, mode) == Decoded::truncated, "a byte too many");
    (void)immediate_of(insn, own);
    (void)name(flow(insn));
    (void)memory_operand(insn, own, mode);
    if (mode == Mode::k64) (void)accesses(insn, own, {});
    if (mode == Mode::k64) (void)computed(insn, own);
    static const EffectReader readers[] = {EffectReader(Mode::k64), EffectReader(Mode::k32)};
    if (const auto effects = readers[mode == Mode::k32].effects(own)) {
        const bool touches = effects->reads_operand || effects->writes_operand;
        must(touches || effects->operand_bytes == 0, "an operand that nobody touches has a size");
        must(!touches || memory_operand(insn, own, mode), "an operand without an address");
    }
}

void look_at_rules(std::span<const uint8_t> bytes) {
    for (const RuleSet rules : {RuleSet::uprobes_2010, RuleSet::linux_6_18})
        if (may_probe(bytes, rules, Mode::k32).error != 0)
            must(emulated_by(bytes, rules, Mode::k32).kind == Emulated::none, "refused and emulated, 32 bits");
    const KernelCopy copy(bytes);
    for (const RuleSet rules : {RuleSet::uprobes_2010, RuleSet::linux_6_12, RuleSet::linux_6_18}) {
        const Verdict verdict = may_probe(copy, rules);
        must((verdict.error == 0) == verdict.reason.empty(), "a refusal has a reason, and nothing else has");
        const Emulation emulation = emulated_by(copy, rules);
        if (verdict.error != 0) must(emulation.kind == Emulated::none, "refused and emulated");
    }
    const Facts facts = facts_of(copy, 0xffe);
    for (const StrategyNeeds& strategy : strategy_needs()) {
        const Why why = refused(strategy, {}, facts);
        if (why == Why::none) (void)altered(strategy, {}, facts);
    }
}

void look_at_copies(std::span<const uint8_t> bytes) {
    const auto insn = outline(bytes);
    const auto copy = out_of_line(bytes);
    must(copy.has_value() == insn.has_value(), "what has an outline has a copy");
    if (!copy) return;
    const auto other = outline(std::span(copy->bytes).first(copy->length));
    must(other && other->length == insn->length && other->opcode == insn->opcode, "the copy is another instruction");
    must(!other->rip_relative, "the copy depends on its place");
    if (const auto moved = relocated(bytes, 0x401000, 0x501000)) {
        const auto there = outline(std::span(*moved).first(insn->length));
        must(there && there->length == insn->length && there->rip_relative == insn->rip_relative, "moved wrongly");
    }
}

void look_at_all(std::span<const uint8_t> bytes) {
    const Walk walked = walk(bytes);
    must(walked.count <= bytes.size() && (bytes.empty() || walked.last_offset < bytes.size()), "a walk out of bounds");
    const FunctionMap map(bytes);
    for (size_t at = 0; at < bytes.size(); ++at) (void)map.jump_region(static_cast<uint32_t>(at));
    static const Disassembler disassembler;
    if (!bytes.empty()) (void)disassembler.text(bytes, 0x401000);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::span<const uint8_t> bytes(data, std::min<size_t>(size, 4096));
    for (size_t at = 0; at < std::min<size_t>(bytes.size(), 64); ++at) {
        const auto rest = bytes.subspan(at);
        look_at_shape(rest, Mode::k64);
        look_at_shape(rest, Mode::k32);
        look_at_rules(rest);
        look_at_copies(rest);
    }
    look_at_all(bytes);
    return 0;
}

std::vector<std::vector<uint8_t>> seeds() {
    return {{0x48, 0x8b, 0x05, 0x10, 0, 0, 0, 0xe8, 0, 0, 0, 0, 0xc3},
            {0x66, 0x0f, 0x3a, 0x63, 0xc1, 0x0c, 0xf3, 0xa4, 0x90},
            {0xc5, 0xf9, 0xfe, 0xc1, 0xc4, 0xe2, 0x7d, 0x78, 0x05, 0, 0, 0, 0},
            {0x62, 0xf1, 0x7c, 0x48, 0x28, 0x40, 0x01, 0x67, 0x64, 0xa1, 1, 2, 3, 4, 5, 6, 7, 8},
            {0x0f, 0x1f, 0x44, 0x00, 0x00, 0xeb, 0xf9, 0xff, 0xe0, 0xcc, 0xcc, 0x8f, 0xe9, 0x78, 0x80, 0xc1}};
}
