// loader/syscalls/futex.hpp: who sleeps on which futex.
//
// A futex is a 32-bit word in user memory. A private mapping's word is known by its address space and address, a shared
// one's by the file and the place in it, so that processes meet (futex(2)). Waiters are woken in the order in which
// they came. Each waits on a record in the frame of its own path, which takes itself out of the list when the path
// ends, however it ends. Read next: futex.cpp for the calls.
#pragma once

#include "emu/kernel/kernel.hpp"

#include <compare>
#include <list>
#include <map>

namespace trapline {

class System;

struct FutexKey {
    bool shared = false;
    std::uint64_t object = 0; ///< an inode's number, or an address space's
    std::uint64_t place = 0;  ///< a place in the file, or an address
    auto operator<=>(const FutexKey&) const = default;
};

class Futexes {
  public:
    explicit Futexes(Kernel& kernel) : kernel_(kernel) {}

    class Waiter {
      public:
        Waiter(Futexes& futexes, Task& task, const FutexKey& key, std::uint32_t bits);
        ~Waiter() { leave(); }
        Waiter(const Waiter&) = delete;
        Waiter& operator=(const Waiter&) = delete;
        /// False once somebody has woken it.
        [[nodiscard]] bool waiting() const { return waiting_; }

      private:
        friend class Futexes;
        void leave();
        Futexes& futexes_;
        Task& task_;
        FutexKey key_;
        std::uint32_t bits_;
        bool waiting_ = true;
        std::list<Waiter*>::iterator place_; ///< in its queue: leaving is quick however many wait
    };

    [[nodiscard]] static FutexKey key(Mm& mm, Addr a);
    /// Wakes up to `n` waiters that share a bit with `bits`; returns how many.
    unsigned wake(const FutexKey& key, unsigned n, std::uint32_t bits = ~0u);
    unsigned wake(Mm& mm, Addr a, unsigned n) { return wake(key(mm, a), n); }
    /// Lets up to `n` waiters go on waiting at another word; returns how many.
    unsigned requeue(const FutexKey& from, const FutexKey& to, unsigned n);

  private:
    Kernel& kernel_;
    std::map<FutexKey, std::list<Waiter*>> queues_;
};

/// The thread is about to end: locks that it holds are marked and handed on (set_robust_list(2)).
void release_robust_futexes(System& system, Task& t);

} // namespace trapline
