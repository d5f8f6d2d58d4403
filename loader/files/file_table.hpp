// loader/files/file_table.hpp: a process's descriptors, working directory and umask.
//
// Threads share the table of their process; fork copies it, and the descriptions behind the descriptors (file.hpp) are
// then shared by parent and child. What the whole machine has in common (POSIX shared memory, numbers of anonymous
// inodes) is kept once, by all tables together. Read next: file.hpp.
#pragma once

#include "emu/kernel/task.hpp"
#include "loader/files/file.hpp"
#include "loader/files/locks.hpp"
#include "loader/files/memory_file.hpp"
#include "loader/files/segments.hpp"
#include "loader/files/socket_names.hpp"

#include <map>

namespace trapline {

struct MessageQueue;

/// What all processes of one machine share.
struct SharedFiles {
    SharedFiles() = default;
    SharedFiles(const SharedFiles&) = delete;
    SharedFiles& operator=(const SharedFiles&) = delete;
    ~SharedFiles() { sockets->discard_all(); }
    std::uint64_t last_number = 0x10000; ///< of inodes without a file of the host: pipes, memory
    std::map<std::string, std::shared_ptr<MemoryNode>> shared_memory; ///< /dev/shm, by name
    Readiness signal_events;                                     ///< a signal has become pending somewhere: signalfd
    Readiness process_events;                                    ///< a process has ended: pidfd
    std::map<FileKey, std::weak_ptr<Pipe>> fifos;                ///< of the host's FIFOs that somebody has open
    std::map<std::string, std::shared_ptr<MessageQueue>> queues; ///< of POSIX, by name
    Segments segments;                                           ///< shared memory of System V
    std::shared_ptr<FileLocks> locks;                            ///< made with the first lock
    std::shared_ptr<SocketNames> sockets = std::make_shared<SocketNames>();
};

class FileTable final : public Extension {
  public:
    struct Descriptor {
        std::shared_ptr<File> file;
        bool close_on_exec = false;
    };

    /// Descriptors 0, 1 and 2 are the host's, those that are open there.
    explicit FileTable(System& system);
    /// fork: the same descriptions.
    FileTable(const FileTable& parent);
    ~FileTable() override;

    /// The description; nullptr for a number that is not open.
    [[nodiscard]] std::shared_ptr<File> get(int fd) const;
    /// The same, but nullptr for O_PATH descriptors too: for reading, writing and the like.
    [[nodiscard]] std::shared_ptr<File> use(int fd) const;
    [[nodiscard]] Descriptor* descriptor(int fd);
    [[nodiscard]] const std::vector<Descriptor>& all() const { return descriptors_; }
    /// The lowest free number from `lowest` on, below `limit` (RLIMIT_NOFILE); -EMFILE when there is none.
    int add(std::shared_ptr<File> file, bool close_on_exec, std::uint64_t limit, int lowest = 0);
    /// The number that `add` would give, or -EMFILE.
    [[nodiscard]] int free_number(std::uint64_t limit, int lowest = 0) const;
    /// dup2: whatever `fd` was is closed. `fd` is in [0, RLIMIT_NOFILE).
    void put(int fd, std::shared_ptr<File> file, bool close_on_exec);
    int close(int fd);
    void close_on_exec();
    /// A directory was renamed: paths that are remembered below it follow.
    void renamed(const std::string& from, const std::string& to);

    std::string directory = "/"; ///< working directory: a guest path without links
    mode_t umask = 022;
    std::shared_ptr<SharedFiles> shared;
    /// The process's record locks. Null until there is one; a child of fork has none.
    std::unique_ptr<LockHolder> locks;

  private:
    void closed(const Descriptor& d) const;
    std::vector<Descriptor> descriptors_;
};

std::unique_ptr<Extension> new_file_table(System& system);
/// What a child of fork starts with.
std::unique_ptr<Extension> clone_file_table(const Process& parent);
void close_on_exec(Process& p);
FileTable& files_of(const Process& p);

} // namespace trapline
