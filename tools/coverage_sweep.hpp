// tools/coverage_sweep.hpp: one file's instructions, from its first executable byte to its last.
//
// The part of the scan that must be fast: five million instructions a second on one core. Every instruction is decoded
// once, its facts are looked up in a small hash table, and nothing is allocated on the way.
#pragma once

#include "loader/code.hpp"
#include "tools/coverage_scan.hpp"

#include <array>
#include <atomic>
#include <memory>
#include <unordered_map>

namespace trapline {

/// Gives each different Facts a small number, in the order in which they come.
class FactsTable {
  public:
    FactsTable() : slots_(1024) {}
    std::uint32_t number_of(const Facts& facts);
    [[nodiscard]] const std::vector<Facts>& all() const { return facts_; }

  private:
    std::vector<std::uint32_t> slots_; // number + 1, or 0; a power of two of them
    std::vector<Facts> facts_;
};

/// Mnemonics, remembered for each form of instruction, because printing one takes a microsecond.
class Mnemonics {
  public:
    Mnemonics();
    ~Mnemonics();
    Mnemonics(Mnemonics&&) noexcept;
    /// A small number for the mnemonic.
    std::uint32_t number_of(const KernelCopy& copy);
    [[nodiscard]] const std::string& name(std::uint32_t number) const { return names_[number]; }

  private:
    struct Printer;
    std::unique_ptr<Printer> printer_;
    std::unordered_map<std::uint64_t, std::uint32_t> forms_; // looked up, never walked
    std::map<std::string, std::uint32_t> numbers_;
    std::vector<std::string> names_;
};

/// Sweeps one file; `swept` grows as instructions are counted, for the progress line.
Result<FileCoverage> sweep_file(const std::string& path, const ScanOptions& options, Mnemonics& mnemonics,
                                std::atomic<std::uint64_t>& swept);

} // namespace trapline
