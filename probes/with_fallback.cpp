#include "probes/with_fallback.hpp"

namespace trapline {

Path<bool> WithFallback::emulated(Hit hit, Addr next) {
    Kernel& k = uprobes.kernel();
    k.set(hit.task, Reg::rip, next);
    uprobes.completed(hit.task, *hit.uprobe);
    if (k.trap_flag(hit.task)) uprobes.signal_own_step(hit.task);
    co_await k.step(hit.task, Step::emulated, hit.address, next);
    co_await uprobes.resume(hit, next);
    co_return true;
}

} // namespace trapline
