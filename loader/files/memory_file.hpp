// loader/files/memory_file.hpp: files that live in the machine's memory: memfd_create and POSIX shared memory
// (/dev/shm).
//
// All bytes are pages of a MemoryInode, which mappings share.
#pragma once

#include "loader/files/file.hpp"

namespace trapline {

struct Pipe;

/// What all names and descriptors of one such file share.
struct MemoryNode {
    std::shared_ptr<MemoryInode> inode;
    mode_t mode = 0600;
    unsigned links = 1;
    timespec mtime{};
    unsigned seals = 0;         ///< F_SEAL_* of a memfd
    std::shared_ptr<Pipe> fifo; ///< it is a FIFO: the inode is only its number and name
};

class MemoryFile final : public File {
  public:
    MemoryFile(std::shared_ptr<MemoryNode> node, int status_flags) : File(status_flags), node_(std::move(node)) {}
    long read(Io& io, IoBuffer& to, std::uint64_t& at) override;
    long write(Io& io, IoBuffer& from, std::uint64_t& at) override;
    OrErrno<FileStat> stat(Io& io) override;
    [[nodiscard]] bool seekable() const override { return true; }
    long truncate(Io& io, std::uint64_t bytes) override;
    OrErrno<std::shared_ptr<Inode>> inode(Io& io) override;
    OrErrno<std::shared_ptr<File>> reopen(Io& io, int new_flags) override;
    std::string name() const override { return node_->inode->name; }
    [[nodiscard]] MemoryNode& node() const { return *node_; }

  private:
    std::shared_ptr<MemoryNode> node_;
};

FileStat memory_stat(const MemoryNode& node);

} // namespace trapline
