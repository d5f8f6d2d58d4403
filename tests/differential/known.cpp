#include "tests/differential/known.hpp"

#include "decoder/emulated.hpp"
#include "decoder/fixup.hpp"
#include "decoder/flow.hpp"
#include "decoder/memory_operand.hpp"
#include "emu/cpu/gaps.hpp"

#include <algorithm>
#include <array>

namespace trapline::testing {
namespace {

constexpr ZydisMnemonic kNone = ZYDIS_MNEMONIC_INVALID;
constexpr unsigned kAny = ~0u;

Gap gap_of(const Known& k) { return gap(k.form.insn, k.form.bytes); }

bool one_byte(const Known& k, std::initializer_list<int> opcodes) {
    const Outline& i = k.form.insn;
    return i.map == map::one_byte && !i.vector() &&
           std::find(opcodes.begin(), opcodes.end(), i.opcode) != opcodes.end();
}

bool two_byte(const Known& k, std::initializer_list<int> opcodes) {
    const Outline& i = k.form.insn;
    return i.map == map::m0f && !i.vector() && std::find(opcodes.begin(), opcodes.end(), i.opcode) != opcodes.end();
}

bool in_memory(const Known& k) { return k.form.insn.has_modrm && k.form.insn.mod() != 3; }

/// An operand of the stack segment: by rsp or rbp, or pushed and popped.
bool by_stack(const Known& k) {
    for (int i = 0; i < k.z.operand_count; ++i)
        if (k.operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY && k.operands[i].mem.segment == ZYDIS_REGISTER_SS)
            return true;
    return false;
}

bool operand_of_16_bytes(const Known& k) {
    for (int i = 0; i < k.z.operand_count; ++i)
        if (k.operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY && k.operands[i].size == 128) return true;
    return false;
}

bool relative_with_66(const Known& k) {
    return branches_relatively(flow(k.form.insn)) && (k.form.insn.prefixes & prefix::operand_size);
}

bool adds_or_multiplies(const Known& k) {
    const std::string_view name = ZydisMnemonicGetString(k.z.mnemonic);
    constexpr std::string_view kinds[] = {"add", "sub", "mul", "div", "hadd", "hsub", "dp"};
    return std::any_of(std::begin(kinds), std::end(kinds),
                       [&](std::string_view kind) { return name.starts_with(kind); });
}

/// Instructions that came with CPUs after the emulated one (Westmere, 2010), or only with AMD's.
bool is_later(const Known& k) {
    switch (k.z.meta.isa_ext) {
    case ZYDIS_ISA_EXT_ADOX_ADCX:
    case ZYDIS_ISA_EXT_CLDEMOTE:
    case ZYDIS_ISA_EXT_CLFLUSHOPT:
    case ZYDIS_ISA_EXT_CLWB:
    case ZYDIS_ISA_EXT_CLZERO:
    case ZYDIS_ISA_EXT_GFNI:
    case ZYDIS_ISA_EXT_INVPCID:
    case ZYDIS_ISA_EXT_MOVBE:
    case ZYDIS_ISA_EXT_MOVDIR:
    case ZYDIS_ISA_EXT_RDRAND:
    case ZYDIS_ISA_EXT_RDSEED:
    case ZYDIS_ISA_EXT_RDWRFSGS:
    case ZYDIS_ISA_EXT_RTM:
    case ZYDIS_ISA_EXT_SHA:
    case ZYDIS_ISA_EXT_SSE4A:
    case ZYDIS_ISA_EXT_XSAVE:
    case ZYDIS_ISA_EXT_XSAVEC:
    case ZYDIS_ISA_EXT_XSAVEOPT:
    case ZYDIS_ISA_EXT_XSAVES:
        return true;
    default:
        return k.is({ZYDIS_MNEMONIC_XGETBV, ZYDIS_MNEMONIC_CLZERO, kNone});
    }
}

constexpr std::array kEngineDefects = {
    EngineDefect{
        "instructions that came after the emulated CPU (SHA, MOVBE, ADX, GFNI, XSAVE, fs and gs bases and others)",
        "SIGILL, as CPUID says", effect::signal, is_later, "0f38f007"},
    EngineDefect{"`tzcnt`, `lzcnt`", "`bsf` and `bsr`, as on CPUs without BMI", effect::registers | effect::flags,
                 [](const Known& k) {
                     return k.is({ZYDIS_MNEMONIC_TZCNT, ZYDIS_MNEMONIC_LZCNT});
                 },
                 "f30fbcc7"},
    EngineDefect{"encodings that no CPU has (#UD)", "some are executed", kAny,
                 [](const Known& k) { return !k.exists && gap_of(k) == Gap::none; }, "66480fae4654"},
    EngineDefect{"computed otherwise, and in silence: `lahf`, `sahf` with REX; `ret imm16` from 8000h; `lock neg`; "
                 "`shld`, `shrd` "
                 "by an immediate with a RIP-relative operand; fs or gs and another segment prefix behind it",
                 "refused: SIGILL", effect::signal, [](const Known& k) { return gap_of(k) == Gap::refused; }, "c20080"},
    EngineDefect{"`pcmpestri`, `pcmpestrm` whose operand's address is made of a length beyond 16", "SIGILL",
                 effect::signal, [](const Known& k) { return gap_of(k) == Gap::lengths && in_memory(k); },
                 "660f3a610000"},
    EngineDefect{"`test` as f6 /1 or f7 /1", "SIGILL; assemblers write /0", effect::signal,
                 [](const Known& k) {
                     return one_byte(k, {0xf6, 0xf7}) && k.form.insn.reg() == 1;
                 },
                 "f6c812"},
    EngineDefect{"`int1`, and nops of the 0f 18 to 0f 1f group with a register", "SIGILL instead of SIGTRAP or nothing",
                 effect::signal,
                 [](const Known& k) {
                     return one_byte(k, {0xf1}) || two_byte(k, {0x0d, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f});
                 },
                 "f1"},
    EngineDefect{"`mov` of an immediate (c6, c7) with REX.R", "SIGILL; a CPU ignores the bit", effect::signal,
                 [](const Known& k) {
                     return one_byte(k, {0xc6, 0xc7}) && (k.form.insn.rex & 4) != 0;
                 },
                 "44c6c00f"},
    EngineDefect{"66 before a relative branch",
                 "AMD's CPUs read 16 bits of displacement and cut ip, Intel's do not; here: 32 "
                 "bits read, ip cut",
                 kAny, relative_with_66, "660f8100000000"},
    EngineDefect{"a rep prefix before `loop`, `loope`, `loopne`", "the condition may be read otherwise", effect::next,
                 [](const Known& k) { return flow(k.form.insn) == Flow::loop && k.form.insn.prefixes != 0; }, "f3e08d"},
    EngineDefect{"an operand of 16 bytes that is not aligned (#GP)", "executed: there is no alignment check",
                 effect::signal | effect::signal_detail, operand_of_16_bytes, "0f2807"},
    EngineDefect{"an operand of 16 bytes that ends in a page that is not there",
                 "the lower half has been loaded already", effect::sse_at_fault, operand_of_16_bytes, "f30f6f20"},
    EngineDefect{"a non-canonical address in the stack segment (#SS, SIGBUS)", "#GP, SIGSEGV", effect::signal, by_stack,
                 "8b4500"},
    EngineDefect{"a call, jump or return to a non-canonical address (#GP there, or behind it)", "arrives behind it",
                 effect::registers | effect::next | effect::memory | effect::signal | effect::signal_detail,
                 [](const Known& k) { return leads_anywhere(k.form); }, "ffd0"},
    EngineDefect{"an operand that begins in a page that must not be written and ends in one that is not there",
                 "the fault names the other page", effect::signal_detail, [](const Known& k) { return k.has_memory(); },
                 "48214a10"},
    EngineDefect{"`enter` where the new frame cannot be written, or of 16 bits",
                 "the fault comes at the first access; rbp is "
                 "cut otherwise",
                 effect::signal | effect::registers, [](const Known& k) { return one_byte(k, {0xc8}); }, "c8080000"},
    EngineDefect{"loads of segment registers", "there are no descriptors but those of a 64-bit process",
                 effect::signal | effect::registers,
                 [](const Known& k) {
                     return one_byte(k, {0x8e}) || two_byte(k, {0xa1, 0xa9, 0xb2, 0xb4, 0xb5});
                 },
                 "8ed8"},
    EngineDefect{"`bsf`, `bsr` of zero (undefined)", "32-bit forms clear the upper half; the CPU leaves it",
                 effect::registers,
                 [](const Known& k) {
                     return k.is({ZYDIS_MNEMONIC_BSF, ZYDIS_MNEMONIC_BSR});
                 },
                 "0fbcc7"},
    EngineDefect{"`shld`, `shrd` of 16 bits by more than 16 (undefined)", "another value",
                 effect::registers | effect::flags | effect::memory | effect::dead_stack,
                 [](const Known& k) {
                     return k.is({ZYDIS_MNEMONIC_SHLD, ZYDIS_MNEMONIC_SHRD}) && k.z.operand_width == 16;
                 },
                 "660fa4c714"},
    EngineDefect{"`cmpps` and its like with a predicate of 8 and more", "SIGILL; a CPU takes the low three bits",
                 effect::signal, [](const Known& k) { return two_byte(k, {0xc2}); }, "0fc2c109"},
    EngineDefect{"`clflush` of an address that is not there", "no fault", effect::signal,
                 [](const Known& k) { return k.is({ZYDIS_MNEMONIC_CLFLUSH}); }, "0fae3f"},
    EngineDefect{"`cmpxchg` of 32 bits with a register that is not equal", "clears the upper half; the CPU leaves it",
                 effect::registers, [](const Known& k) { return k.is({ZYDIS_MNEMONIC_CMPXCHG}); }, "0fb1cf"},
    EngineDefect{"two NaNs as operands", "the result may be the other one", effect::sse,
                 [](const Known& k) { return k.is_sse() && adds_or_multiplies(k); }, "0f58c1"},
    EngineDefect{"SSE exception flags", "never set in MXCSR", effect::mxcsr, [](const Known& k) { return k.is_sse(); },
                 "0f5ec1"},
    EngineDefect{"denormals are zeroes (MXCSR.DAZ)", "not heeded by `min` and `max`", effect::sse,
                 [](const Known& k) {
                     return k.is({ZYDIS_MNEMONIC_MINPS, ZYDIS_MNEMONIC_MINPD, ZYDIS_MNEMONIC_MINSS,
                                  ZYDIS_MNEMONIC_MINSD, ZYDIS_MNEMONIC_MAXPS, ZYDIS_MNEMONIC_MAXPD,
                                  ZYDIS_MNEMONIC_MAXSS, ZYDIS_MNEMONIC_MAXSD});
                 },
                 "0f5dc1"},
    EngineDefect{"`cvtsd2ss`, `cvtpd2ps` with MXCSR's flush to zero", "a tiny result is not flushed", effect::sse,
                 [](const Known& k) {
                     return k.is({ZYDIS_MNEMONIC_CVTSD2SS, ZYDIS_MNEMONIC_CVTPD2PS});
                 },
                 "f20f5ac1"},
    EngineDefect{"`maskmovq`, `maskmovdqu` of an address that is not there", "fault only for a byte that is stored",
                 effect::signal,
                 [](const Known& k) {
                     return k.is({ZYDIS_MNEMONIC_MASKMOVQ, ZYDIS_MNEMONIC_MASKMOVDQU});
                 },
                 "0ff7ed"},
    EngineDefect{"`fldenv`, `frstor` of which only the first bytes are there", "what is not kept is not read: no fault",
                 effect::signal,
                 [](const Known& k) {
                     return k.is({ZYDIS_MNEMONIC_FLDENV, ZYDIS_MNEMONIC_FRSTOR});
                 },
                 "d923"},
    EngineDefect{
        "`rcpps`, `rcpss`, `rsqrtps`, `rsqrtss`", "exact, where each vendor has its own approximation", effect::sse,
        [](const Known& k) {
            return k.is({ZYDIS_MNEMONIC_RCPPS, ZYDIS_MNEMONIC_RCPSS, ZYDIS_MNEMONIC_RSQRTPS, ZYDIS_MNEMONIC_RSQRTSS});
        },
        "0f53c1"},
    EngineDefect{"`ldmxcsr`, `fxrstor` of reserved bits (#GP)", "loaded",
                 effect::signal | effect::mxcsr | effect::x87_status,
                 [](const Known& k) {
                     return k.is({ZYDIS_MNEMONIC_LDMXCSR, ZYDIS_MNEMONIC_FXRSTOR, ZYDIS_MNEMONIC_FXRSTOR64});
                 },
                 "0fae17"},
    EngineDefect{"MMX instructions", "the exponent of the x87 register is not set to ones; top and tags may stay",
                 effect::x87 | effect::x87_status, [](const Known& k) { return k.uses_mmx(); }, "0ffdc1"},
    EngineDefect{
        "x87: exception flags, empty and full stack, pointers of the last instruction, precision of transcendental "
        "functions",
        "not modelled",
        effect::x87 | effect::x87_status | effect::flags | effect::memory | effect::dead_stack | effect::mxcsr |
            effect::sse,
        [](const Known& k) { return k.is_x87(); }, "d9fe"},
};

// --- what probes change ---

bool leaks(const Dialect& dialect) { return dialect.leaks_step; }
bool is_boosted(const StrategyInfo& s) { return s.name.starts_with("boosted"); }

RuleSet rules_of(const Dialect& dialect) { return dialect.rules; }

constexpr std::array kProbeDefects = {
    ProbeDefect{"`pushf`", "the step's trap flag is in what it pushed", effect::memory,
                [](const Known& k, const StrategyInfo&, const Dialect& d) {
                    return leaks(d) && step_shows(k.form.insn) == StepShows::in_pushed_flags;
                },
                "9c", "xol", "linux-6.18"},
    ProbeDefect{
        "`syscall`",
        "r11 has the step's trap flag, rcx the address of the copy; what stands behind it in the slot runs, too", kAny,
        [](const Known& k, const StrategyInfo&, const Dialect& d) {
            return leaks(d) && step_shows(k.form.insn) == StepShows::after_syscall;
        },
        "0f05", "xol", "linux-6.18"},
    ProbeDefect{"everything under `stack`", "a copy lies in the free stack below the red zone, wherever rsp points to",
                effect::memory | effect::dead_stack,
                [](const Known&, const StrategyInfo& s, const Dialect&) { return s.name == "stack"; }, "90", "stack",
                "fixed"},
    ProbeDefect{
        "operands below the red zone under `stack`", "are overwritten by the copy", kAny,
        [](const Known& k, const StrategyInfo& s, const Dialect&) { return s.name == "stack" && k.has_memory(); },
        "4e0354fcf0", "stack", "fixed"},
    ProbeDefect{"indirect branches and returns under `stack`, to pages that it has made executable",
                "no fault: what stands there runs", kAny,
                [](const Known& k, const StrategyInfo& s, const Dialect&) {
                    return s.name == "stack" && leads_anywhere(k.form);
                },
                "ffe2", "stack", "fixed"},
    ProbeDefect{"what `emulated_by` names (decoder/emulated.hpp)", "the kernel emulates another instruction", kAny,
                [](const Known& k, const StrategyInfo&, const Dialect& d) {
                    const Emulation e = emulated_by(k.form.bytes, rules_of(d));
                    return leaks(d) && e.kind != Emulated::none && !e.right();
                },
                "4990", "emulate", "linux-6.18"},
    ProbeDefect{"faults and signals in a boosted copy", "show the address of the copy",
                effect::next | effect::signal_detail,
                [](const Known&, const StrategyInfo& s, const Dialect& d) { return leaks(d) && is_boosted(s); }, "8b07",
                "boosted", "linux-6.18"},
    ProbeDefect{"`shld`, `shrd` by an immediate with a RIP-relative operand",
                "no defect of a probe: the emulated CPU refuses it, and executes the copy, which has another operand",
                kAny,
                [](const Known& k, const StrategyInfo&, const Dialect&) {
                    return gap_of(k) == Gap::refused && k.form.insn.rip_relative;
                },
                "0fa4050000000004", "xol", "fixed"},
};

} // namespace

bool leads_anywhere(const Form& form) {
    const Flow f = flow(form.insn);
    return f == Flow::call_indirect || f == Flow::jump_indirect || f == Flow::ret;
}

Known::Known(const Form& of) : form(of) {
    static const ZydisDecoder decoder = [] {
        ZydisDecoder d;
        ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
        return d;
    }();
    exists = ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, of.bytes.data(), of.bytes.size(), &z, operands));
    if (!exists) z = {};
}

