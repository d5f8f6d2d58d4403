// loader/files/signalfd.hpp: signals that are read instead of delivered. man 2 signalfd.
//
// Who reads it takes the signals that are pending for that thread and its process, whoever made the descriptor.
#pragma once

#include "loader/files/file.hpp"

namespace trapline {

class SignalFd final : public File {
  public:
    /// `events` changes whenever a signal becomes pending somewhere; it outlives this file.
    SignalFd(std::uint64_t mask, Readiness& events, int status_flags, std::uint64_t inode)
        : File(status_flags), mask_(mask), events_(events), inode_(inode) {}
    void set_mask(std::uint64_t mask) { mask_ = mask; }

    long read(Io& io, IoBuffer& to, std::uint64_t& at) override;
    short poll(Io& io) override;
    Readiness* readiness() override { return &events_; }
    OrErrno<FileStat> stat(Io& io) override { return plain_stat(inode_, 0600, io.kernel); }
    std::string name() const override { return "anon_inode:[signalfd]"; }

  private:
    std::uint64_t mask_;
    Readiness& events_;
    const std::uint64_t inode_;
};

} // namespace trapline
