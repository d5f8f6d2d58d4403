// emu/mm/vma.hpp: one virtual memory area: a range of addresses that is mapped the same way.
#pragma once

#include "emu/mm/inode.hpp"

#include <memory>

namespace trapline {

/// Protection bits, with Linux's PROT_* values.
namespace prot {
inline constexpr std::uint8_t none = 0, read = 1, write = 2, exec = 4;
}

struct Vma {
    Addr start = 0, end = 0;      ///< page-aligned, end exclusive
    std::uint8_t prot = 0;        ///< prot:: bits
    bool shared = false;          ///< MAP_SHARED: writes go to the inode's frames
    bool may_write = true;        ///< VM_MAYWRITE: false for a shared mapping of a file that was opened for reading
    bool grows_down = false;      ///< a stack
    bool dont_copy = false;       ///< VM_DONTCOPY: not inherited by fork
    bool hidden = false;          ///< not in /proc/PID/maps (seed 001: "simply not exporting the information")
    bool sealed = false;          ///< mprotect EACCES, mremap EPERM: the kernel's own areas (facts: XOL page abuse)
    std::shared_ptr<Inode> inode; ///< nullptr: private anonymous memory
    std::uint64_t offset = 0;     ///< of `start` in the inode, bytes
    std::string name;             ///< "[heap]", "[stack]", "[uprobes]", or empty: the inode's

    [[nodiscard]] bool contains(Addr a) const { return a >= start && a < end; }
    [[nodiscard]] std::uint64_t file_offset(Addr a) const { return offset + (a - start); }
    [[nodiscard]] const std::string& label() const { return inode && name.empty() ? inode->name : name; }
};

} // namespace trapline
