#include "scenarios/explore/sample.hpp"

#include <algorithm>
#include <bit>

namespace trapline {
namespace {

using Method = ExploreSection::Method;

constexpr std::uint64_t kTop = 1ull << 62; // pct: first priorities lie above, lowered ones are small

bool interrupts(unsigned previous, unsigned task, TaskSet ready) {
    return previous < 64 && previous != task && (ready & only(previous)) != 0;
}

} // namespace

Sampler::Sampler(SearchSpace& space, const ExploreSection& section, std::size_t longest)
    : space_(space), section_(section), longest_(longest) {
    space_.restart();
    unsigned task = space_.holder();
    std::uint64_t length = 0;
    for (TaskSet ready = space_.ready(); ready != 0 && length < longest_; ready = space_.ready(), ++length) {
        if (task >= kTasks || (ready & only(task)) == 0) task = static_cast<unsigned>(std::countr_zero(ready));
        Stretch stretch;
        space_.advance(task, &stretch);
        known_[task].push_back(std::move(stretch.footprint));
    }
    // Interrupted runs are longer: restarts, waits.
    assumed_length_ = 2 * length;
}

void Sampler::begin(std::uint64_t seed) {
    rng_ = Rng(seed);
    rng_ = Rng(rng_.next()); // neighbours as seeds make no neighbours as runs
    seen_ = 0;
    stretches_ = {};
    changes_.clear();
    if (section_.method != Method::pct) return;
    for (std::uint32_t i = 1; i < section_.depth; ++i)
        changes_.push_back(1 + rng_.below(std::max<std::uint64_t>(assumed_length_, 1)));
}

/// Whether the stretch that `task` has just run and the one that `pending` will run next may conflict.
bool Sampler::race(unsigned task, unsigned pending) const {
    const std::uint64_t mine = stretches_[task] - 1, its = stretches_[pending];
    if (mine >= known_[task].size() || its >= known_[pending].size()) return true;
    return known_[task][mine].conflicts(known_[pending][its]);
}

unsigned Sampler::choose(TaskSet ready, unsigned previous) {
    if (section_.method == Method::random) {
        auto nth = rng_.below(static_cast<unsigned>(std::popcount(ready)));
        for (; nth > 0; --nth) ready &= ready - 1;
        return static_cast<unsigned>(std::countr_zero(ready));
    }
    unsigned best = kTasks;
    for (TaskSet left = ready; left != 0; left &= left - 1) {
        const auto t = static_cast<unsigned>(std::countr_zero(left));
        if ((seen_ & only(t)) == 0) priority_[t] = kTop + (rng_.next() >> 2);
        seen_ |= only(t);
        const bool tie = best < kTasks && priority_[t] == priority_[best];
        if (best == kTasks || priority_[t] > priority_[best] || (tie && t == previous)) best = t;
    }
    return best;
}

void Sampler::done(unsigned task, std::uint64_t at) {
    ++stretches_[task];
    if (section_.method == Method::pct) {
        for (std::size_t i = 0; i < changes_.size(); ++i)
            if (changes_[i] == at) priority_[task] = changes_.size() - i;
    } else if (section_.method == Method::pos) {
        for (unsigned t = 0; t < kTasks; ++t)
            if (t == task || ((seen_ & only(t)) != 0 && race(task, t))) priority_[t] = rng_.next();
    }
}

Sampler::Sampled Sampler::run(std::uint64_t number) {
    begin(section_.seed + number);
    space_.restart();
    Sampled out;
    unsigned previous = space_.holder();
    for (TaskSet ready = space_.ready(); ready != 0; ready = space_.ready()) {
        if (out.length >= longest_) {
            out.ended = false;
            break;
        }
        const unsigned task = choose(ready, previous);
        out.tasks |= ready;
        out.preemptions += interrupts(previous, task, ready) ? 1 : 0;
        space_.advance(task, nullptr);
        done(task, ++out.length);
        previous = task;
    }
    return out;
}

} // namespace trapline
