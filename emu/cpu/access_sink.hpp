// emu/cpu/access_sink.hpp: what a stretch of a run touched.
//
// A search has to know whether two stretches of different threads can be exchanged: they can unless one writes what the
// other reads or writes. The kernel's steps say so themselves (emu/kernel/steps.inc); of user code, and of the kernel's
// accesses to user memory, the machine tells a sink, if there is one. Without one it costs nothing.
#pragma once

#include "emu/types.hpp"

#include <span>

namespace trapline {

class AccessSink {
  public:
    virtual ~AccessSink() = default;
    /// [at, at + bytes) of physical memory is read or written; if that is not in one frame, the rest lies elsewhere.
    virtual void memory(PhysAddr at, std::uint64_t bytes, bool write) = 0;
    /// What is mapped at `page` has changed, in the address space `space`. `frames`: what was there, what is there now,
    /// and what that is a copy of; 0 for none.
    virtual void mapping(std::uint32_t space, Addr page, std::span<const FrameNo> frames) = 0;
    /// The instructions in [va, va + bytes), in the address space on the CPU, are entered.
    virtual void code(Addr va, std::uint32_t bytes) = 0;
};

} // namespace trapline
