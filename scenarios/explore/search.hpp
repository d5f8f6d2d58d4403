// scenarios/explore/search.hpp: which orders of a space's stretches are run.
//
// Three ways, all depth first and all by running from the start again and again:
//
//   every order         what the others are checked against; grows with the factorial
//   at most n preemptions   every order in which a task that could have gone on was interrupted at most n times; n = 0,
//                       1, 2 ... finds a simplest counterexample first (CHESS; a missed probe needs one)
//   one of each class   dynamic partial-order reduction with source sets and sleep sets (Abdulla, Aronis, Jonsson,
//                       Sagonas: "Source Sets: A Foundation for Optimal Dynamic Partial Order Reduction", JACM 2017).
//                       Two orders are in one class if they differ in the order of stretches that do not conflict; they
//                       end in the same state, so one is run. The search is complete: every class is reached.
//
// How the reduction works. A run is a list of stretches, each with a clock that says what happened before it. When a
// stretch conflicts with an earlier one of another task and nothing between orders them, the other order is possible:
// at the earlier one's place a task is noted that begins that order (`backtrack`). Before leaving a place, what was run
// from there falls asleep: it need not be run again later until something conflicts with it.
//
// A search can be cut into parts: the places of the first few stretches are expanded fully, and each path through them
// is a part that depends on no other (`parts`). Read next: scenarios/explore/machine_space.hpp.
#pragma once

#include "scenarios/explore/space.hpp"

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace trapline {

/// The order of one run: the task that was advanced, stretch by stretch.
using TaskOrder = std::vector<unsigned>;

enum class Reduction : std::uint8_t {
    none,    ///< every order
    classes, ///< one order of each class
};

struct SearchLimits {
    std::uint64_t runs = ~0ull;               ///< of any kind
    std::size_t longest = 20'000;             ///< stretches in a run; a longer one is cut
    std::optional<std::uint32_t> preemptions; ///< nothing: unbounded. Only with Reduction::none
};

struct SearchCounts {
    std::uint64_t complete = 0; ///< runs that came to their end
    std::uint64_t blocked = 0;  ///< runs that were given up because others cover them (sleep sets)
    std::uint64_t cut = 0;      ///< runs that did not end
    bool exhausted = false;     ///< nothing is left to be run
    bool beyond_bound = false;  ///< the preemption bound kept something from being run
};

class Search {
  public:
    enum class Run : std::uint8_t { complete, blocked, cut };
    /// Called when a run is over; false ends the search.
    using Visit = std::function<bool(Run, const Search&)>;

    Search(SearchSpace& space, Reduction reduction, SearchLimits limits)
        : space_(space), reduction_(reduction), limits_(limits) {}

    /// Runs what is below `path` (everything, if that is empty). May be called once.
    SearchCounts go(const TaskOrder& path, const Visit& visit);
    /// Paths that together cover what is below `prefix`, at least `wanted` of them unless there are not so many; in
    /// order. A bound on preemptions must be the one with which the parts are searched.
    static std::vector<TaskOrder> parts(SearchSpace& space, Reduction reduction, std::size_t wanted,
                                        const TaskOrder& prefix = {}, std::optional<std::uint32_t> preemptions = {});

    /// The run so far: what was advanced, and how often a task was interrupted that could have gone on.
    [[nodiscard]] TaskOrder order() const;
    [[nodiscard]] std::uint32_t preemptions() const { return nodes_.empty() ? 0 : nodes_.back().preemptions; }
    [[nodiscard]] std::size_t length() const { return nodes_.size(); }
    /// The tasks that were advanced.
    [[nodiscard]] TaskSet tasks() const;

  private:
    static constexpr unsigned kTasks = 64;
    using Clock = std::array<std::uint16_t, kTasks>; // for each task, how many of its stretches are at or before
    struct Asleep {
        unsigned task;
        std::shared_ptr<Stretch> next; // what it would do
    };
    struct Node { // a place, and the stretch that was run from there
        TaskSet ready = 0, backtrack = 0, done = 0;
        std::vector<Asleep> sleep;
        unsigned task = 0;
        std::shared_ptr<Stretch> stretch; // nullptr without reduction
        Clock clock{};                    // of the stretch
        std::uint32_t preemptions = 0;    // up to and with the stretch
        bool fixed = false;               // belongs to the path: not this search's to vary
    };

    [[nodiscard]] TaskSet asleep(const Node& n) const;
    [[nodiscard]] unsigned previous() const { return nodes_.empty() ? space_.holder() : nodes_.back().task; }
    [[nodiscard]] bool preempts(const Node& n, unsigned task) const;
    TaskSet within_bound(const Node& n);
    Node enter();
    void advance(Node n, unsigned task);
    void order_last();
    void reverse(std::size_t earlier);
    [[nodiscard]] bool before(std::size_t earlier, std::size_t later) const;
    void replay();
    bool walk(const TaskOrder& path);
    Run extend();
    bool back();
    std::shared_ptr<Stretch> blank();
    void drop_last();

    SearchSpace& space_;
    const Reduction reduction_;
    const SearchLimits limits_;
    SearchCounts counts_;
    std::vector<Node> nodes_;
    std::vector<std::shared_ptr<Stretch>> spare_; // to be used again: their vectors have grown
};

} // namespace trapline
