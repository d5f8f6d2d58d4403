#include "loader/host_fd.hpp"

#include "emu/snapshot/descriptors.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace trapline {

HostFd::HostFd(int fd) : fd_(fd) { descriptors::opened(fd); }

HostFd::~HostFd() {
    if (fd_ >= 0) descriptors::close(fd_);
}

OrErrno<HostFd> open_below(int directory, const std::string& path, std::uint64_t flags, std::uint64_t mode,
                           std::uint64_t resolve) {
    open_how how{};
    how.flags = flags | O_CLOEXEC;
    how.mode = mode;
    how.resolve = resolve;
    // EAGAIN: somebody on the host renamed or mounted something during the lookup, and the kernel cannot vouch for it.
    for (int attempt = 0; attempt < 100; ++attempt) {
        long fd = ::syscall(SYS_openat2, directory, path.c_str(), &how, sizeof how);
        if (fd >= 0) return HostFd(static_cast<int>(fd));
        if (errno != EAGAIN && errno != EINTR) return refuse(errno);
    }
    return refuse(EAGAIN);
}

} // namespace trapline
