// boost/text_patch.hpp: replacing the bytes of an instruction, or of several, while threads run through them.
//
// Other CPUs fetch instructions at any moment, so more than one byte cannot be replaced at once. The protocol is the
// kernel's for its own text (Linux: text_poke_bp_batch): an int3 stands in the first byte, so that whoever arrives
// traps and is served as an ordinary hit; the other bytes are written; the first byte is written. After each of these
// writes all CPUs are made to serialise, so that none goes on with bytes that it fetched before. Every write is a step
// of its own.
//
//   write_over_breakpoint   int3 -> new bytes    cores-synced, text-tail, cores-synced, text-head, cores-synced
//   write_back_tail         new bytes -> int3    text-armed, cores-synced, text-tail, cores-synced
//
// A thread that stands behind the first byte is not caught by this: the caller must know that there is none.
#pragma once

#include "probes/uprobes.hpp"

#include <functional>
#include <memory>
#include <vector>

namespace trapline {

/// The probe's site at `va`, while it is armed there; nullptr also when the address space has gone.
Site* armed_site(Uprobes& uprobes, std::uint32_t mm, Addr va, const Uprobe& u);

/// Asked after every step: false when the place is gone or somebody else's, and nothing more must be written.
using StillOurs = std::function<bool()>;

/// An armed int3 stands at `va`; it and the bytes behind it become `bytes`, all in one page. False: not completed.
Path<bool> write_over_breakpoint(Uprobes& uprobes, Mm& mm, Addr va, std::vector<std::uint8_t> bytes, StillOurs ours);
/// Puts the int3 back at `va` and then `tail` behind it; whoever asked writes the first byte. False: not completed.
Path<bool> write_back_tail(Uprobes& uprobes, Mm& mm, Addr va, std::vector<std::uint8_t> tail, StillOurs ours);

/// What serialises changes of one address space's text: its mmap lock, for writing. Whoever cannot sleep (a path that
/// runs at once) breaks it, and the one who held it writes nothing more. A thread that dies gives it back; when the
/// address space goes, all who wait for it are woken.
class TextLock {
    struct State {
        std::uint64_t holder = 0, last = 0;
        bool gone = false;
        WaitQueue waiters;
    };

  public:
    explicit TextLock(Kernel& kernel) : kernel_(kernel) {}
    ~TextLock();
    TextLock(const TextLock&) = delete;
    TextLock& operator=(const TextLock&) = delete;

    /// Holds the lock while it lives.
    class Turn {
      public:
        Turn() = default;
        Turn(Turn&& other) noexcept;
        Turn& operator=(Turn&& other) noexcept;
        ~Turn() { give_back(); }
        [[nodiscard]] bool held() const { return state_ != nullptr && !state_->gone && state_->holder == number_; }

      private:
        friend class TextLock;
        void give_back();
        Kernel* kernel_ = nullptr;
        std::shared_ptr<State> state_;
        std::uint64_t number_ = 0;
    };
    /// The path is done when the lock is the caller's, or there is nothing to lock any more.
    Path<Turn> take();
    [[nodiscard]] bool busy() const { return state_->holder != 0; }

  private:
    static Path<Turn> wait(Kernel& kernel, std::shared_ptr<State> state);
    Kernel& kernel_;
    std::shared_ptr<State> state_ = std::make_shared<State>();
};

} // namespace trapline
