#include "loader/files/memory_file.hpp"

#include "loader/files/page_cache.hpp"

#include <algorithm>
#include <array>
#include <fcntl.h>
#include <limits>

namespace trapline {
namespace {

constexpr std::uint64_t kLargest = std::numeric_limits<std::int64_t>::max() - kPageSize;

} // namespace

FileStat memory_stat(const MemoryNode& node) {
    FileStat st;
    st.view.inode = node.inode->number;
    st.view.mode = (node.fifo != nullptr ? S_IFIFO : S_IFREG) | node.mode;
    st.view.links = node.links;
    st.view.size = node.inode->size();
    st.view.blocks = page_ceil(st.view.size) / 512;
    st.view.mtime = node.mtime;
    st.device = 0x19; // tmpfs
    return st;
}

long MemoryFile::read(Io& io, IoBuffer& to, std::uint64_t& at) {
    const MemoryInode& inode = *node_->inode;
    long total = 0;
    while (to.left() > 0 && at < inode.size()) {
        std::array<std::uint8_t, kPageSize> piece{};
        const std::size_t n = std::min<std::uint64_t>({piece.size(), to.left(), inode.size() - at});
        overlay_cached(io.kernel, inode, at, piece.data(), n);
        const std::size_t copied = to.put(piece.data(), n);
        at += copied;
        total += static_cast<long>(copied);
        if (copied < n) return total != 0 ? total : -EFAULT;
    }
    return total;
}

long MemoryFile::write(Io& io, IoBuffer& from, std::uint64_t& at) {
    MemoryInode& inode = *node_->inode;
    constexpr unsigned kFutureWrite = 0x10; // F_SEAL_FUTURE_WRITE
    if ((node_->seals & (F_SEAL_WRITE | kFutureWrite)) != 0) return -EPERM;
    if ((flags & O_APPEND) != 0) at = inode.size();
    long total = 0;
    while (from.left() > 0) {
        std::array<std::uint8_t, kPageSize> piece;
        if (at > kLargest) return total != 0 ? total : -EFBIG;
        const std::size_t part = kPageSize - (at & kPageMask); // one page, so that running out of RAM stops between two
        if (at + std::min<std::uint64_t>(part, from.left()) > inode.size() && (node_->seals & F_SEAL_GROW) != 0)
            return total != 0 ? total : -EPERM;
        if (inode.page(at / kPageSize) == 0) return total != 0 ? total : -ENOSPC;
        const std::size_t taken = from.take(piece.data(), part);
        if (taken == 0) return total != 0 ? total : -EFAULT;
        if (at + taken > inode.size()) inode.resize(at + taken);
        update_cached(io.kernel, inode, at, piece.data(), taken);
        at += taken;
        total += static_cast<long>(taken);
    }
    if (total > 0) node_->mtime = time_of_day(io.kernel);
    return total;
}

OrErrno<FileStat> MemoryFile::stat(Io&) { return memory_stat(*node_); }

long MemoryFile::truncate(Io& io, std::uint64_t bytes) {
    if (bytes > kLargest) return -EFBIG;
    const std::uint64_t before = node_->inode->size();
    if (bytes < before && (node_->seals & F_SEAL_SHRINK) != 0) return -EPERM;
    if (bytes > before && (node_->seals & F_SEAL_GROW) != 0) return -EPERM;
    truncate_cached(io.kernel, *node_->inode, std::min(bytes, before));
    node_->inode->resize(bytes);
    node_->mtime = time_of_day(io.kernel);
    return 0;
}

OrErrno<std::shared_ptr<Inode>> MemoryFile::inode(Io&) { return std::shared_ptr<Inode>(node_->inode); }

OrErrno<std::shared_ptr<File>> MemoryFile::reopen(Io&, int new_flags) {
    constexpr int kKept = O_ACCMODE | O_APPEND | O_NONBLOCK;
    return std::make_shared<MemoryFile>(node_, new_flags & kKept);
}

} // namespace trapline
