// loader/files/timerfd.hpp: a timer that is read: how often it has expired since the last read. man 2 timerfd_create.
//
// As in Linux a timer that repeats rests from the moment when it expires until somebody reads it, and then counts what
// has passed: nobody pays for expirations that nobody looks at.
#pragma once

#include "loader/files/file.hpp"

namespace trapline {

class TimerFd final : public File {
  public:
    TimerFd(Kernel& kernel, int clock, int status_flags, std::uint64_t inode)
        : File(status_flags), clock_(clock), kernel_(kernel), inode_(inode) {}
    ~TimerFd() override;
    /// Expires at `when` (virtual cycles; ~0: never), then each `interval` cycles if that is not 0.
    void set(Cycles when, Cycles interval);
    /// Cycles until it expires, 0 when it does not.
    [[nodiscard]] Cycles left();
    [[nodiscard]] Cycles interval() const { return interval_; }
    [[nodiscard]] int clock() const { return clock_; }

    long seek(Io&, std::int64_t, int) override { return 0; } // as Linux has it: it does nothing
    long read(Io& io, IoBuffer& to, std::uint64_t& at) override;
    short poll(Io& io) override;
    Readiness* readiness() override { return &readiness_; }
    OrErrno<FileStat> stat(Io& io) override { return plain_stat(inode_, 0600, io.kernel); }
    std::string name() const override { return "anon_inode:[timerfd]"; }

  private:
    void start();
    void expire();
    void look();
    void catch_up();
    const int clock_;
    Kernel& kernel_;
    const std::uint64_t inode_;
    Timers::Id id_ = 0;
    Cycles next_ = ~0ull, interval_ = 0;
    std::uint64_t expirations_ = 0;
    Readiness readiness_;
};

} // namespace trapline
