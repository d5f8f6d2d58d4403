#include "tools/debug/memory.hpp"

#include "loader/process_state.hpp"

#include <array>
#include <cstring>

namespace trapline {
namespace {

using Page = std::array<std::uint8_t, kPageSize>;

bool look_at_file(const Vma& v, Addr page, Page& out) {
    const std::uint64_t at = v.file_offset(page);
    return v.inode && at < v.inode->size() && v.inode->look(at / kPageSize, out.data());
}

bool look_at_page(Mm& mm, Addr page, Page& out) {
    if (const FrameNo f = mm.frame_at(page); f != 0) {
        std::memcpy(out.data(), mm.frames().data(f), kPageSize);
        return true;
    }
    const Vma* v = mm.find(page);
    if (v == nullptr) return false;
    if (v->inode) return look_at_file(*v, page, out);
    out.fill(0);
    return true;
}

template <class Look> std::string gather(Addr a, std::size_t bytes, Look look) {
    std::string out;
    Page page;
    while (out.size() < bytes) {
        const Addr at = a + out.size();
        if (!look(page_floor(at), page)) break;
        const std::size_t n = std::min<std::size_t>(bytes - out.size(), kPageSize - (at & kPageMask));
        out.append(reinterpret_cast<const char*>(page.data()) + (at & kPageMask), n);
    }
    return out;
}

} // namespace

std::string peek_memory(Mm& mm, Addr a, std::size_t bytes) {
    return gather(a, bytes, [&mm](Addr page, Page& out) { return look_at_page(mm, page, out); });
}

std::string peek_original(Uprobes& uprobes, Mm& mm, Addr a, std::size_t bytes) {
    return gather(a, bytes, [&](Addr page, Page& out) {
        const Vma* v = mm.find(page);
        // Probes copy pages of files that the program itself does not write to; the file has what was there before.
        const bool probed =
            v != nullptr && v->inode && (v->prot & prot::write) == 0 && uprobes.text_page(mm, page) != nullptr;
        return probed ? look_at_file(*v, page, out) : look_at_page(mm, page, out);
    });
}

std::string peek_auxv(Process& p) {
    if (p.system == nullptr || !p.mm) return {};
    Addr at = state_of(p).stack_pointer;
    const auto word = [&](Addr a) {
        const std::string bytes = peek_memory(*p.mm, a, 8);
        std::uint64_t value = 0;
        if (bytes.size() == 8) std::memcpy(&value, bytes.data(), 8);
        return value;
    };
    at += 8 * (word(at) + 2); // the number of arguments, they, and a null
    while (word(at) != 0) at += 8;
    at += 8;
    std::string out;
    for (constexpr std::size_t kMost = 64 * 16; out.size() < kMost; at += 16) {
        out += peek_memory(*p.mm, at, 16);
        if (word(at) == 0) break; // AT_NULL
    }
    return out;
}

} // namespace trapline
