// loader/code.hpp: which bytes of an ELF file are code, and where its functions lie.
//
// For whoever looks at all of a program's instructions: the executable sections, or the executable segments of a file
// that has lost its section headers, and the extents of functions. Those come from the symbol tables and, since Debian
// strips its binaries, from the unwind records that every C and C++ program carries (.eh_frame). Only extents and
// bare names are read, straight from the file, because a browser has a hundred megabytes of tables; names with versions
// are loader/symbols.hpp's business. Damaged tables are left out as far as they are damaged; nothing here takes longer
// than in proportion to the file's size, whatever it says.
#pragma once

#include "emu/mm/inode.hpp"
#include "loader/elf.hpp"

#include <string>
#include <vector>

namespace trapline {

/// Consecutive code bytes: at `offset` in the file, linked for `address`.
struct CodeRange {
    Addr address = 0;
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
};

struct CodeFunction {
    Addr address = 0;
    std::uint64_t size = 0; ///< bytes, not 0
    std::string name;       ///< empty when only the unwind table knows the function
};

/// Sorted by address; neither ranges nor functions overlap. A function that starts inside another one is left out.
struct CodeMap {
    std::vector<CodeRange> ranges;
    std::vector<CodeFunction> functions;
};

/// Reads an open x86-64 program or library. An Error for anything else, as read_elf has it.
Result<CodeMap> read_code(int fd, const std::string& name);
/// The same for a file that the machine has open. An Error for what is no file of the host's.
Result<CodeMap> read_code(const Inode& file);

} // namespace trapline
