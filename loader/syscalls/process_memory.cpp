// Memory of other processes.
#include "loader/syscalls/families.hpp"
#include "loader/syscalls/file_support.hpp"

#include <algorithm>
#include <array>

namespace trapline {
namespace {

long move_bytes(IoBuffer& from, IoBuffer& to) {
    std::array<std::uint8_t, kPageSize> piece;
    long total = 0;
    while (from.left() > 0 && to.left() > 0) {
        const std::size_t n = std::min<std::uint64_t>({piece.size(), from.left(), to.left()});
        const std::size_t taken = from.take(piece.data(), n);
        const std::size_t put = to.put(piece.data(), taken);
        total += static_cast<long>(put);
        if (put < n) return total != 0 ? total : -EFAULT;
    }
    return total;
}

/// `write`: from the caller's memory to the other process's.
long move_between(Call& c, bool write) {
    if (c.args[5] != 0) return -EINVAL;
    auto own = GuestBuffer::list(c.mm(), c.args[1], c.args[2]);
    if (!own) return own.error();
    const Task* other = c.kernel.task(static_cast<int>(c.args[0]));
    if (other == nullptr) return -ESRCH;
    auto theirs = GuestBuffer::list_in(c.mm(), *other->process->mm, c.args[3], c.args[4]);
    if (!theirs) return theirs.error();
    return write ? move_bytes(*own, *theirs) : move_bytes(*theirs, *own);
}

long process_vm_readv(Call& c) { return move_between(c, false); }
long process_vm_writev(Call& c) { return move_between(c, true); }

} // namespace

std::span<const SyscallInfo> process_memory_calls() {
    static constexpr SyscallInfo kCalls[] = {
        {310, "process_vm_readv", "ipupux", "full", process_vm_readv},
        {311, "process_vm_writev", "ipupux", "full", process_vm_writev},
    };
    return kCalls;
}

} // namespace trapline
