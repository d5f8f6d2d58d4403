#include "decoder/insn.hpp"

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

std::string hex(std::span<const uint8_t> bytes) {
    std::string out;
    for (const uint8_t byte : bytes) {
        if (!out.empty()) out += ' ';
        append_hex(out, byte);
    }
    return out;
}

} // namespace trapline
