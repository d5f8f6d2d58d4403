#include "loader/files/file.hpp"

#include "loader/files/locks.hpp"

#include <fcntl.h>
#include <limits>
#include <poll.h>
#include <unistd.h>

namespace trapline {

File::File(int status_flags) : flags(status_flags) {}
File::~File() = default;

bool File::is_path() const { return (flags & O_PATH) != 0; }
bool File::readable() const { return !is_path() && (flags & O_ACCMODE) != O_WRONLY; }
bool File::writable() const { return !is_path() && (flags & O_ACCMODE) != O_RDONLY; }

long File::read(Io&, IoBuffer&, std::uint64_t&) { return -EINVAL; }
long File::write(Io&, IoBuffer&, std::uint64_t&) { return -EINVAL; }

std::uint64_t File::patience(bool) const { return 0; }

short File::poll(Io&) {
    short now = 0;
    if (readable()) now |= POLLIN | POLLRDNORM;
    if (writable()) now |= POLLOUT | POLLWRNORM;
    return now;
}

void File::watch(Poller& poller) {
    if (Readiness* r = readiness()) poller.watch(*r);
}

OrErrno<std::uint64_t> File::size(Io& io) {
    auto st = stat(io);
    if (!st) return tl::make_unexpected(st.error());
    return st->view.size;
}

long File::seek(Io& io, std::int64_t offset, int whence) {
    if (!seekable()) return -ESPIPE;
    std::uint64_t base = 0;
    if (whence == SEEK_CUR) base = position;
    if (whence == SEEK_END || whence == SEEK_DATA || whence == SEEK_HOLE) {
        auto bytes = size(io);
        if (!bytes) return bytes.error();
        if (whence !=
            SEEK_END) { // a file is one piece of data with a hole behind it, as file systems without holes say
            if (offset < 0 || static_cast<std::uint64_t>(offset) >= *bytes) return -ENXIO;
            return static_cast<long>(position = whence == SEEK_DATA ? static_cast<std::uint64_t>(offset) : *bytes);
        }
        base = *bytes;
    } else if (whence != SEEK_CUR && whence != SEEK_SET) {
        return -EINVAL;
    }
    std::int64_t to = 0;
    if (__builtin_add_overflow(static_cast<std::int64_t>(base), offset, &to)) return -EOVERFLOW;
    if (to < 0) return -EINVAL;
    position = static_cast<std::uint64_t>(to);
    return to;
}

long File::truncate(Io&, std::uint64_t) { return -EINVAL; }
OrErrno<std::shared_ptr<Inode>> File::inode(Io&) { return refuse(ENODEV); }
OrErrno<std::vector<DirectoryEntry>> File::list(Io&) { return refuse(ENOTDIR); }
OrErrno<std::shared_ptr<File>> File::reopen(Io&, int) { return refuse(ENXIO); }
long File::available(Io&) { return -1; }

timespec time_of_day(const Kernel& kernel) {
    const std::uint64_t ns = kernel.nanoseconds(kernel.latest());
    return {static_cast<time_t>(kernel.config().start_time + ns / 1'000'000'000),
            static_cast<long>(ns % 1'000'000'000)};
}

FileStat plain_stat(std::uint64_t number, std::uint32_t mode, Kernel& kernel) {
    FileStat st;
    st.view.inode = number;
    st.view.mode = mode;
    st.view.links = 1;
    st.view.mtime = {static_cast<time_t>(kernel.config().start_time), 0};
    st.device = 0xd; // the kernel's own anonymous file systems have minor numbers only
    return st;
}

Poller::~Poller() {
    for (Readiness* r : watched_) std::erase(r->pollers_, this);
}

void Poller::watch(const std::shared_ptr<File>& file) {
    files_.push_back(file);
    file->watch(*this);
}

void Poller::watch(Readiness& r) {
    r.pollers_.push_back(this);
    watched_.push_back(&r);
}

void Readiness::changed(Kernel& kernel) {
    ++changes_;
    kernel.wake(queue);
    for (Poller* p : pollers_) kernel.wake(p->queue);
}

} // namespace trapline
