// tools/debug/files.hpp: the guest's files for gdb, which wants to read programs and libraries for their symbols.
//
// gdb's "Host I/O" packets, for reading only, below what the guest has for /. The machine's own file system is not
// asked: it numbers files as the guest meets them, and would number them differently afterwards.
#pragma once

#include "loader/host_fd.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace trapline {

class GuestFiles {
  public:
    explicit GuestFiles(const std::string& root);
    /// Answers what stands behind "vFile:"; "" for an operation that is not served.
    [[nodiscard]] std::string answer(std::string_view packet);

  private:
    std::string open(std::string_view path);
    std::string read(std::string_view arguments);
    std::string status(std::string_view number);

    HostFd root_;
    std::vector<HostFd> open_; // by the number that gdb was given
};

} // namespace trapline
