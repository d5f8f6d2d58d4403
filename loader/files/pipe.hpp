// loader/files/pipe.hpp: pipes.
//
// 65,536 bytes between two ends, unless F_SETPIPE_SZ says otherwise. Writes of up to PIPE_BUF bytes go in whole or not
// at all; a reader sees the end when the last write end is closed, a writer gets EPIPE when the last read end is. man 7
// pipe. A FIFO is a pipe with a name (fifo.hpp).
#pragma once

#include "loader/files/file.hpp"

#include <deque>

namespace trapline {

/// What both ends share.
struct Pipe {
    static constexpr std::size_t kCapacity = 65536;
    static constexpr std::size_t kAtomic = 4096; ///< PIPE_BUF
    Pipe(Kernel& k, std::uint64_t inode) : kernel(k), number(inode) {}
    Kernel& kernel;
    const std::uint64_t number;
    std::deque<std::uint8_t> bytes;
    std::size_t capacity = kCapacity;
    unsigned readers = 0, writers = 0;
    std::uint64_t readers_ever = 0, writers_ever = 0; ///< for open of a FIFO, which waits until one has come
    Readiness readiness;
    [[nodiscard]] std::size_t room() const { return capacity - bytes.size(); }
};

class PipeEnd : public File {
  public:
    PipeEnd(std::shared_ptr<Pipe> pipe, int status_flags);
    ~PipeEnd() override;
    long read(Io& io, IoBuffer& to, std::uint64_t& at) override;
    long write(Io& io, IoBuffer& from, std::uint64_t& at) override;
    [[nodiscard]] bool writes_all() const override { return true; }
    short poll(Io& io) override;
    Readiness* readiness() override { return &pipe_->readiness; }
    OrErrno<FileStat> stat(Io& io) override;
    OrErrno<std::shared_ptr<File>> reopen(Io& io, int new_flags) override;
    std::string name() const override;
    long available(Io& io) override {
        (void)io;
        return static_cast<long>(pipe_->bytes.size());
    }

    [[nodiscard]] const std::shared_ptr<Pipe>& pipe() const { return pipe_; }

  protected:
    std::shared_ptr<Pipe> pipe_;
};

} // namespace trapline
