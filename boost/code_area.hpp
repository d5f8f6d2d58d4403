// boost/code_area.hpp: pages of generated code near the program's text.
//
// A copy that jumps back, a detour and a trampoline are entered or left by a branch with a 32-bit displacement, so they
// must lie within 2 GiB of the text they belong to. A CodeArea hands out pieces of one size in pages of its own, each
// page a mapping of the probed program that stands in /proc/self/maps under the area's name. As with the XOL area the
// kernel writes through its own view of the page: what it writes works as text even if the program has unmapped the
// page, and then the program faults (measured on Linux 6.18.44).
//
// A piece is given back by whoever took it, who must know that no thread is inside (boost/inside.hpp).
#pragma once

#include "emu/mm/mm.hpp"

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace trapline {

/// The free page nearest to `text` from which, and to which, a rel32 reaches. 0 when there is none. The place where the
/// heap begins is left alone. Source: what Linux 6.18 does for its trampoline (measured).
Addr nearest_free_page(const Mm& mm, Addr text);
/// Can a branch that ends at `from` get to `to` with a 32-bit displacement?
bool reaches(Addr from, Addr to);
/// jmp rel32 (e9) or call rel32 (e8), five bytes, standing at `at`.
std::array<std::uint8_t, 5> rel32_branch(std::uint8_t opcode, Addr at, Addr to);

class CodeArea {
  public:
    CodeArea(std::string name, std::uint64_t piece_bytes) : name_(std::move(name)), piece_(piece_bytes) {}

    /// The lowest free piece within reach of `text`, on a page that is mapped for it if need be. 0: no room near it.
    Addr take_near(Mm& mm, Addr text);
    /// The same, or any place that the kernel can find when there is no room near the text; 0 when there is none at
    /// all.
    Addr take(Mm& mm, Addr text);
    void give_back(Addr at);
    /// Puts `bytes` into a piece that is taken.
    void write(Mm& mm, Addr at, std::span<const std::uint8_t> bytes);
    [[nodiscard]] bool holds(Addr at) const;
    [[nodiscard]] std::uint64_t piece_bytes() const { return piece_; }
    [[nodiscard]] std::size_t pages() const { return pages_.size(); }
    [[nodiscard]] std::size_t taken() const { return in_use_; }

    /// The same pieces with the same contents for a forked child, in frames of its own.
    [[nodiscard]] CodeArea duplicate(Mm& child) const;

  private:
    struct Page {
        std::shared_ptr<MemoryInode> memory;
        std::vector<bool> taken;
    };
    std::map<Addr, Page>::iterator map_page(Mm& mm, Addr at);
    Addr piece_of(std::map<Addr, Page>::iterator it);

    std::string name_;
    std::uint64_t piece_;
    std::map<Addr, Page> pages_;
    std::size_t in_use_ = 0;
};

} // namespace trapline
