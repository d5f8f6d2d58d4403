// loader/symbols.hpp: the names in an ELF file, and the places they stand for.
//
// Probe specifications name symbols, schedules name `symbol+offset`, reports turn addresses back into names. The tables
// are read by LIEF, which takes some ten milliseconds on a libc and accepts cut-off files without a word: so this is
// loaded only when somebody asks for a name, and only after loader/elf.hpp and checks of our own have accepted the
// file. Addresses are as linked, before a load bias. Both .symtab and .dynsym are read; separate debug files are not.
#pragma once

#include "loader/elf.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace trapline {

enum class SymbolKind {
    function,
    ifunc, ///< the address is the resolver's, which runs once at start; calls go to what it returns
    object,
    other
};

enum class SymbolBinding { global, weak, local };

/// One defined symbol whose address lies in a segment.
struct Symbol {
    std::string name;
    std::string version;         ///< as in `name@version`, empty when the symbol has none
    bool default_version = true; ///< `@@`: what a program linked today would get
    Addr address = 0;
    std::uint64_t size = 0;              ///< bytes; 0 for labels in assembly
    std::optional<std::uint64_t> offset; ///< in the file; none in .bss
    SymbolKind kind = SymbolKind::other;
    SymbolBinding binding = SymbolBinding::global;

    /// `name`, `name@version` or `name@@version`, as nm prints it.
    [[nodiscard]] std::string full_name() const;
};

/// A symbol and how far behind its start an address lies.
struct SymbolPlace {
    const Symbol* symbol = nullptr;
    std::uint64_t distance = 0;
};

/// The symbols of one file, sorted by address. Pointers into it stay valid as long as it lives.
class SymbolTable {
  public:
    /// Reads an open file; `name` is only used in messages. A file without symbols gives an empty table.
    static Result<SymbolTable> load(int fd, const std::string& name);
    static Result<SymbolTable> load(std::vector<std::uint8_t> file, const std::string& name);

    /// The symbol that `name`, `name@version` or `name@@version` means; null when there is none. Among several the
    /// default version wins, then functions, then global over weak over local, then the lowest address.
    [[nodiscard]] const Symbol* find(std::string_view name) const;
    /// All that `name` may mean, best first: more than one where a program has static functions of the same name.
    [[nodiscard]] std::vector<const Symbol*> find_all(std::string_view name) const;
    /// At most `count` names that resemble an unknown one, the most similar first, equals in alphabetical order.
    [[nodiscard]] std::vector<std::string> nearest(std::string_view name, std::size_t count) const;
    /// The symbol that covers an address; a symbol of size 0 covers what follows it up to the next one.
    [[nodiscard]] std::optional<SymbolPlace> symbol_at(Addr address) const;

    [[nodiscard]] const std::vector<Symbol>& all() const { return symbols_; }
    [[nodiscard]] const ElfHeaders& headers() const { return headers_; }

  private:
    SymbolTable(ElfHeaders headers, std::vector<Symbol> symbols);

    ElfHeaders headers_;
    std::vector<Symbol> symbols_;      // by address, then the name to show first
    std::vector<Addr> reach_;          // the furthest end of symbols_[0..i]: where looking backwards may stop
    std::vector<std::size_t> by_name_; // indices into symbols_, by name, then best first
};

} // namespace trapline
