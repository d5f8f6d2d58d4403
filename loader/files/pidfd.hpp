// loader/files/pidfd.hpp: a process as a file: readable when it has ended. man 2 pidfd_open.
#pragma once

#include "loader/files/file.hpp"

namespace trapline {

class PidFd final : public File {
  public:
    /// `events` changes whenever a process ends; it outlives this file.
    PidFd(int pid, Readiness& events, int status_flags, std::uint64_t inode)
        : File(status_flags), pid_(pid), events_(events), inode_(inode) {}
    [[nodiscard]] int pid() const { return pid_; }

    short poll(Io& io) override;
    Readiness* readiness() override { return &events_; }
    OrErrno<FileStat> stat(Io& io) override { return plain_stat(inode_, 0600, io.kernel); }
    std::string name() const override { return "anon_inode:[pidfd]"; }

  private:
    const int pid_; // numbers are never given twice
    Readiness& events_;
    const std::uint64_t inode_;
};

} // namespace trapline
