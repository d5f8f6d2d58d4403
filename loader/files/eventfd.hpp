// loader/files/eventfd.hpp: eventfd: a counter that one side adds to and the other takes. man 2 eventfd.
#pragma once

#include "loader/files/file.hpp"

namespace trapline {

class EventFd final : public File {
  public:
    EventFd(std::uint64_t count, bool semaphore, int status_flags, std::uint64_t inode)
        : File(status_flags), count_(count), semaphore_(semaphore), inode_(inode) {}
    long read(Io& io, IoBuffer& to, std::uint64_t& at) override;
    long write(Io& io, IoBuffer& from, std::uint64_t& at) override;
    short poll(Io& io) override;
    Readiness* readiness() override { return &readiness_; }
    OrErrno<FileStat> stat(Io& io) override { return plain_stat(inode_, 0600, io.kernel); }
    std::string name() const override { return "anon_inode:[eventfd]"; }

  private:
    static constexpr std::uint64_t kMost = ~0ull - 1;
    std::uint64_t count_;
    const bool semaphore_;
    const std::uint64_t inode_;
    Readiness readiness_;
};

} // namespace trapline
