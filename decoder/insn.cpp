#include "decoder/insn.hpp"

#include "decoder/operands.hpp"

#include <capstone/capstone.h>

#include <utility>

namespace trapline {
namespace {

void append_hex(std::string& out, uint8_t byte) {
    constexpr const char* digits = "0123456789abcdef";
    out += digits[byte >> 4];
    out += digits[byte & 15];
}

std::string as_bytes(std::span<const uint8_t> bytes) {
    std::string out = ".byte";
    const char* before = " 0x";
    for (const uint8_t byte : bytes) {
        out += std::exchange(before, ", 0x");
        append_hex(out, byte);
    }
    return out;
}

} // namespace

/// A Capstone handle and the one instruction that it prints into. Without Capstone's memory there is no text, only
/// bytes.
struct Disassembler::Handle {
    Handle(Mode wanted, Syntax syntax) : mode(wanted) {
        if (cs_open(CS_ARCH_X86, mode == Mode::k64 ? CS_MODE_64 : CS_MODE_32, &engine) != CS_ERR_OK) return;
        if (syntax == Syntax::att) cs_option(engine, CS_OPT_SYNTAX, CS_OPT_SYNTAX_ATT);
        insn = cs_malloc(engine);
    }
    ~Handle() {
        if (insn) cs_free(insn, 1);
        if (engine) cs_close(&engine);
    }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;

    /// False when Capstone does not know the instruction, or takes it for another length.
    bool disassemble(std::span<const uint8_t> own, uint64_t address) const {
        const uint8_t* code = own.data();
        size_t left = own.size();
        return insn && cs_disasm_iter(engine, &code, &left, &address, insn) && left == 0;
    }