bool Known::is(std::initializer_list<ZydisMnemonic> mnemonics) const {
    return exists && std::find(mnemonics.begin(), mnemonics.end(), z.mnemonic) != mnemonics.end();
}

bool Known::has_memory() const {
    for (int i = 0; i < z.operand_count; ++i)
        if (operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY) return true;
    return false;
}

bool Known::uses_mmx() const {
    for (int i = 0; i < z.operand_count; ++i)
        if (operands[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
            ZydisRegisterGetClass(operands[i].reg.value) == ZYDIS_REGCLASS_MMX)
            return true;
    return is({ZYDIS_MNEMONIC_EMMS, ZYDIS_MNEMONIC_FEMMS, ZYDIS_MNEMONIC_CVTPI2PS, ZYDIS_MNEMONIC_CVTPI2PD});
}

bool Known::is_sse() const {
    switch (z.meta.isa_ext) {
    case ZYDIS_ISA_EXT_SSE:
    case ZYDIS_ISA_EXT_SSE2:
    case ZYDIS_ISA_EXT_SSE3:
    case ZYDIS_ISA_EXT_SSSE3:
    case ZYDIS_ISA_EXT_SSE4:
        return exists;
    default:
        return false;
    }
}

bool Known::is_x87() const {
    return exists &&
           (z.meta.isa_ext == ZYDIS_ISA_EXT_X87 || z.meta.category == ZYDIS_CATEGORY_X87_ALU ||
            one_byte(*this, {0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf}) ||
            is({ZYDIS_MNEMONIC_FXSAVE, ZYDIS_MNEMONIC_FXSAVE64, ZYDIS_MNEMONIC_FXRSTOR, ZYDIS_MNEMONIC_FXRSTOR64}));
}

std::span<const EngineDefect> engine_defects() { return kEngineDefects; }
std::span<const ProbeDefect> probe_defects() { return kProbeDefects; }

std::string engine_table() {
    std::string out = "| instruction | in the emulated CPU | may differ in |\n|---|---|---|\n";
    for (const EngineDefect& d : kEngineDefects)
        out += std::string("| ") + d.what + " | " + d.remedy + " | " +
               (d.effects == kAny ? "everything" : words(d.effects)) + " |\n";
    return out;
}

std::string probe_table() {
    std::string out = "| instruction | with a probe | differs in |\n|---|---|---|\n";
    for (const ProbeDefect& d : kProbeDefects)
        out += std::string("| ") + d.what + " | " + d.why + " | " +
               (d.effects == kAny ? "everything" : words(d.effects)) + " |\n";
    return out;
}

} // namespace trapline::testing
