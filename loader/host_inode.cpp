#include "loader/host_inode.hpp"

#include <algorithm>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace trapline {
namespace {

bool may_write(int fd) { return (::fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR; }

} // namespace

HostInode::HostInode(Frames& frames, std::uint64_t inode_number, std::string path, HostFd fd)
    : Inode(frames, inode_number, std::move(path)), fd_(std::move(fd)), writable_(may_write(fd_.get())) {}

HostInode::~HostInode() { flush(); }

std::uint64_t HostInode::size() const {
    struct stat st {};
    return ::fstat(fd_.get(), &st) == 0 ? static_cast<std::uint64_t>(st.st_size) : 0;
}

void HostInode::adopt(HostFd fd) {
    if (writable_ || !may_write(fd.get())) return;
    fd_ = std::move(fd);
    writable_ = true;
}

bool HostInode::fill(std::uint64_t index, std::uint8_t* page) {
    std::size_t done = 0;
    while (done < kPageSize) {
        const ssize_t n =
            ::pread(fd_.get(), page + done, kPageSize - done, static_cast<off_t>(index * kPageSize + done));
        if (n < 0) return false;
        if (n == 0) break; // the rest of the last page reads as zero
        done += static_cast<std::size_t>(n);
    }
    return true;
}

void HostInode::write_back(std::uint64_t index, const std::uint8_t* page) {
    const std::uint64_t end = size(), at = index * kPageSize;
    if (!writable_ || at >= end) return;
    (void)!::pwrite(fd_.get(), page, std::min<std::uint64_t>(kPageSize, end - at), static_cast<off_t>(at));
}

} // namespace trapline
