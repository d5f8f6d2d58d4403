// loader/symbol_reader.hpp: the one door to LIEF. Read loader/symbols.hpp instead.
#pragma once

#include "loader/symbols.hpp"

namespace trapline {

/// The defined symbols of an ELF file that read_elf has accepted, in no particular order and without duplicates
/// removed. Refuses files whose tables do not lie within them, and never throws.
Result<std::vector<Symbol>> read_symbols(const std::vector<std::uint8_t>& file, const ElfHeaders& headers,
                                         const std::string& name);

} // namespace trapline
