#include "loader/files/io_buffer.hpp"

#include <algorithm>
#include <cstring>

namespace trapline {

bool GuestBuffer::add(Addr start, std::uint64_t bytes) {
    if (bytes > kTaskSize || start > kTaskSize - bytes) return false;
    bytes = std::min(bytes, kMost - left_);
    if (bytes == 0) return true;
    ranges_.push_back({start, bytes});
    left_ += bytes;
    return true;
}

OrErrno<GuestBuffer> GuestBuffer::range(Mm& mm, Addr start, std::uint64_t bytes) {
    GuestBuffer b(mm);
    if (!b.add(start, bytes)) return refuse(EFAULT);
    return b;
}

OrErrno<GuestBuffer> GuestBuffer::list_in(Mm& lists, Mm& memory, Addr list, std::uint64_t count) {
    if (count > kMostRanges) return refuse(EINVAL);
    GuestBuffer b(memory);
    for (std::uint64_t i = 0; i < count; ++i) {
        Range r{};
        if (!lists.get(list + i * sizeof r, r)) return refuse(EFAULT);
        if (static_cast<std::int64_t>(r.bytes) < 0) return refuse(EINVAL);
        if (!b.add(r.start, r.bytes)) return refuse(EFAULT);
    }
    return b;
}

/// Calls `copy(page pointer, bytes done, bytes)` for each piece within a page, as long as the guest may access it.
template <class Copy> std::size_t GuestBuffer::each_piece(std::size_t n, std::uint32_t rights, Copy copy) {
    std::size_t done = 0;
    while (done < n && current_ < ranges_.size()) {
        Range& r = ranges_[current_];
        const std::size_t part = std::min<std::uint64_t>({n - done, r.bytes, kPageSize - (r.start & kPageMask)});
        std::uint8_t* page = mm_->page(r.start, rights, part);
        if (page == nullptr) break;
        copy(page + (r.start & kPageMask), done, part);
        done += part;
        r.start += part;
        r.bytes -= part;
        if (r.bytes == 0) ++current_;
    }
    left_ -= done;
    return done;
}

std::size_t GuestBuffer::put(const std::uint8_t* from, std::size_t n) {
    return each_piece(n, pf::write,
                      [&](std::uint8_t* p, std::size_t done, std::size_t part) { std::memcpy(p, from + done, part); });
}

std::size_t GuestBuffer::take(std::uint8_t* to, std::size_t n) {
    return each_piece(
        n, 0, [&](const std::uint8_t* p, std::size_t done, std::size_t part) { std::memcpy(to + done, p, part); });
}

std::size_t HostBuffer::put(const std::uint8_t* from, std::size_t n) {
    n = std::min<std::size_t>(n, left_);
    std::memcpy(at_, from, n);
    at_ += n;
    left_ -= n;
    return n;
}

std::size_t HostBuffer::take(std::uint8_t* to, std::size_t n) {
    n = std::min<std::size_t>(n, left_);
    std::memcpy(to, at_, n);
    at_ += n;
    left_ -= n;
    return n;
}

} // namespace trapline
