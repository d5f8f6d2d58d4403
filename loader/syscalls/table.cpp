#include "loader/syscalls/families.hpp"

#include <algorithm>

namespace trapline {

std::span<const SyscallInfo> syscall_table() {
    static const std::vector<SyscallInfo> table = [] {
        std::vector<SyscallInfo> all;
        for (std::span<const SyscallInfo> family :
             {clone_calls(), process_calls(), identity_calls(), thread_calls(), futex_calls(), signal_calls(),
              time_calls(), timer_calls(), system_calls(), memory_calls(), process_memory_calls(), segment_calls(),
              file_calls(), io_calls(), refused_calls()})
            all.insert(all.end(), family.begin(), family.end());
        std::sort(all.begin(), all.end(),
                  [](const SyscallInfo& a, const SyscallInfo& b) { return a.number < b.number; });
        return all;
    }();
    return table;
}

const SyscallInfo* syscall_info(std::uint64_t number) {
    static const std::vector<const SyscallInfo*> by_number = [] {
        std::vector<const SyscallInfo*> v;
        for (const SyscallInfo& i : syscall_table()) {
            v.resize(std::max(v.size(), static_cast<std::size_t>(i.number) + 1), nullptr);
            v[static_cast<std::size_t>(i.number)] = &i;
        }
        return v;
    }();
    return number < by_number.size() ? by_number[number] : nullptr;
}

} // namespace trapline
