#include "emu/mm/inode.hpp"

#include <cstring>

namespace trapline {

Inode::~Inode() {
    for (auto [index, frame] : pages_) frames_.put(frame);
}

FrameNo Inode::page(std::uint64_t index) {
    if (FrameNo f = cached(index); f != 0) return f;
    FrameNo f = frames_.allocate();
    if (f == 0) return 0;
    frames_.data(f)[0] = 0; // a system call cannot be the first to write to a tracked page (emu/snapshot/pages.hpp)
    if (!fill(index, frames_.data(f))) {
        frames_.put(f);
        return 0;
    }
    pages_.emplace(index, f);
    return f;
}

bool Inode::look(std::uint64_t index, std::uint8_t* page) {
    if (const FrameNo f = cached(index); f != 0) {
        std::memcpy(page, frames_.data(f), kPageSize);
        return true;
    }
    std::memset(page, 0, kPageSize);
    return fill(index, page);
}

FrameNo Inode::cached(std::uint64_t index) const {
    auto it = pages_.find(index);
    return it == pages_.end() ? 0 : it->second;
}

void Inode::flush() {
    for (std::uint64_t index : dirty_)
        if (FrameNo f = cached(index); f != 0) write_back(index, frames_.data(f));
    // The pages stay marked: another mapping may still be writable, and its stores cause no further fault.
}

void Inode::write_back(std::uint64_t, const std::uint8_t*) {} // memory has nowhere to go

void Inode::drop_from(std::uint64_t index) {
    dirty_.erase(dirty_.lower_bound(index), dirty_.end());
    auto first = pages_.lower_bound(index);
    for (auto it = first; it != pages_.end(); ++it) frames_.put(it->second);
    pages_.erase(first, pages_.end());
}

void MemoryInode::resize(std::uint64_t bytes) {
    if (bytes < bytes_) {
        drop_from(page_ceil(bytes) / kPageSize);
        // The rest of the last page reads as zero if the file grows again.
        if (FrameNo f = cached(bytes / kPageSize); f != 0 && (bytes & kPageMask) != 0)
            std::memset(frames()->data(f) + (bytes & kPageMask), 0, kPageSize - (bytes & kPageMask));
    }
    bytes_ = bytes;
}

} // namespace trapline
