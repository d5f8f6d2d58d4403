#include "probes/register.hpp"

#include <cerrno>

namespace trapline {

int register_uprobe(Uprobes& uprobes, UserProbe& probe) {
    Process* p = uprobes.kernel().process(probe.pid);
    if (p == nullptr || p->zombie) return -ESRCH;
    if (!probe.handler) return -EINVAL;
    if (probe.consumer.uprobe != nullptr) return -EBUSY;
    probe.consumer.handler = [&probe](HitContext& context) { probe.handler(probe, context); };
    probe.consumer.in_interrupt = probe.handler_in_interrupt;
    return uprobes.add_at_now(probe.consumer, *p, probe.vaddr);
}

void unregister_uprobe(Uprobes& uprobes, UserProbe& probe) { uprobes.remove_now(probe.consumer); }

} // namespace trapline
