#include "loader/files/page_cache.hpp"

#include <algorithm>
#include <cstring>

namespace trapline {
namespace {

/// Calls `f(bytes of the page, bytes done, bytes)` for every cached page in the range.
template <class F> void each_cached(Kernel& kernel, const Inode& inode, std::uint64_t at, std::size_t n, F f) {
    for (std::size_t done = 0; done < n;) {
        const std::uint64_t here = at + done;
        const std::size_t part = std::min<std::uint64_t>(n - done, kPageSize - (here & kPageMask));
        if (const FrameNo frame = inode.cached(here / kPageSize); frame != 0)
            f(frame, kernel.frames().data(frame) + (here & kPageMask), done, part);
        done += part;
    }
}

void about_to_change(Kernel& kernel, FrameNo frame) {
    if (kernel.frames().holds_code(frame)) kernel.cpu().drop_code(frame);
}

} // namespace

void overlay_cached(Kernel& kernel, const Inode& inode, std::uint64_t at, std::uint8_t* bytes, std::size_t n) {
    each_cached(kernel, inode, at, n, [&](FrameNo, const std::uint8_t* p, std::size_t done, std::size_t part) {
        std::memcpy(bytes + done, p, part);
    });
}

void update_cached(Kernel& kernel, const Inode& inode, std::uint64_t at, const std::uint8_t* bytes, std::size_t n) {
    each_cached(kernel, inode, at, n, [&](FrameNo frame, std::uint8_t* p, std::size_t done, std::size_t part) {
        about_to_change(kernel, frame);
        std::memcpy(p, bytes + done, part);
    });
}

void truncate_cached(Kernel& kernel, Inode& inode, std::uint64_t size) {
    inode.drop_from(size / kPageSize + ((size & kPageMask) != 0 ? 1 : 0));
    if ((size & kPageMask) == 0) return;
    each_cached(kernel, inode, size, kPageSize - (size & kPageMask),
                [&](FrameNo frame, std::uint8_t* p, std::size_t, std::size_t part) {
                    about_to_change(kernel, frame);
                    std::memset(p, 0, part);
                });
}

} // namespace trapline
