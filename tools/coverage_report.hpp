// tools/coverage_report.hpp: counted instructions as tables and as JSON.
//
// The scan counts Facts; here every strategy and kernel is asked about each of them, once. Tables are at most 100
// columns wide. The JSON has the keys of INTERFACES (schema 1) and, beside them, what shows although it is probed
// ("altered").
#pragma once

#include "tools/coverage_scan.hpp"

#include <optional>
#include <span>

namespace trapline {

struct CoverageKernel {
    std::string name;
    KernelRules rules;
};

enum class CoverageBy { nothing, mnemonic, reason, function, file };
std::optional<CoverageBy> coverage_by(std::string_view name);

struct CoverageRequest {
    std::vector<CoverageKernel> kernels; ///< several for the first table only
    std::vector<const StrategyNeeds*> strategies;
    bool strategies_given = false; ///< otherwise tables with a column for each choose a few
    CoverageBy by = CoverageBy::nothing;
    std::uint64_t top = 0; ///< rows of a table by something; 0: all
    std::optional<Why> list;
};

class CoverageReport {
  public:
    CoverageReport(CoverageRequest request, std::uint64_t skipped);

    /// What the scan must do for this report.
    [[nodiscard]] ScanOptions scan_options() const;
    /// The next file's counts.
    void add(FileCoverage&& file);

    [[nodiscard]] std::string text() const;
    [[nodiscard]] std::string json() const;

  private:
    [[nodiscard]] std::string overview() const;
    [[nodiscard]] std::string by_reason() const;
    [[nodiscard]] std::string by_group() const;

    CoverageRequest request_;
    std::uint64_t skipped_;
    std::vector<FileCoverage> files_; ///< without groups and listings
    FileCoverage total_;
};

} // namespace trapline
