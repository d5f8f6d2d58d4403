#include "loader/files/pipe.hpp"

#include <algorithm>
#include <array>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

namespace trapline {

PipeEnd::PipeEnd(std::shared_ptr<Pipe> pipe, int status_flags) : File(status_flags), pipe_(std::move(pipe)) {
    if (readable()) ++pipe_->readers, ++pipe_->readers_ever;
    if (writable()) ++pipe_->writers, ++pipe_->writers_ever;
}

PipeEnd::~PipeEnd() {
    bool last = false;
    if (readable()) last |= --pipe_->readers == 0;
    if (writable()) last |= --pipe_->writers == 0;
    if (last) pipe_->readiness.changed(pipe_->kernel);
}

long PipeEnd::read(Io&, IoBuffer& to, std::uint64_t&) {
    auto& bytes = pipe_->bytes;
    if (to.left() == 0) return 0;
    if (bytes.empty()) return pipe_->writers == 0 ? 0 : -EAGAIN;
    const std::size_t room_before = pipe_->room();
    std::array<std::uint8_t, 4096> piece;
    long done = 0;
    while (!bytes.empty() && to.left() > 0) {
        const std::size_t n = std::min<std::uint64_t>({piece.size(), bytes.size(), to.left()});
        const auto end = bytes.begin() + static_cast<std::ptrdiff_t>(n);
        std::copy(bytes.begin(), end, piece.begin());
        const std::size_t copied = to.put(piece.data(), n);
        bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(copied));
        done += static_cast<long>(copied);
        if (copied < n) break;
    }
    // Whoever waits to write waits for PIPE_BUF bytes of room at most.
    if (room_before < Pipe::kAtomic && pipe_->room() >= Pipe::kAtomic) pipe_->readiness.changed(pipe_->kernel);
    return done == 0 ? -EFAULT : done;
}

long PipeEnd::write(Io&, IoBuffer& from, std::uint64_t&) {
    if (from.left() == 0) return 0;
    if (pipe_->readers == 0) return -EPIPE;
    if (pipe_->room() == 0 || (from.left() <= Pipe::kAtomic && pipe_->room() < from.left())) return -EAGAIN;
    std::array<std::uint8_t, 4096> piece;
    long done = 0;
    while (from.left() > 0 && pipe_->room() > 0) {
        const std::size_t n = std::min<std::uint64_t>({piece.size(), pipe_->room(), from.left()});
        const std::size_t copied = from.take(piece.data(), n);
        pipe_->bytes.insert(pipe_->bytes.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(copied));
        done += static_cast<long>(copied);
        if (copied < n) break;
    }
    if (done == 0) return -EFAULT;
    pipe_->readiness.changed(pipe_->kernel);
    return done;
}

short PipeEnd::poll(Io&) {
    short now = 0;
    if (readable()) {
        if (!pipe_->bytes.empty()) now |= POLLIN | POLLRDNORM;
        if (pipe_->writers == 0) now |= POLLHUP;
    }
    if (writable()) {
        if (pipe_->room() >= Pipe::kAtomic) now |= POLLOUT | POLLWRNORM;
        if (pipe_->readers == 0) now |= POLLERR;
    }
    return now;
}

OrErrno<FileStat> PipeEnd::stat(Io& io) { return plain_stat(pipe_->number, S_IFIFO | 0600, io.kernel); }

OrErrno<std::shared_ptr<File>> PipeEnd::reopen(Io&, int new_flags) {
    return std::make_shared<PipeEnd>(pipe_, new_flags & (O_ACCMODE | O_NONBLOCK));
}

std::string PipeEnd::name() const { return "pipe:[" + std::to_string(pipe_->number) + "]"; }

} // namespace trapline
