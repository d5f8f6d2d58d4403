// probes/register.hpp: the programming interface in the shape of 2010 (seed 004, section 4).
//
// A module fills in a struct and registers it; the handler is called with the thread stopped at the probe point.
//
//     trapline::UserProbe probe;
//     probe.pid = process.pid;
//     probe.vaddr = 0x401136;
//     probe.handler = [](UserProbe&, HitContext& regs) { ... };
//     int error = register_uprobe(uprobes, probe);
//     ...
//     unregister_uprobe(uprobes, probe);   // at any time, also from inside a handler; a no-op when it is not
//     registered
#pragma once

#include "probes/uprobes.hpp"

namespace trapline {

struct UserProbe {
    int pid = 0;    ///< the process to probe
    Addr vaddr = 0; ///< of the instruction's first byte
    std::function<void(UserProbe&, HitContext&)> handler;
    bool handler_in_interrupt = false; ///< run the handler in the trap, where nothing else can happen on this CPU

    UserProbe() = default;
    UserProbe(const UserProbe&) = delete;
    UserProbe& operator=(const UserProbe&) = delete;
    Consumer consumer; ///< the kernel's
};

/// 0, or a negative errno: -ESRCH no such process, -EINVAL not in an executable mapping of a file or no handler, -EBUSY
/// registered already, -EEXIST a breakpoint is there already, and what the dialect refuses.
int register_uprobe(Uprobes& uprobes, UserProbe& probe);
void unregister_uprobe(Uprobes& uprobes, UserProbe& probe);

} // namespace trapline
