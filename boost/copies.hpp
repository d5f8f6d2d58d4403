// boost/copies.hpp: pieces of code that belong to probe points, and when they may be used again.
//
// A boosted probe has a copy of its instruction, a jump-optimised one a detour: code near the text that threads enter
// and leave without the kernel's knowledge, one piece for each probe point, for as long as that lives. Copies keeps
// them for a strategy: it finds them, makes them, gives a forked child its own, and retires them when their probe goes.
//
// A retired piece is entered no more, but a thread may still be inside. It is free when the kernel has looked where
// every thread is and found it empty (boost/inside.hpp); one whose address a signal frame may hold is never free.
// `Reuse::after_grace_period` is what seed 002 says instead: wait until every CPU has been through the scheduler.
//
//   obtain   slot-taken, slot-written             threads-checked, slot-freed first, if retired ones are left
//   retire   slot-retired, threads-checked (or grace-period), slot-freed
#pragma once

#include "boost/code_area.hpp"
#include "probes/uprobes.hpp"

#include <functional>

namespace trapline {

struct Copy {
    Addr at = 0;
    Addr probe = 0;
    Uprobe* owner = nullptr;
    std::uint8_t state = 0;    ///< the strategy's own
    bool retired = false;      ///< nobody enters it any more
    bool shown = false;        ///< a signal frame may hold its address: it is never reused
    unsigned users = 0;        ///< threads that are in the kernel and will come back into it
    std::vector<Addr> watched; ///< addresses in it whose fetches are reported (Copies::watch)
};

class Copies {
  public:
    enum class Reuse : std::uint8_t { when_empty, after_grace_period };
    enum class Where : std::uint8_t { near, anywhere };
    /// Writes the code of a new piece. False: it cannot be done, the piece is given back.
    using Prepare = std::function<bool(Mm&, Copy&)>;

    Copies(Uprobes& uprobes, std::string name, std::uint64_t bytes, Reuse reuse)
        : uprobes_(uprobes), name_(std::move(name)), bytes_(bytes), reuse_(reuse) {}

    /// The piece of the hit's probe point, nullptr when there is none.
    Copy* of(const Hit& hit);
    Copy* of(std::uint32_t mm, Addr probe, const Uprobe* owner);
    /// The piece that `inside` lies in, retired ones too.
    Copy* at(std::uint32_t mm, Addr inside);
    /// A piece for the hit, whose probe point has none; another thread may be faster. nullptr: there is no room, or
    /// `prepare` has refused.
    Path<Copy*> obtain(Hit hit, Where where, Prepare prepare);
    void write(Mm& mm, Addr at, std::span<const std::uint8_t> code) { spaces_[mm.id()].area.write(mm, at, code); }
    /// From now on fetches at `va`, which lies in the piece, are reported.
    void watch(Mm& mm, Copy& c, Addr va);
    /// The probe has gone. An empty path: it has no piece.
    Path<bool> retire(std::uint32_t mm, Addr probe, const Uprobe& owner);
    /// Is a thread in the piece, or on its way back into it?
    bool in_use(std::uint32_t mm, const Copy& c);
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
    /// All pieces in an address space, by address.
    const std::map<Addr, Copy>& all(std::uint32_t mm) { return spaces_[mm].copies; }

    /// While it lives, a thread is in the kernel and will go on in the piece at `at`.
    class Visit {
      public:
        Visit(Copies& copies, std::uint32_t mm, Addr at) : copies_(copies), mm_(mm), at_(at) {
            ++copies_.at(mm, at)->users;
        }
        ~Visit() {
            if (Copy* c = copies_.at(mm_, at_); c != nullptr) --c->users;
        }
        Visit(const Visit&) = delete;
        Visit& operator=(const Visit&) = delete;

      private:
        Copies& copies_;
        const std::uint32_t mm_;
        const Addr at_;
    };

    void duplicated(Mm& parent, Mm& child);
    void forget(Mm& mm);

  private:
    struct Space {
        explicit Space(CodeArea a) : area(std::move(a)) {}
        CodeArea area;
        std::map<Addr, Copy> copies;    // by the address of the piece
        std::map<Addr, Copy*> of_probe; // by the address of the probe point; without retired ones
    };
    struct Spaces : std::map<std::uint32_t, Space> { // by Mm::id
        explicit Spaces(Copies& c) : owner(c) {}
        Space& operator[](std::uint32_t mm) {
            return try_emplace(mm, CodeArea(owner.name_, owner.bytes_)).first->second;
        }
        Copies& owner;
    };
    bool armed(std::uint32_t mm, const Copy& c);
    Addr take(Mm& mm, Addr text, Where where);
    Path<bool> retire_now(std::uint32_t mm, Addr at);
    Path<bool> sweep(std::uint32_t mm);
    Path<bool> sweep_all(std::uint32_t mm);
    bool free(std::uint32_t mm, Addr at);

    Uprobes& uprobes_;
    const std::string name_;
    const std::uint64_t bytes_;
    const Reuse reuse_;
    Spaces spaces_{*this};
    Copy* last_ = nullptr; // the piece that was asked for last, in the address space last_mm_
    std::uint32_t last_mm_ = 0;
};

} // namespace trapline
