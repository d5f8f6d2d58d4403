// loader/files/fifo.hpp: pipes with a name. man 7 fifo.
//
// The name is a FIFO of the host below a write directory, which nobody opens there, or a file of /dev/shm; the bytes
// are in a Pipe that all who have it open share. That open waits for the other end is the system call's business.
#pragma once

#include "loader/files/memory_file.hpp"
#include "loader/files/pipe.hpp"

#include <variant>

namespace trapline {

class FifoEnd final : public PipeEnd {
  public:
    /// What the FIFO is called: a name of the host, opened with O_PATH, or a file in memory.
    using Name = std::variant<OpenedFile, std::shared_ptr<MemoryNode>>;
    FifoEnd(std::shared_ptr<Pipe> pipe, Name name, int status_flags);
    short poll(Io& io) override;
    OrErrno<FileStat> stat(Io& io) override;
    OrErrno<std::shared_ptr<File>> reopen(Io& io, int new_flags) override;
    std::string name() const override;

  private:
    Name name_;
    const std::uint64_t writers_before_;
};

} // namespace trapline
