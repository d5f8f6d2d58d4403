// loader/files/locks.hpp: locks on files between the guest's processes: fcntl's record locks, and flock.
//
// A record lock belongs to a process (its descriptor table) or, as an OFD lock, to an open file description; flock's
// always belongs to a description. Whoever owns locks has a LockHolder, and they end with it. The host's files are
// never locked: nobody outside competes for them. Errors and rules are fcntl(2)'s and flock(2)'s.
// Read next: loader/syscalls/locks.cpp.
#pragma once

#include "emu/kernel/kernel.hpp"
#include "loader/sandbox.hpp"

#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace trapline {

class File;
class LockHolder;

class FileLocks {
  public:
    explicit FileLocks(Kernel& kernel) : kernel_(kernel) {}

    /// Bytes [begin, end) of a file; `end` is kToEnd for all there will ever be.
    static constexpr std::uint64_t kToEnd = ~0ull;
    struct Record {
        LockHolder* holder = nullptr;
        std::uint64_t begin = 0, end = kToEnd;
        bool exclusive = false;
    };

    /// The first record of somebody else that is in the way of `wanted`.
    [[nodiscard]] const Record* conflict(const FileKey& file, const Record& wanted) const;
    /// The holder's records in the range are replaced by `wanted`, or with `unlock` only given up.
    void set(const FileKey& file, const Record& wanted, bool unlock);
    /// Whether `holder` would wait for itself if it waited for `other` (EDEADLK).
    [[nodiscard]] bool deadlock(const LockHolder* holder, const LockHolder* other) const;
    /// Who waits for whom while a call sleeps; nullptr: no longer.
    void waits(const LockHolder* holder, const LockHolder* other);

    /// flock: whether somebody else is in the way.
    [[nodiscard]] bool whole_conflict(const FileKey& file, const LockHolder* holder, bool exclusive) const;
    /// What the holder has of the file: nothing, shared (false) or exclusive (true).
    [[nodiscard]] std::optional<bool> whole(const FileKey& file, const LockHolder* holder) const;
    void set_whole(const FileKey& file, LockHolder* holder, std::optional<bool> exclusive);

    /// The holder's record locks on one file go, as when a process closes any descriptor of it.
    void release(const LockHolder* holder, const FileKey& file);
    /// All of the holder's locks go.
    void release(const LockHolder* holder);

    WaitQueue queue; ///< woken when any lock goes

  private:
    void forget(std::map<FileKey, std::vector<Record>>& all, const FileKey& file, const LockHolder* holder);
    Kernel& kernel_;
    std::map<FileKey, std::vector<Record>> records_, whole_;
    std::map<const LockHolder*, const LockHolder*> waiting_;
};

class LockHolder {
  public:
    /// `pid`: the process, 0 for a description.
    LockHolder(std::shared_ptr<FileLocks> all, int pid) : all_(std::move(all)), pid_(pid) {}
    ~LockHolder() { all_->release(this); }
    LockHolder(const LockHolder&) = delete;
    LockHolder& operator=(const LockHolder&) = delete;
    [[nodiscard]] int pid() const { return pid_; }
    void closed(const FileKey& file) { all_->release(this, file); }

  private:
    const std::shared_ptr<FileLocks> all_;
    const int pid_;
};

/// What makes two descriptions the same file; nothing for what cannot be locked against others (pipes, devices).
std::optional<FileKey> lock_key(File& file);

} // namespace trapline
