#include "decoder/vector_map.hpp"

#include "decoder/vector_opcodes.hpp"

namespace trapline::vector_map {
namespace {

namespace vo = vector_opcodes;

constexpr const vo::Opcodes* vex_maps[] = {nullptr, &vo::vex_0f, &vo::vex_0f38, &vo::vex_0f3a};
constexpr const vo::Opcodes* evex_maps[] = {nullptr,     &vo::evex_0f, &vo::evex_0f38, &vo::evex_0f3a,
                                            &vo::evex_4, &vo::evex_5,  &vo::evex_6};

bool group_has(const Outline& insn) {
    for (const vo::Group& group : vo::groups)
        if (group.map == insn.map && group.opcode == insn.opcode) return group.regs >> insn.reg() & 1;
    return true;
}

bool xop_has(const Outline& insn) {
    for (const vo::Range& range : vo::xop)
        if (range.map == insn.map && insn.opcode >= range.first && insn.opcode <= range.last) return true;
    return false;
}

} // namespace

bool has_map(const Outline& insn) {
    if (insn.xop) return insn.map >= map::xop8 && insn.map <= map::xop_a;
    return insn.map != map::one_byte && (insn.map <= (insn.evex ? map::fp16_6 : map::m0f3a) || insn.map == map::msr);
}

bool exists(const Outline& insn, uint8_t pp) {
    if (insn.xop) return xop_has(insn);
    if (insn.map == map::msr) return insn.opcode == vo::map7_opcode && (vo::map7_prefixes >> pp & 1);
    const vo::Opcodes& opcodes = *(insn.evex ? evex_maps : vex_maps)[insn.map];
    return (opcodes[insn.opcode] >> pp & 1) && group_has(insn);
}

bool vector_only(const Outline& insn, uint8_t pp) {
    constexpr const vo::Opcodes* maps[] = {nullptr, &vo::legacy_0f, &vo::legacy_0f38, &vo::legacy_0f3a};
    return insn.map != map::one_byte && ((*maps[insn.map])[insn.opcode] >> pp & 1) != 0;
}

} // namespace trapline::vector_map
