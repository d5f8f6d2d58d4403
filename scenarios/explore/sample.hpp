// scenarios/explore/sample.hpp: single runs of a space, chosen by chance.
//
//   random   at every scheduling point any ready task, all equally likely
//   pct      probabilistic concurrency testing (Burckhardt and others, ASPLOS 2010): the task with the highest random
//            priority runs; at depth - 1 random points it drops below all others. A bug that needs `depth` ordering
//            constraints is found by one run with a probability of at least 1 / (n * k^(depth - 1)), n tasks and at
//            most k scheduling points
//   pos      partial order sampling (Yuan, Yang, Gu, CAV 2018): every pending stretch has a random priority, and one
//            that raced with the stretch just run draws a new one, so that orders of conflicts come out more evenly
//            than with a random walk
//
// pos must know what a pending stretch will touch. It knows what the same stretch of the same task touched in a first
// run in which nobody was interrupted, and takes one that was not there for touching everything.
#pragma once

#include "emu/rng.hpp"
#include "scenarios/explore/space.hpp"
#include "scenarios/scenario.hpp"

#include <array>
#include <cstdint>
#include <vector>

namespace trapline {

class Sampler {
  public:
    /// Makes a first run, which is not counted, to learn how long runs are.
    Sampler(SearchSpace& space, const ExploreSection& section, std::size_t longest);

    struct Sampled {
        bool ended = true; ///< false: it was given up, as too long
        std::uint64_t length = 0, preemptions = 0;
        TaskSet tasks = 0;
    };
    /// Run number `number` of the section's seed; the space is left at its end.
    Sampled run(std::uint64_t number);
    /// The k of pct's guarantee: it holds if no run is longer.
    [[nodiscard]] std::uint64_t assumed_length() const { return assumed_length_; }

  private:
    static constexpr unsigned kTasks = 64;
    void begin(std::uint64_t seed);
    unsigned choose(TaskSet ready, unsigned previous);
    void done(unsigned task, std::uint64_t at);
    [[nodiscard]] bool race(unsigned task, unsigned pending) const;

    SearchSpace& space_;
    const ExploreSection& section_;
    const std::size_t longest_;
    std::uint64_t assumed_length_ = 0;
    std::array<std::vector<Footprint>, kTasks> known_; // by task and number of its stretch
    // Of the run.
    Rng rng_{0};
    std::array<std::uint64_t, kTasks> priority_{}, stretches_{};
    TaskSet seen_ = 0;
    std::vector<std::uint64_t> changes_; // pct: at which stretch the priority drops, in the order of the drops
};

} // namespace trapline
