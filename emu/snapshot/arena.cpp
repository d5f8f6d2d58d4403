#include "emu/snapshot/arena.hpp"

#include "emu/check.hpp"
#include "emu/types.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <new>
#include <sys/mman.h>
#include <utility>

namespace trapline {
namespace {

constexpr std::size_t kGrain = 16;
constexpr std::size_t kSmall = 2048;
constexpr std::size_t kClasses = kSmall / kGrain + 1;
constexpr std::size_t kRuns = 257; // whole pages: free runs of 1 to 255, and longer ones in the last list

struct Free {
    Free* next;
};

/// The allocator's state. It lies in the first pages of the region, so it is put back with the rest.
struct Header {
    std::size_t next_page;  // pages from here on have never been used
    std::size_t in_use = 0; // bytes
    std::array<Free*, kClasses> small{};
    std::array<Free*, kRuns> runs{};
};

/// What a page is for: blocks of `small` grains, or the first page of a run of `run` pages.
struct PageUse {
    std::uint32_t small = 0;
    std::uint32_t run = 0;
};

/// Sizes close together share pages: fewer pages are touched, and fewer copied, when little changes.
std::size_t class_of(std::size_t bytes) {
    const std::size_t n = (std::max<std::size_t>(bytes, 1) + kGrain - 1) / kGrain;
    if (n <= 16) return n;
    if (n <= 32) return (n + 3) / 4 * 4;
    return (n + 15) / 16 * 16;
}

} // namespace

constinit thread_local bool Arena::active_ = false;
std::uint8_t* Arena::base_ = reinterpret_cast<std::uint8_t*>(~(std::uintptr_t{1} << 40));

namespace {

Header* header = nullptr;
PageUse* pages = nullptr;
std::uint8_t* base = nullptr;

std::size_t page_of(const void* p) {
    return static_cast<std::size_t>(static_cast<const std::uint8_t*>(p) - base) / kPageSize;
}

Free*& runs_of(std::size_t count) { return header->runs[std::min(count, kRuns - 1)]; }

void give_run(void* p, std::size_t count) {
    pages[page_of(p)] = PageUse{0, static_cast<std::uint32_t>(count)};
    Free*& list = runs_of(count);
    list = ::new (p) Free{list};
}

/// A run of `count` pages or, among the long ones, of more. PageUse::run of its first page says how many.
void* take_run(std::size_t count) {
    for (std::size_t n = count; n < kRuns - 1; ++n) {
        Free* f = header->runs[n];
        if (f == nullptr) continue;
        header->runs[n] = f->next;
        pages[page_of(f)].run = static_cast<std::uint32_t>(count);
        if (n > count) give_run(reinterpret_cast<std::uint8_t*>(f) + count * kPageSize, n - count);
        return f;
    }
    for (Free** f = &header->runs[kRuns - 1]; *f != nullptr; f = &(*f)->next)
        if (pages[page_of(*f)].run >= count) return std::exchange(*f, (*f)->next);
    const std::size_t page = header->next_page;
    header->next_page += count;
    pages[page] = PageUse{0, static_cast<std::uint32_t>(count)};
    return base + page * kPageSize;
}

} // namespace

Arena::Use::Use() : before_(active_) {
    if (base == nullptr) {
        void* p = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        TL_CHECK(p != MAP_FAILED, "no address space for the machine's objects");
        base = base_ = static_cast<std::uint8_t*>(p);
        header = ::new (p) Header;
        pages = reinterpret_cast<PageUse*>(base + page_ceil(sizeof(Header)));
        header->next_page =
            page_ceil(sizeof(Header)) / kPageSize + page_ceil(kBytes / kPageSize * sizeof(PageUse)) / kPageSize;
    }
    active_ = true;
}

std::span<std::uint8_t> Arena::used() {
    if (base == nullptr) return {};
    return {base, header->next_page * kPageSize};
}

std::size_t Arena::bytes_in_use() { return header == nullptr ? 0 : header->in_use; }

void* Arena::allocate(std::size_t bytes) {
    TL_CHECK(bytes < kBytes / 2 && header->next_page < kBytes / kPageSize / 2, "the machine's objects are too many");
    if (bytes > kSmall) {
        void* p = take_run(page_ceil(bytes) / kPageSize);
        header->in_use += pages[page_of(p)].run * kPageSize;
        return p;
    }
    const std::size_t c = class_of(bytes);
    header->in_use += c * kGrain;
    if (Free* f = header->small[c]; f != nullptr) {
        header->small[c] = f->next;
        return f;
    }
    // A fresh page is cut up at once, so that blocks are handed out in rising order.
    auto* page = static_cast<std::uint8_t*>(take_run(1));
    pages[page_of(page)] = PageUse{static_cast<std::uint32_t>(c), 0};
    const std::size_t size = c * kGrain, count = kPageSize / size;
    for (std::size_t i = count; i-- > 1;) header->small[c] = ::new (page + i * size) Free{header->small[c]};
    return page;
}

void Arena::release(void* p) {
    const PageUse use = pages[page_of(p)];
    if (use.small != 0) {
        header->in_use -= use.small * kGrain;
        header->small[use.small] = ::new (p) Free{header->small[use.small]};
        return;
    }
    TL_CHECK(use.run != 0, "a block that the arena never gave out was given back");
    header->in_use -= use.run * kPageSize;
    give_run(p, use.run);
}

} // namespace trapline

// The program's operator new and delete. The array and sized forms of the library call these.
void* operator new(std::size_t bytes) {
    if (trapline::Arena::active()) return trapline::Arena::allocate(bytes);
    void* p = std::malloc(bytes != 0 ? bytes : 1);
    TL_CHECK(p != nullptr, "out of host memory for {} bytes", bytes);
    return p;
}

void* operator new(std::size_t bytes, std::align_val_t alignment) {
    const auto align = static_cast<std::size_t>(alignment);
    TL_CHECK(align <= trapline::kPageSize, "an object wants to be aligned to {} bytes", align);
    // Blocks of whole pages are aligned to pages; few types ask for more than 16.
    if (trapline::Arena::active())
        return trapline::Arena::allocate(align > 16 ? std::max<std::size_t>(bytes, 2049) : bytes);
    void* p = nullptr;
    TL_CHECK(::posix_memalign(&p, std::max(align, sizeof(void*)), bytes) == 0, "out of host memory for {} bytes",
             bytes);
    return p;
}

void operator delete(void* p) noexcept {
    if (trapline::Arena::owns(p))
        trapline::Arena::release(p);
    else
        std::free(p);
}
void operator delete(void* p, std::size_t) noexcept { operator delete(p); }
void operator delete(void* p, std::align_val_t) noexcept { operator delete(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { operator delete(p); }
