// loader/files/stream.hpp: the guest's standard input, output and error: the host's descriptors.
//
// Standard input is the only thing that comes from outside while the machine runs. Its bytes go into the event log's
// hash, and reads are made the same on every run: from a pipe or a socket a read returns what was asked for, short only
// at the end, because how many bytes happen to lie there is chance. From a terminal a read returns one line, which is
// an input. It is always readable for poll, and a read stops the whole machine: virtual time does not pass while the
// world is waited for.
//
// The guest sees the kind of file (a pipe, a regular file, a terminal), since programs choose their buffering by it,
// but no numbers of the host.
#pragma once

#include "loader/files/file.hpp"

namespace trapline {

class StandardStream final : public File {
  public:
    enum class Kind : std::uint8_t { pipe, regular, terminal, device };
    /// `number`: 0, 1 or 2, the guest's descriptor at the start. `inode` is the number that stat shows.
    StandardStream(int host_fd, int number, Kind kind, int status_flags, std::uint64_t inode);

    long read(Io& io, IoBuffer& to, std::uint64_t& at) override;
    long write(Io& io, IoBuffer& from, std::uint64_t& at) override;
    OrErrno<FileStat> stat(Io& io) override;
    [[nodiscard]] bool seekable() const override { return kind_ == Kind::regular; }
    OrErrno<std::uint64_t> size(Io& io) override;
    long seek(Io& io, std::int64_t offset, int whence) override;
    long truncate(Io& io, std::uint64_t bytes) override;
    OrErrno<std::shared_ptr<Inode>> inode(Io& io) override;
    OrErrno<std::shared_ptr<File>> reopen(Io& io, int new_flags) override;
    std::string name() const override;
    [[nodiscard]] bool is_terminal() const override { return kind_ == Kind::terminal; }
    long available(Io& io) override;

  private:
    [[nodiscard]] bool redirected(const System& system) const;
    long write_host(const std::uint8_t* bytes, std::size_t n) const;

    const int host_;
    const int number_;
    const Kind kind_;
    const std::uint64_t inode_;
};

/// The stream for a host descriptor; nullptr when that is closed. `redirected`: its output goes to System::output.
std::shared_ptr<StandardStream> standard_stream(int host_fd, int number, bool redirected, std::uint64_t inode);

} // namespace trapline
