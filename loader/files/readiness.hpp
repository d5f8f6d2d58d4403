// loader/files/readiness.hpp: who waits for a file to become readable or writable.
//
// A read or write that has to wait sleeps on the Readiness itself. poll, select and epoll wait for many files at once:
// they sleep on a queue of their own, in a Poller, which every file they watch wakes. Read next: syscalls/poll.cpp.
#pragma once

#include "emu/kernel/kernel.hpp"

#include <memory>
#include <vector>

namespace trapline {

class File;
class Readiness;

/// One poll in progress. Lives in the frame of its path and lets go of the files when that ends, however it ends.
class Poller {
  public:
    Poller() = default;
    ~Poller();
    Poller(const Poller&) = delete;
    Poller& operator=(const Poller&) = delete;

    /// Hears of changes of `file` and keeps it while the poll lasts.
    void watch(const std::shared_ptr<File>& file);
    void watch(Readiness& r);
    WaitQueue queue;

  private:
    std::vector<Readiness*> watched_;
    std::vector<std::shared_ptr<File>> files_;
};

class Readiness {
  public:
    /// Something changed: everybody looks again.
    void changed(Kernel& kernel);
    /// Changes so far: edge-triggered epoll reports a file once for each.
    [[nodiscard]] std::uint64_t changes() const { return changes_; }
    WaitQueue queue;

  private:
    friend class Poller;
    std::vector<Poller*> pollers_;
    std::uint64_t changes_ = 0;
};

} // namespace trapline
