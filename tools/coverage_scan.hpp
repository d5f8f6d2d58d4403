// tools/coverage_scan.hpp: all instructions of ELF files, counted by what is known about them.
//
// A file's code is swept from one function to the next (so that data between functions cannot put the sweep out of step
// for long), every instruction becomes Facts, and equal Facts are counted together: a program has a few hundred
// different ones, and strategies and kernels are asked about those afterwards. Files are looked at by several threads;
// what comes out does not depend on how many. Read next: coverage_command.cpp.
#pragma once

#include "decoder/strategies.hpp"
#include "emu/result.hpp"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace trapline {

/// How often each kind of instruction occurs.
using FactsCount = std::map<Facts, std::uint64_t>;

struct FileCoverage {
    std::string path;
    std::uint64_t instructions = 0;
    std::uint64_t undecodable = 0; ///< bytes of executable sections that are no instruction, data mostly
    FactsCount counts;
    std::map<std::string, FactsCount> groups; ///< by mnemonic or by function, if that was asked for
    std::string listing;                      ///< lines for the instructions that were to be listed
};

struct ScanOptions {
    enum class By { nothing, mnemonic, function } by = By::nothing;
    std::function<bool(const Facts&)> listed; ///< instructions to list; empty: none
    unsigned jobs = 1;                        ///< threads
};

/// Which files to look at: those named, and the ELF files in the directories named and below, in the order of names,
/// each file once, symbolic links in directories aside. A named file that is no x86-64 program or library is an Error.
struct FileList {
    std::vector<std::string> paths;
    std::uint64_t skipped = 0; ///< other files in directories, and ELF files of other kinds
};
Result<FileList> list_files(const std::vector<std::string>& arguments);

struct ScanProgress {
    std::size_t files = 0, of = 0;
    std::uint64_t instructions = 0;
};

/// Looks at every file. `done` gets the results in the order of the list, as soon as they and their predecessors are
/// there; `progress` is called some times a second. Both run in the calling thread. A file that cannot be read any more
/// ends the scan with an Error.
Result<void> scan_files(const std::vector<std::string>& paths, const ScanOptions& options,
                        const std::function<void(FileCoverage&&)>& done,
                        const std::function<void(const ScanProgress&)>& progress);

} // namespace trapline
