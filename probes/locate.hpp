// probes/locate.hpp: from a place as somebody typed it to an instruction in a file.
//
// `libc.so.6:malloc+4` becomes an inode and an offset, which is what the kernel's uprobes want. A path without a slash
// is looked for as the dynamic loader and the shell would: beside the program, in the library folders, in PATH's.
#pragma once

#include "loader/symbols.hpp"
#include "loader/system.hpp"
#include "probes/spec.hpp"

#include <map>
#include <memory>
#include <string>

namespace trapline {

struct Located {
    std::shared_ptr<Inode> inode;
    std::uint64_t offset = 0; ///< in the file
    std::string path;         ///< guest path
    std::string warning;      ///< one line about a place that is accepted and doubtful; empty: none
};

class Locator {
  public:
    /// `program` is the main program's guest path; it is what an empty path in a place means.
    Locator(System& system, std::string program, std::string directory);

    /// The error names the nearest symbols, or says where the file was looked for; of a file that cannot be probed its
    /// code is Linux's errno.
    Result<Located> locate(const ProbePlace& place, const std::string& text);

  private:
    struct File {
        std::string path;
        std::shared_ptr<Inode> inode;
        HostFd fd;
        std::unique_ptr<SymbolTable> symbols; // read when first needed
    };
    Result<File*> open(const std::string& path);
    Result<const SymbolTable*> symbols(File& f);
    std::string warning_for(File& f, std::uint64_t offset, const Symbol* named);

    System& system_;
    std::string program_;
    std::string directory_;
    std::map<std::string, File> files_; // by the path as typed
};

} // namespace trapline
