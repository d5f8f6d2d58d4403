// loader/files/page_cache.hpp: read and write agree with mappings of the same file.
//
// Where a page of a file is cached, the cached frame is the truth: a shared mapping may have stored into it. A read
// takes such pages from the cache, a write changes them too. Frames that hold translated code are dropped from the
// engine first.
#pragma once

#include "emu/kernel/kernel.hpp"
#include "emu/mm/inode.hpp"

namespace trapline {

/// Replaces those of the `n` bytes of the file from `at` on that lie in cached pages.
void overlay_cached(Kernel& kernel, const Inode& inode, std::uint64_t at, std::uint8_t* bytes, std::size_t n);
/// Puts `n` bytes that were written at `at` into the pages that are cached.
void update_cached(Kernel& kernel, const Inode& inode, std::uint64_t at, const std::uint8_t* bytes, std::size_t n);
/// The file ends at `size` now: later pages go, the rest of the last one reads as zero.
void truncate_cached(Kernel& kernel, Inode& inode, std::uint64_t size);

} // namespace trapline
