// emu/mm/mm.hpp: an address space: VMAs, page tables, page faults, copy-on-write.
//
// What Linux's mm is, in small. A page-table entry holds a reference to its frame. A private page that is shared with
// another address space, or with the page cache, is mapped read-only and copied at the first write (facts, section 3a:
// page handling). A frame may be kept by an entry that is not present, after mprotect(PROT_NONE).
//
// Everything here happens at once, as under mmap's lock; where that matters, the callers in emu/kernel and probes/
// split their work into steps. Read next: emu/mm/fault.cpp for the page fault, probes/text_page.hpp for what probes
// add.
#pragma once

#include "emu/cpu/cpu.hpp"
#include "emu/mm/page_table.hpp"
#include "emu/mm/vma.hpp"

#include <map>
#include <span>
#include <string>

namespace trapline {

class Mm;

/// Called where Linux calls uprobe_mmap and uprobe_munmap. The VMA is valid during the call only.
class MmObserver {
  public:
    virtual ~MmObserver() = default;
    virtual void mapped(Mm& mm, const Vma& vma) = 0;
    virtual void unmapping(Mm& mm, const Vma& vma, Addr from, Addr to) = 0;
    virtual void duplicated(Mm& parent, Mm& child) = 0;
    virtual void destroyed(Mm& mm) = 0;
};

/// Where things are put; chosen by the machine's seed.
struct Layout {
    Addr mmap_top = 0x7ffff7fff000;  ///< mappings grow down from here
    Addr stack_top = 0x7ffffffde000; ///< room above it for the XOL page, where Linux puts that
    Addr pie_base = 0x555555554000;
};

class Mm {
  public:
    /// `observer` refers to the machine's current observer, which may be attached later or not at all.
    Mm(Frames& frames, Cpu& cpu, std::uint32_t id, Layout layout, MmObserver* const& observer);
    ~Mm();
    Mm(const Mm&) = delete;
    Mm& operator=(const Mm&) = delete;

    // Mappings. Errors are negative errno values, as the system calls return them.
    /// Maps `vma`, replacing whatever is there. -ENOMEM when RAM or address space is short.
    long map(Vma vma);
    long unmap(Addr start, std::uint64_t bytes);
    long protect(Addr start, std::uint64_t bytes, std::uint8_t prot);
    /// mremap without MREMAP_FIXED: the new address or a negative errno.
    long remap(Addr old, std::uint64_t old_bytes, std::uint64_t new_bytes, bool may_move, Addr fixed = 0);
    /// Moves the program break; returns the break after the call, as the system call does.
    Addr set_break(Addr wanted);
    void start_break(Addr at) { break_start_ = break_ = at; }
    [[nodiscard]] Addr program_break() const { return break_; }
    /// Frees the pages of [start, start+bytes): private ones read as zero or as the file again (MADV_DONTNEED).
    long discard(Addr start, std::uint64_t bytes);
    /// A free range of `bytes`, at `hint` if that is free, else the highest below the mmap top. 0: none.
    [[nodiscard]] Addr find_free(std::uint64_t bytes, Addr hint = 0);
    [[nodiscard]] const Vma* find(Addr a) const;
    [[nodiscard]] const std::map<Addr, Vma>& vmas() const { return vmas_; }
    [[nodiscard]] bool range_free(Addr start, std::uint64_t bytes) const;

    // Page faults.
    enum class Fault : std::uint8_t { handled, maperr, accerr, bus, out_of_memory };
    /// Serves a fault at `a` with SDM error code bits.
    Fault fault(Addr a, std::uint32_t error_code);

    // The kernel's access to user memory, with the user's rights. False: a byte was not accessible (EFAULT); `written`
    // bytes before it may have been copied.
    bool read(Addr a, void* out, std::size_t n);
    bool write(Addr a, const void* in, std::size_t n);
    /// A string of at most `limit` bytes. False: not accessible or not terminated.
    bool read_string(Addr a, std::string& out, std::size_t limit = 4096);
    template <class T> bool get(Addr a, T& out) { return read(a, &out, sizeof out); }
    template <class T> bool put(Addr a, const T& in) { return write(a, &in, sizeof in); }
    /// Host view of the page at `a`, faulted in with the given rights; nullptr when not accessible. The caller accesses
    /// `bytes` from `a` on, which lie in the page.
    std::uint8_t* page(Addr a, std::uint32_t error_code, std::uint64_t bytes);
    /// Reads as a debugger does, whatever the protection; maps pages in where needed.
    bool force_read(Addr a, void* out, std::size_t n);

    // For probes: text pages.
    /// The frame mapped at `a` now, 0 for none.
    [[nodiscard]] FrameNo frame_at(Addr a) const;
    /// Maps `frame` at `a` in place of what is there, keeping the protection; takes over one reference to `frame`.
    void replace_frame(Addr a, FrameNo frame);
    /// Takes the no-execute bit out of the entry of a page that is present, whatever its VMA allows. It comes back when
    /// the entry is made anew (mprotect, a copy on write). False: it was not set.
    bool lift_no_execute(Addr a);
    [[nodiscard]] FetchMap& fetch() { return fetch_; }
    /// Maps `frame` at kReservedPage, execute and read, outside every VMA: no system call can see, move or unmap it.
    /// Takes over one reference. Not inherited by fork. False: RAM is full.
    bool map_reserved(FrameNo frame);

    /// fork: the same contents, copied on write. False: RAM is full.
    bool duplicate_into(Mm& child);

    /// Puts this address space on the CPU.
    void activate() { cpu_.use(table_.root(), fetch_); }
    [[nodiscard]] std::uint32_t id() const { return id_; }
    [[nodiscard]] const Layout& layout() const { return layout_; }
    [[nodiscard]] Frames& frames() { return frames_; }
    [[nodiscard]] Cpu& cpu() { return cpu_; }
    [[nodiscard]] std::uint64_t resident() const { return resident_; } ///< pages mapped
    [[nodiscard]] std::uint64_t mapped_bytes() const { return mapped_bytes_; }
    /// Upper bounds in bytes: RLIMIT_AS and RLIMIT_STACK.
    std::uint64_t limit_bytes = ~0ull;
    std::uint64_t limit_stack = 8u << 20;
    std::uint64_t copies = 0; ///< copy-on-write copies made by faults

  private:
    using Vmas = std::map<Addr, Vma>; // by start
    Vma* find_vma(Addr a);
    Vmas::iterator split(Vmas::iterator it, Addr at);
    void split_at(Addr a);
    long insert(Vma vma);
    void announce(Addr start);
    void drop_pages(Addr from, Addr to);
    void invalidate();
    [[nodiscard]] Pte bits(const Vma& v, bool writable) const;
    Fault fault_in(Vma& v, Addr a, bool write);
    Fault map_page(Vma& v, Addr a, bool write);
    bool grow_stack(Addr a);
    bool access(Addr a, std::size_t n, std::uint32_t error_code, bool force,
                const std::function<void(std::uint8_t*, std::size_t, std::size_t)>& f);

    Frames& frames_;
    Cpu& cpu_;
    const std::uint32_t id_;
    const Layout layout_;
    MmObserver* const& observer_;
    PageTable table_;
    FetchMap fetch_;
    Vmas vmas_;
    /// What the last search found: no hole of `full_bytes_` or more lies above `full_above_`.
    Addr full_above_ = 0;
    std::uint64_t full_bytes_ = 0;
    Addr break_start_ = 0, break_ = 0;
    std::uint64_t resident_ = 0, mapped_bytes_ = 0;
};

} // namespace trapline
