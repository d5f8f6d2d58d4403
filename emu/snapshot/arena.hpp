// emu/snapshot/arena.hpp: the heap is the state: a machine's objects in one region of host memory that can be put back.
//
// Everything that a machine may change lies in C++ objects: tasks, page tables' owners, the scheduler's queues, probes,
// and the frames of suspended kernel paths, with all the pointers between them. A search that wants to go back in time
// could serialise all that; it is far simpler, and cannot be forgotten when a class gets a new member, to keep the
// objects where they are and to copy the memory back. So `operator new` takes from here while an Arena::Use is in
// scope, and `operator delete` knows by the address where a block came from. The allocator's own state lies in the
// region too: when the region is put back, what was allocated since has never been.
//
// What must not be put back stays out with an Arena::Off: the CPU engine's mirrors (what has been translated), a
// search's own notes. What is allocated with malloc, by C libraries and by the engine, never comes here.
//
// One arena a process, used by one thread. Blocks of up to 2 KiB come from pages of one size each, larger ones are
// whole pages. Read next: emu/snapshot/snapshot.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace trapline {

class Arena {
  public:
    /// While in scope, this thread's `operator new` takes from the arena.
    class Use {
      public:
        Use();
        ~Use() { active_ = before_; }
        Use(const Use&) = delete;
        Use& operator=(const Use&) = delete;

      private:
        bool before_;
    };
    /// While in scope, it does not.
    class Off {
      public:
        Off() : before_(active_) { active_ = false; }
        ~Off() { active_ = before_; }
        Off(const Off&) = delete;
        Off& operator=(const Off&) = delete;

      private:
        bool before_;
    };

    [[nodiscard]] static bool active() { return active_; }
    [[nodiscard]] static bool owns(const void* p) {
        return static_cast<std::size_t>(static_cast<const std::uint8_t*>(p) - base_) < kBytes;
    }
    /// What has ever been handed out, and the allocator's own state: all that a snapshot must keep. Page-aligned.
    [[nodiscard]] static std::span<std::uint8_t> used();
    /// Bytes handed out and not given back, for tests.
    [[nodiscard]] static std::size_t bytes_in_use();

    static void* allocate(std::size_t bytes);
    static void release(void* p);

  private:
    static constexpr std::size_t kBytes = std::size_t{1} << 32; // of address space; memory is used where it is touched
    static constinit thread_local bool active_;
    static std::uint8_t* base_; // before the first use, a place that owns nothing
};

} // namespace trapline
