// The only file that includes LIEF. What LIEF 0.9.0 does wrong is made good here: it reads past nothing but says
// nothing about cut-off files, and names a version after the last entry of its definition, which is the predecessor's
// name.
#include "loader/symbol_reader.hpp"

#include "loader/byte_source.hpp"

#include <LIEF/ELF.hpp>
#include <LIEF/PE/utils.hpp>
#include <LIEF/logging.hpp>

#include <cstring>
#include <elf.h>
#include <filesystem>
#include <fmt/format.h>
#include <map>

namespace trapline {
namespace {

constexpr std::uint16_t kVersionHidden = 0x8000; // VERSYM_HIDDEN: `name@version`, not the default

/// Section headers and what they describe must lie in the file: LIEF takes their word for it.
Result<void> check_sections(std::span<const std::uint8_t> bytes, const std::string& name) {
    ByteSource file(bytes);
    Elf64_Ehdr header{};
    if (!file.read(0, &header, sizeof header)) return fail("is truncated", {}, name);
    if (header.e_shoff == 0 || header.e_shnum == 0) return {};
    if (header.e_shentsize != sizeof(Elf64_Shdr) ||
        !file.contains(header.e_shoff, std::uint64_t{header.e_shnum} * sizeof(Elf64_Shdr)))
        return fail("is truncated or damaged: its section headers are not in the file", {}, name);
    for (std::uint64_t i = 0; i < header.e_shnum; ++i) {
        Elf64_Shdr section{};
        if (!file.read(header.e_shoff + i * sizeof section, &section, sizeof section))
            return fail("is truncated", {}, name);
        if (section.sh_type == SHT_NULL || section.sh_type == SHT_NOBITS) continue;
        if (!file.contains(section.sh_offset, section.sh_size))
            return fail(fmt::format("is truncated or damaged: its section {} is not in the file", i), {}, name);
        bool table = section.sh_type == SHT_SYMTAB || section.sh_type == SHT_DYNSYM;
        if (table && section.sh_entsize != sizeof(Elf64_Sym))
            return fail(fmt::format("is damaged: its symbol table has entries of {} bytes", section.sh_entsize), {},
                        name);
    }
    return {};
}

/// The names of the versions that this file defines, by index.
std::map<std::uint16_t, std::string> defined_versions(const LIEF::ELF::Binary& binary) {
    std::map<std::uint16_t, std::string> out;
    for (const auto& definition : binary.symbols_version_definition())
        for (const auto& entry : definition.symbols_aux())
            out.emplace(definition.ndx(), entry.name()); // the first entry stays; the following are predecessors
    return out;
}

SymbolKind kind_of(const LIEF::ELF::Symbol& symbol) {
    switch (static_cast<unsigned>(symbol.type())) {
    case STT_FUNC:
        return SymbolKind::function;
    case STT_GNU_IFUNC:
        return SymbolKind::ifunc;
    case STT_OBJECT:
    case STT_COMMON:
        return SymbolKind::object;
    default:
        return SymbolKind::other;
    }
}

SymbolBinding binding_of(const LIEF::ELF::Symbol& symbol) {
    switch (static_cast<unsigned>(symbol.binding())) {
    case STB_LOCAL:
        return SymbolBinding::local;
    case STB_WEAK:
        return SymbolBinding::weak;
    default:
        return SymbolBinding::global;
    }
}

/// Undefined, thread-local, section, file and absolute symbols have no address in a segment and are left out.
std::optional<Symbol> convert(const LIEF::ELF::Symbol& from, const std::map<std::uint16_t, std::string>& versions,
                              const ElfHeaders& headers) {
    auto type = static_cast<unsigned>(from.type());
    if (from.shndx() == SHN_UNDEF || from.shndx() == SHN_ABS || from.name().empty()) return std::nullopt;
    if (type == STT_TLS || type == STT_SECTION || type == STT_FILE) return std::nullopt;
    bool mapped = false;
    for (const LoadSegment& s : headers.segments)
        mapped = mapped || (from.value() >= s.vaddr && from.value() - s.vaddr < s.memsz);
    if (!mapped || from.size() > kTaskSize) return std::nullopt;

    Symbol out;
    out.name = from.name();
    out.address = from.value();
    out.size = from.size();
    out.offset = headers.offset_of(out.address);
    out.kind = kind_of(from);
    out.binding = binding_of(from);
    // .symtab spells versions into the name, .dynsym has an index.
    if (auto at = out.name.find('@'); at != out.name.npos && at != 0) {
        out.default_version = out.name.compare(at, 2, "@@") == 0;
        out.version = out.name.substr(at + (out.default_version ? 2 : 1));
        out.name.resize(at);
    } else if (from.has_version()) {
        std::uint16_t index = from.symbol_version().value();
        auto version = versions.find(index & ~kVersionHidden);
        if ((index & ~kVersionHidden) > VER_NDX_GLOBAL && version != versions.end()) {
            out.version = version->second;
            out.default_version = (index & kVersionHidden) == 0;
        }
    }
    return out;
}

} // namespace

Result<std::vector<Symbol>> read_symbols(const std::vector<std::uint8_t>& file, const ElfHeaders& headers,
                                         const std::string& name) {
    if (auto ok = check_sections(file, name); !ok) return tl::make_unexpected(ok.error());
    try {
        LIEF::Logger::disable();
        auto binary = LIEF::ELF::Parser::parse(file, name);
        if (!binary) return fail("has symbol tables that cannot be read", {}, name);
        auto versions = defined_versions(*binary);
        std::vector<Symbol> out;
        for (const auto& symbol : binary->symbols())
            if (auto converted = convert(symbol, versions, headers)) out.push_back(std::move(*converted));
        return out;
    } catch (const std::exception& e) {
        return fail(fmt::format("has symbol tables that cannot be read ({})", e.what()), {}, name);
    } catch (...) {
        return fail("has symbol tables that cannot be read", {}, name);
    }
}

} // namespace trapline

// The library's own definitions of these stand in the same object files as its reader of all formats and its tables of
// Windows' libraries, which take 2 ms to build at every start and serve nothing here. An ELF file asks for neither.
namespace LIEF {
Parser::Parser() = default;
Parser::~Parser() = default;
Parser::Parser(const std::string& file) : binary_size_(std::filesystem::file_size(file)), binary_name_(file) {}
namespace PE {
Import resolve_ordinals(const Import& import, bool /*strict*/) { return import; }
} // namespace PE
} // namespace LIEF
