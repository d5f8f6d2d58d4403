// emu/mm/inode.hpp: a file as the memory system sees it, with its part of the page cache.
//
// All address spaces that map a file share its cached frames; that is what makes a breakpoint in a private copy visible
// to one process only. Where the bytes come from is for loader/ to say (a host file, a memfd, zeroes). Read next:
// vma.hpp.
#pragma once

#include "emu/mm/frames.hpp"

#include <map>
#include <set>
#include <string>

namespace trapline {

class Inode {
  public:
    Inode(Frames& frames, std::uint64_t inode_number, std::string path)
        : number(inode_number), name(std::move(path)), frames_(frames) {}
    virtual ~Inode();
    Inode(const Inode&) = delete;
    Inode& operator=(const Inode&) = delete;

    /// In bytes. Pages wholly beyond it cannot be mapped in (SIGBUS).
    [[nodiscard]] virtual std::uint64_t size() const = 0;
    /// The cached frame of page `index`, read in on first use; the cache keeps its own reference. 0: RAM is full or the
    /// page cannot be read.
    [[nodiscard]] FrameNo page(std::uint64_t index);
    /// Copies page `index` without caching it; false when it cannot be read. For whoever looks and leaves no trace.
    [[nodiscard]] bool look(std::uint64_t index, std::uint8_t* page);
    /// The frame of page `index` if it is cached, else 0.
    [[nodiscard]] FrameNo cached(std::uint64_t index) const;
    /// A shared mapping may have written to the page: `flush` writes it back.
    void mark_dirty(std::uint64_t index) { dirty_.insert(index); }
    void flush();
    /// Forgets cached pages from `index` on (truncation); pages that are mapped stay with those who map them.
    void drop_from(std::uint64_t index);

    const std::uint64_t number; ///< identity: two mappings are of the same file when this is equal
    const std::string name;     ///< the path as /proc/PID/maps shows it

  protected:
    /// Reads page `index` into the zeroed `page`. False on an I/O error.
    virtual bool fill(std::uint64_t index, std::uint8_t* page) = 0;
    virtual void write_back(std::uint64_t index, const std::uint8_t* page);
    [[nodiscard]] Frames* frames() const { return &frames_; }

  private:
    Frames& frames_;
    std::map<std::uint64_t, FrameNo> pages_;
    std::set<std::uint64_t> dirty_;
};

/// Memory without a file behind it: shared anonymous mappings, memfd, POSIX shared memory. Reads as zero.
class MemoryInode : public Inode {
  public:
    MemoryInode(Frames& frames, std::uint64_t inode_number, std::string path, std::uint64_t bytes)
        : Inode(frames, inode_number, std::move(path)), bytes_(bytes) {}
    [[nodiscard]] std::uint64_t size() const override { return bytes_; }
    void resize(std::uint64_t bytes);

  protected:
    bool fill(std::uint64_t, std::uint8_t*) override { return true; }

  private:
    std::uint64_t bytes_;
};

} // namespace trapline
