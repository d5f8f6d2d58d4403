// loader/files/host_file.hpp: files and directories of the host, opened through the sandbox.
//
// Positions and O_APPEND are kept here and the host is only asked with pread and pwrite, so nothing depends on the
// state of a host descriptor. Files that may change keep their inode while they are open, and agree with mappings
// (page_cache.hpp). Read next: loader/sandbox.hpp.
#pragma once

#include "loader/files/file.hpp"

namespace trapline {

/// A regular file; or, with O_PATH, whatever was named.
class HostFile final : public File {
  public:
    /// `inode` for files that the guest may change, nullptr otherwise.
    HostFile(OpenedFile opened, int status_flags, std::shared_ptr<Inode> inode);
    long read(Io& io, IoBuffer& to, std::uint64_t& at) override;
    long write(Io& io, IoBuffer& from, std::uint64_t& at) override;
    OrErrno<FileStat> stat(Io& io) override;
    [[nodiscard]] bool seekable() const override { return true; }
    long truncate(Io& io, std::uint64_t bytes) override;
    OrErrno<std::shared_ptr<Inode>> inode(Io& io) override;
    OrErrno<std::shared_ptr<File>> reopen(Io& io, int new_flags) override;
    std::string name() const override { return opened_.path; }
    long available(Io& io) override;
    OpenedFile* opened() override { return &opened_; }

  private:
    OpenedFile opened_;
    std::shared_ptr<Inode> inode_;
};

class HostDirectory final : public File {
  public:
    HostDirectory(OpenedFile opened, int status_flags) : File(status_flags), opened_(std::move(opened)) {}
    long read(Io& io, IoBuffer& to, std::uint64_t& at) override;
    OrErrno<FileStat> stat(Io& io) override;
    [[nodiscard]] bool seekable() const override { return true; }
    OrErrno<std::vector<DirectoryEntry>> list(Io& io) override;
    OrErrno<std::shared_ptr<File>> reopen(Io& io, int new_flags) override;
    std::string* directory() override { return &opened_.path; }
    std::string name() const override { return opened_.path; }
    OpenedFile* opened() override { return &opened_; }

  private:
    OpenedFile opened_;
};

/// open(2) for a path that the sandbox resolved. `mode` has the umask applied.
OrErrno<std::shared_ptr<File>> open_host(Io& io, const Resolved& where, int flags, mode_t mode);

} // namespace trapline
