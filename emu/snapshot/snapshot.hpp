// emu/snapshot/snapshot.hpp: a machine at one moment, to which it can be put back a million times.
//
// A machine is two regions of memory: its objects (emu/snapshot/arena.hpp) and guest RAM (emu/mm/frames.hpp). A
// Snapshot tracks both (emu/snapshot/pages.hpp), so putting a machine back costs in proportion to the pages that runs
// since have changed. It works wherever the engine is not executing, between two choices of the scheduler: also in the
// middle of a kernel path, whose coroutine frames lie in the arena.
//
// Three things are not in these regions. The engine's registers: they are brought home first, and loaded anew. What it
// has translated: a translation is good as long as the bytes are the same, whenever that is (Cpu::drop_code), so most
// of it stays. And the host's descriptors (emu/snapshot/descriptors.hpp).
#pragma once

#include "emu/kernel/kernel.hpp"
#include "emu/snapshot/pages.hpp"

namespace trapline {

class Snapshot {
  public:
    /// The kernel, and all that belongs to its machine, was made inside an Arena::Use. One snapshot at a time.
    explicit Snapshot(Kernel& kernel);
    /// The machine stays as it is.
    ~Snapshot();
    Snapshot(const Snapshot&) = delete;
    Snapshot& operator=(const Snapshot&) = delete;

    /// The machine is again what it was when the snapshot was taken. Not while the kernel runs.
    void restore();
    /// Pages that a restore copies.
    [[nodiscard]] std::size_t pages() const { return objects_.hot().size() + ram_.hot().size(); }

  private:
    Kernel& kernel_;
    TrackedPages objects_, ram_;
};

} // namespace trapline
