#include "loader/byte_source.hpp"

#include <cerrno>
#include <cstring>
#include <sys/stat.h>
#include <unistd.h>

namespace trapline {

ByteSource::ByteSource(int fd) : fd_(fd) {
    struct stat st {};
    if (::fstat(fd, &st) == 0 && st.st_size > 0) size_ = static_cast<std::uint64_t>(st.st_size);
}

bool ByteSource::read(std::uint64_t offset, void* to, std::size_t bytes) const {
    if (!contains(offset, bytes)) return false;
    if (fd_ < 0) {
        if (bytes != 0) std::memcpy(to, bytes_.data() + offset, bytes);
        return true;
    }
    auto* out = static_cast<char*>(to);
    while (bytes != 0) {
        ssize_t got = ::pread(fd_, out, bytes, static_cast<off_t>(offset));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false; // an error, or the file shrank under our hands
        out += got;
        offset += static_cast<std::uint64_t>(got);
        bytes -= static_cast<std::size_t>(got);
    }
    return true;
}

} // namespace trapline
