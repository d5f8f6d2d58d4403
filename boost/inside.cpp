#include "boost/inside.hpp"

#include <algorithm>

namespace trapline {

bool anyone_inside(Kernel& kernel, std::uint32_t mm, Addr from, Addr to) {
    return std::any_of(kernel.tasks().begin(), kernel.tasks().end(), [&](const std::unique_ptr<Task>& t) {
        if (!t->alive() || t->process == nullptr || !t->process->mm || t->process->mm->id() != mm) return false;
        const Addr rip = kernel.get(*t, Reg::rip);
        return rip >= from && rip < to;
    });
}

void count_look(Uprobes& uprobes) { uprobes.counters.ipis += uprobes.kernel().config().cpus - 1; }

} // namespace trapline