    Mode mode;
    csh engine = 0;
    cs_insn* insn = nullptr;
};

Disassembler::Disassembler(Mode mode, Syntax syntax) : handle_(std::make_unique<Handle>(mode, syntax)) {}
Disassembler::~Disassembler() = default;
Disassembler::Disassembler(Disassembler&&) noexcept = default;
Disassembler& Disassembler::operator=(Disassembler&&) noexcept = default;

uint8_t Disassembler::capstone_length(std::span<const uint8_t> bytes) const {
    const uint8_t* code = bytes.data();
    size_t left = bytes.size();
    uint64_t address = 0;
    const bool known = handle_->insn && cs_disasm_iter(handle_->engine, &code, &left, &address, handle_->insn);
    return known ? static_cast<uint8_t>(handle_->insn->size) : 0;
}

std::string Disassembler::text(std::span<const uint8_t> bytes, uint64_t address) const {
    if (bytes.empty()) return {};
    const auto shape = outline(bytes, handle_->mode);
    if (!shape) return as_bytes(bytes.first(1));
    const auto own = bytes.first(shape->length);
    if (!handle_->disassemble(own, address)) return as_bytes(own);
    std::string out = handle_->insn->mnemonic;
    if (handle_->insn->op_str[0] != '\0') out += std::string(" ") + handle_->insn->op_str;
    return out;
}

std::string Disassembler::mnemonic(std::span<const uint8_t> bytes) const {
    const auto shape = outline(bytes, handle_->mode);
    if (!shape || !handle_->disassemble(bytes.first(shape->length), 0)) return "?";
    return handle_->insn->mnemonic;
}

namespace {

struct FlagBit {
    uint64_t capstone;
    uint16_t eflags;
};
constexpr uint16_t CF = 1, PF = 4, AF = 16, ZF = 64, SF = 128, DF = 1024, OF = 2048;
constexpr FlagBit tested[] = {{X86_EFLAGS_TEST_CF, CF}, {X86_EFLAGS_TEST_PF, PF}, {X86_EFLAGS_TEST_AF, AF},
                              {X86_EFLAGS_TEST_ZF, ZF}, {X86_EFLAGS_TEST_SF, SF}, {X86_EFLAGS_TEST_DF, DF},
                              {X86_EFLAGS_TEST_OF, OF}};
constexpr FlagBit changed[] = {
    {X86_EFLAGS_MODIFY_CF | X86_EFLAGS_RESET_CF | X86_EFLAGS_SET_CF | X86_EFLAGS_PRIOR_CF, CF},
    {X86_EFLAGS_MODIFY_PF | X86_EFLAGS_RESET_PF | X86_EFLAGS_SET_PF | X86_EFLAGS_PRIOR_PF, PF},
    {X86_EFLAGS_MODIFY_AF | X86_EFLAGS_RESET_AF | X86_EFLAGS_SET_AF | X86_EFLAGS_PRIOR_AF, AF},
    {X86_EFLAGS_MODIFY_ZF | X86_EFLAGS_RESET_ZF | X86_EFLAGS_SET_ZF | X86_EFLAGS_PRIOR_ZF, ZF},
    {X86_EFLAGS_MODIFY_SF | X86_EFLAGS_RESET_SF | X86_EFLAGS_SET_SF | X86_EFLAGS_PRIOR_SF, SF},
    {X86_EFLAGS_MODIFY_DF | X86_EFLAGS_RESET_DF | X86_EFLAGS_SET_DF | X86_EFLAGS_PRIOR_DF, DF},
    {X86_EFLAGS_MODIFY_OF | X86_EFLAGS_RESET_OF | X86_EFLAGS_SET_OF | X86_EFLAGS_PRIOR_OF, OF}};
constexpr FlagBit undefined[] = {{X86_EFLAGS_UNDEFINED_CF, CF}, {X86_EFLAGS_UNDEFINED_PF, PF},
                                 {X86_EFLAGS_UNDEFINED_AF, AF}, {X86_EFLAGS_UNDEFINED_ZF, ZF},
                                 {X86_EFLAGS_UNDEFINED_SF, SF}, {X86_EFLAGS_UNDEFINED_OF, OF}};

template <size_t N> uint16_t flags(const FlagBit (&bits)[N], uint64_t capstone) {
    uint16_t out = 0;
    for (const FlagBit& bit : bits)
        if (capstone & bit.capstone) out |= bit.eflags;
    return out;
}

/// A general register of any width in the order of encodings, and 32 more for the vector registers; -1: another one.
int number_of(unsigned reg) {
    constexpr x86_reg widths[][16] = {
        {X86_REG_RAX, X86_REG_RCX, X86_REG_RDX, X86_REG_RBX, X86_REG_RSP, X86_REG_RBP, X86_REG_RSI, X86_REG_RDI,
         X86_REG_R8, X86_REG_R9, X86_REG_R10, X86_REG_R11, X86_REG_R12, X86_REG_R13, X86_REG_R14, X86_REG_R15},
        {X86_REG_EAX, X86_REG_ECX, X86_REG_EDX, X86_REG_EBX, X86_REG_ESP, X86_REG_EBP, X86_REG_ESI, X86_REG_EDI,
         X86_REG_R8D, X86_REG_R9D, X86_REG_R10D, X86_REG_R11D, X86_REG_R12D, X86_REG_R13D, X86_REG_R14D, X86_REG_R15D},
        {X86_REG_AX, X86_REG_CX, X86_REG_DX, X86_REG_BX, X86_REG_SP, X86_REG_BP, X86_REG_SI, X86_REG_DI, X86_REG_R8W,
         X86_REG_R9W, X86_REG_R10W, X86_REG_R11W, X86_REG_R12W, X86_REG_R13W, X86_REG_R14W, X86_REG_R15W},
        {X86_REG_AL, X86_REG_CL, X86_REG_DL, X86_REG_BL, X86_REG_SPL, X86_REG_BPL, X86_REG_SIL, X86_REG_DIL,
         X86_REG_R8B, X86_REG_R9B, X86_REG_R10B, X86_REG_R11B, X86_REG_R12B, X86_REG_R13B, X86_REG_R14B, X86_REG_R15B},
        {X86_REG_AH, X86_REG_CH, X86_REG_DH, X86_REG_BH},
    };
    for (const auto& width : widths)
        for (int i = 0; i < 16; ++i)
            if (width[i] == reg && reg != X86_REG_INVALID) return i;
    for (const unsigned first : {X86_REG_XMM0, X86_REG_YMM0, X86_REG_ZMM0})
        if (reg - first < 32) return static_cast<int>(32 + reg - first);
    return -1;
}

void add(const cs_regs& registers, uint8_t count, uint32_t& general, uint32_t& vector) {
    for (uint8_t i = 0; i < count; ++i) {
        const int number = number_of(registers[i]);
        if (number >= 32) vector |= 1u << (number - 32);
        if (number >= 0 && number < 32) general |= 1u << number;
    }
}

} // namespace

struct OperandReader::Handle : Disassembler::Handle {
    explicit Handle(Mode wanted) : Disassembler::Handle(wanted, Disassembler::Syntax::intel) {
        if (engine) cs_option(engine, CS_OPT_DETAIL, CS_OPT_ON);
        if (insn) cs_free(insn, 1);
        insn = engine ? cs_malloc(engine) : nullptr; // with room for the detail
    }
};

OperandReader::OperandReader(Mode mode) : handle_(std::make_unique<Handle>(mode)) {}
OperandReader::~OperandReader() = default;

std::optional<Operands> OperandReader::operands(std::span<const uint8_t> own) const {
    if (!handle_->disassemble(own, 0)) return std::nullopt;
    Operands out;
    cs_regs read, written;
    uint8_t reads = 0, writes = 0;
    if (cs_regs_access(handle_->engine, handle_->insn, read, &reads, written, &writes) != CS_ERR_OK)
        return std::nullopt;
    add(read, reads, out.read, out.vector_read);
    add(written, writes, out.written, out.vector_written);
    const cs_x86& detail = handle_->insn->detail->x86;
    out.flags_read = flags(tested, detail.eflags);
    out.flags_written = flags(changed, detail.eflags);
    out.flags_undefined = flags(undefined, detail.eflags);
    for (uint8_t i = 0; i < detail.op_count && out.bytes == 0; ++i)
        if (detail.operands[i].type == X86_OP_MEM) out.bytes = detail.operands[i].size;
    return out;
}

std::string hex(std::span<const uint8_t> bytes) {
    std::string out;
    for (const uint8_t byte : bytes) {
        if (!out.empty()) out += ' ';
        append_hex(out, byte);
    }
    return out;
}

} // namespace trapline
