#include "loader/host_inode.hpp"

#include <algorithm>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace trapline {

HostInode::HostInode(Frames& frames, std::uint64_t inode_number, std::string path, HostFd fd)
    : Inode(frames, inode_number, std::move(path)) {
    adopt(std::move(fd));
}

HostInode::~HostInode() { flush(); }

std::uint64_t HostInode::size() const {
    struct stat st {};
    return ::fstat(descriptor(), &st) == 0 ? static_cast<std::uint64_t>(st.st_size) : 0;
}

void HostInode::adopt(HostFd fd) {
    const int mode = ::fcntl(fd.get(), F_GETFL) & O_ACCMODE;
    if (mode == O_WRONLY) {
        if (!reader_writes_ && !writer_) writer_ = std::move(fd);
    } else if (!reader_ || (mode == O_RDWR && !reader_writes_)) {
        reader_ = std::move(fd);
        reader_writes_ = mode == O_RDWR;
    }
}

bool HostInode::fill(std::uint64_t index, std::uint8_t* page) {
    std::size_t done = 0;
    while (done < kPageSize) {
        const auto at = static_cast<off_t>(index * kPageSize + done);
        const ssize_t n = ::pread(reader_.get(), page + done, kPageSize - done, at);
        if (n < 0) return false;
        if (n == 0) break; // the rest of the last page reads as zero
        done += static_cast<std::size_t>(n);
    }
    return true;
}

void HostInode::write_back(std::uint64_t index, const std::uint8_t* page) {
    const std::uint64_t end = size(), at = index * kPageSize;
    const int fd = reader_writes_ ? reader_.get() : writer_.get();
    if (fd < 0 || at >= end) return;
    (void)!::pwrite(fd, page, std::min<std::uint64_t>(kPageSize, end - at), static_cast<off_t>(at));
}

} // namespace trapline
