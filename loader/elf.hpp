// loader/elf.hpp: the part of an ELF file that exec looks at.
//
// The kernel reads 256 bytes, the program headers and the interpreter's path, and nothing else; so does this reader,
// with the structs of <elf.h> straight from the file, because a program must start in a few milliseconds. It accepts
// what Linux's binfmt_elf accepts for x86-64 and adds two refusals that save the user a riddle: a segment that is cut
// off by the end of the file, and segments that overlap. Sections and symbols are none of its business:
// loader/symbols.hpp.
#pragma once

#include "emu/result.hpp"
#include "emu/types.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace trapline {

/// One PT_LOAD entry. Addresses are as linked, before a load bias is added; sizes are in bytes.
struct LoadSegment {
    Addr vaddr = 0;
    std::uint64_t memsz = 0;
    std::uint64_t offset = 0;
    std::uint64_t filesz = 0;
    std::uint64_t align = 0; ///< a power of two, at least the page size
    bool read = false, write = false, execute = false;
};

enum class ElfKind {
    fixed,      ///< ET_EXEC: runs at the addresses it was linked for
    relocatable ///< ET_DYN: a PIE, a shared library or a dynamic linker; needs a load bias
};

/// What exec needs of a file. The segments are in file order, are not empty, and do not overlap.
struct ElfHeaders {
    ElfKind kind = ElfKind::fixed;
    Addr entry = 0;
    std::uint64_t phoff = 0;
    std::uint16_t phnum = 0;
    std::uint16_t phentsize = 0;
    Addr phdr_address = 0;         ///< AT_PHDR before the bias; 0 when no segment holds the table, as in Linux
    std::string interpreter;       ///< PT_INTERP, empty when there is none
    bool executable_stack = false; ///< PT_GNU_STACK with PF_X; without one x86-64 has a non-executable stack
    std::vector<LoadSegment> segments;

    /// The page-aligned range of addresses that the segments span, bias excluded.
    [[nodiscard]] Addr lowest() const;
    [[nodiscard]] Addr highest() const;
    /// The largest alignment that a segment asks for, in bytes (the load bias is a multiple of it).
    [[nodiscard]] std::uint64_t alignment() const;
    /// The place in the file that is mapped at an address; nothing for addresses without file bytes (.bss, gaps).
    [[nodiscard]] std::optional<std::uint64_t> offset_of(Addr address) const;
    /// The address at which a place in the file is mapped; an executable mapping wins if there are several.
    [[nodiscard]] std::optional<Addr> address_of(std::uint64_t offset) const;
};

/// Reads the headers of a whole file in memory. `name` is only used in messages. execve answers any Error with ENOEXEC.
Result<ElfHeaders> read_elf(std::span<const std::uint8_t> file, const std::string& name);
/// Reads the headers with a few preads of an open regular file; the file position does not move.
Result<ElfHeaders> read_elf(int fd, const std::string& name);

/// The first line of a script, as binfmt_script splits it: one word, and the rest as a single argument.
struct ScriptLine {
    std::string interpreter;
    std::optional<std::string> argument;
};

/// Reads `#!...`: nothing when the file does not start so, an Error (ENOEXEC) when the line names no interpreter or the
/// interpreter's path does not end within the 256 bytes that the kernel looks at.
Result<std::optional<ScriptLine>> read_script_line(std::span<const std::uint8_t> file, const std::string& name);
Result<std::optional<ScriptLine>> read_script_line(int fd, const std::string& name);

} // namespace trapline
