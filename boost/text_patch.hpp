// boost/text_patch.hpp: replacing the bytes of an instruction, or of several, while threads run through them.
//
// Other CPUs fetch instructions at any moment, so more than one byte cannot be replaced at once. The protocol is the
// kernel's for its own text (facts 1b): an int3 stands in the first byte, so that whoever arrives traps and is served
// as an ordinary hit; the other bytes are written; the first byte is written. After each of these writes all CPUs are
// made to serialise, so that none goes on with bytes that it fetched before. Every write is a step of its own.
//
//   write_over_breakpoint   int3 -> new bytes    cores-synced, text-tail, cores-synced, text-head, cores-synced
//   write_back_tail         new bytes -> int3    text-armed, cores-synced, text-tail, cores-synced
//
// A thread that stands behind the first byte is not caught by this: the caller must know that there is none.
#pragma once

#include "probes/uprobes.hpp"

#include <functional>
#include <vector>

namespace trapline {

/// Asked after every step: false when the place is gone or somebody else's, and nothing more must be written.
using StillOurs = std::function<bool()>;

/// An armed int3 stands at `va`; it and the bytes behind it become `bytes`, all in one page. False: not completed.
Path<bool> write_over_breakpoint(Uprobes& uprobes, Mm& mm, Addr va, std::vector<std::uint8_t> bytes, StillOurs ours);
/// Puts the int3 back at `va` and then `tail` behind it; whoever asked writes the first byte. False: not completed.
Path<bool> write_back_tail(Uprobes& uprobes, Mm& mm, Addr va, std::vector<std::uint8_t> tail, StillOurs ours);

/// What serialises changes of one address space's text: its mmap lock, for writing. Whoever cannot sleep (a path that
/// runs at once) breaks it, and the one who held it writes nothing more.
class TextLock {
  public:
    /// The path is done when the lock is the caller's; its number has to be given back.
    Path<std::uint64_t> take(Kernel& kernel);
    void give_back(Kernel& kernel, std::uint64_t number);
    [[nodiscard]] bool busy() const { return holder_ != 0; }
    [[nodiscard]] bool holds(std::uint64_t number) const { return holder_ == number; }

  private:
    std::uint64_t holder_ = 0, last_ = 0;
    WaitQueue waiters_;
};

} // namespace trapline
