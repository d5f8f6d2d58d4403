#include "loader/files/fifo.hpp"

#include "loader/system.hpp"

#include <fcntl.h>
#include <poll.h>

namespace trapline {

FifoEnd::FifoEnd(std::shared_ptr<Pipe> pipe, Name name, int status_flags)
    : PipeEnd(pipe, status_flags), name_(std::move(name)), writers_before_(pipe->writers_ever) {
    pipe->readiness.changed(pipe->kernel); // whoever waits for this end in open
}

/// A reader that came first is not told of an end before somebody has written (fs/pipe.c, pipe_poll).
short FifoEnd::poll(Io& io) {
    const short now = PipeEnd::poll(io);
    return pipe_->writers_ever == writers_before_ ? static_cast<short>(now & ~POLLHUP) : now;
}

OrErrno<FileStat> FifoEnd::stat(Io& io) {
    if (const auto* node = std::get_if<std::shared_ptr<MemoryNode>>(&name_)) return memory_stat(**node);
    auto view = io.system.sandbox().stat(std::get<OpenedFile>(name_).fd.get());
    if (!view) return tl::make_unexpected(view.error());
    return FileStat{*view};
}

OrErrno<std::shared_ptr<File>> FifoEnd::reopen(Io& io, int new_flags) {
    if (const auto* node = std::get_if<std::shared_ptr<MemoryNode>>(&name_))
        return std::make_shared<FifoEnd>(pipe_, *node, new_flags & (O_ACCMODE | O_NONBLOCK));
    return PipeEnd::reopen(io, new_flags);
}

std::string FifoEnd::name() const {
    if (const auto* node = std::get_if<std::shared_ptr<MemoryNode>>(&name_)) return (*node)->inode->name;
    return std::get<OpenedFile>(name_).path;
}

} // namespace trapline
