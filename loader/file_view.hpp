// loader/file_view.hpp: what a guest may know about a file, and how that is kept the same on every machine.
//
// What lies on the disk before the run is input: contents, names, modes, owners, sizes, link counts and modification
// times are shown as they are. What merely happens to be so is replaced: inode numbers count files in the order in
// which the guest first looked at them, all files are on one device, and access and change times equal the modification
// time (reading a file changes its access time on some hosts), unless the guest sets an access time. What the guest
// itself changes carries virtual time, since the host's clock must not leak in, and its block count follows from its
// size, which not every file system would say.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <sys/stat.h>
#include <time.h>

namespace trapline {

/// A file of the host, whatever its name.
struct FileKey {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    auto operator<=>(const FileKey&) const = default;
};

FileKey key_of(const struct stat& st);

/// The guest's struct stat, without padding. Sizes in bytes, blocks of 512 bytes.
struct FileView {
    static constexpr std::uint64_t device = 0x801; ///< st_dev of every file: the first partition of a SCSI disk
    static constexpr std::uint64_t block_size = 4096;
    std::uint64_t inode = 0;
    std::uint32_t mode = 0; ///< type and permissions
    std::uint64_t links = 0;
    std::uint32_t uid = 0, gid = 0;
    std::uint64_t size = 0;
    std::uint64_t blocks = 0;
    timespec mtime{};              ///< also for ctime
    std::optional<timespec> atime; ///< where it is not mtime, too
};

/// Remembers which files the guest has seen and changed during one run.
class FileViews {
  public:
    using Clock = std::function<timespec()>;
    /// `now` is the machine's virtual time of day.
    explicit FileViews(Clock now) : now_(std::move(now)) {}

    /// What the guest sees. Gives the file its inode number if it is the first look.
    FileView view(const struct stat& st);
    /// The guest has just created this file: the host may have reused the inode of a deleted one, the guest never sees
    /// that.
    void created(const FileKey& key);
    /// The guest has just changed the contents (of a directory: the names in it).
    void changed(const FileKey& key) {
        files_[key].modified = now_();
        files_[key].touched = true;
    }
    /// The guest has set a time itself.
    void set_modified(const FileKey& key, timespec mtime) {
        files_[key].modified = mtime;
        files_[key].touched = true;
    }
    void set_accessed(const FileKey& key, timespec atime) { files_[key].accessed = atime; }
    [[nodiscard]] timespec now() const { return now_(); }

  private:
    struct Known {
        std::uint64_t inode = 0; // 0: not looked at yet
        bool touched = false;
        timespec modified{};
        std::optional<timespec> accessed;
    };
    Clock now_;
    std::map<FileKey, Known> files_;
    std::uint64_t last_inode_ = 1; // the first file is number 2, as a root directory commonly is
};

} // namespace trapline
