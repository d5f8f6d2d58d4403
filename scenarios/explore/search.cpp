#include "scenarios/explore/search.hpp"

#include "emu/check.hpp"

#include <algorithm>
#include <bit>

namespace trapline {
namespace {

/// The order in which tasks are tried at a place: to go on with the one that runs is simplest.
unsigned choose(TaskSet from, unsigned prefer) {
    if (prefer < 64 && (from & only(prefer)) != 0) return prefer;
    return static_cast<unsigned>(std::countr_zero(from));
}

} // namespace

TaskSet Search::asleep(const Node& n) const {
    TaskSet tasks = 0;
    for (const Asleep& a : n.sleep) tasks |= only(a.task);
    return tasks;
}

bool Search::preempts(const Node& n, unsigned task) const {
    return previous() < kTasks && previous() != task && (n.ready & only(previous())) != 0;
}

TaskSet Search::within_bound(const Node& n) {
    if (!limits_.preemptions || preemptions() < *limits_.preemptions) return n.ready;
    TaskSet tasks = 0;
    for (unsigned t = 0; t < kTasks; ++t)
        if ((n.ready & only(t)) != 0 && !preempts(n, t)) tasks |= only(t);
    counts_.beyond_bound |= tasks != n.ready;
    return tasks;
}

/// The place where the space is now.
Search::Node Search::enter() {
    Node n;
    n.ready = space_.ready();
    if (nodes_.empty() || reduction_ == Reduction::none) return n;
    Node& last = nodes_.back();
    // Who could have gone on there and cannot any more (it was killed) may never be seen again to race with that: the
    // other order is tried anyway.
    if (!last.fixed) last.backtrack |= last.ready & ~n.ready & ~only(last.task);
    for (const Asleep& a : last.sleep)
        if (a.task != last.task && !a.next->footprint.conflicts(last.stretch->footprint)) n.sleep.push_back(a);
    return n;
}

std::shared_ptr<Stretch> Search::blank() {
    if (spare_.empty()) return std::make_shared<Stretch>();
    std::shared_ptr<Stretch> s = std::move(spare_.back());
    spare_.pop_back();
    s->footprint.clear();
    s->made_ready = 0;
    return s;
}

void Search::drop_last() {
    std::shared_ptr<Stretch>& s = nodes_.back().stretch;
    if (s != nullptr && s.use_count() == 1) spare_.push_back(std::move(s));
    nodes_.pop_back();
}

void Search::advance(Node n, unsigned task) {
    n.task = task;
    n.preemptions = preemptions() + (preempts(n, task) ? 1 : 0);
    if (reduction_ == Reduction::classes) n.stretch = blank();
    space_.advance(task, n.stretch.get());
    nodes_.push_back(std::move(n));
    if (reduction_ == Reduction::classes) order_last();
}

bool Search::before(std::size_t earlier, std::size_t later) const {
    const Node& e = nodes_[earlier];
    return nodes_[later].clock[e.task] >= e.clock[e.task];
}

/// Finds what happened before the last stretch, and where it might have come first.
void Search::order_last() {
    const std::size_t last = nodes_.size() - 1;
    Node& n = nodes_[last];
    Clock& clock = n.clock;
    clock = {};
    const auto join = [&](const Clock& other) {
        for (unsigned t = 0; t < kTasks; ++t) clock[t] = std::max(clock[t], other[t]);
    };
    // Its task's stretch before it, and whoever made the task ready since: no other order is possible.
    for (std::size_t i = last; i-- > 0;) {
        if (nodes_[i].task != n.task && (nodes_[i].stretch->made_ready & only(n.task)) == 0) continue;
        join(nodes_[i].clock);
        if (nodes_[i].task == n.task) break;
    }
    std::vector<std::size_t> races;
    for (std::size_t i = last; i-- > 0;) {
        const Node& e = nodes_[i];
        if (clock[e.task] >= e.clock[e.task]) continue;
        if (!e.stretch->footprint.conflicts(n.stretch->footprint)) continue;
        races.push_back(i);
        join(e.clock);
    }
    ++clock[n.task];
    for (std::size_t i : races) reverse(i);
}

/// The last stretch might have come before `earlier`: notes a task that begins such an order.
void Search::reverse(std::size_t earlier) {
    Node& place = nodes_[earlier];
    if (place.fixed) return; // all its tasks are run anyway
    const std::size_t last = nodes_.size() - 1;
    // What can be run without `earlier`, then the last stretch; a task whose first one there waits for none of the
    // others can begin.
    TaskSet begins = 0, seen = 0;
    std::vector<std::size_t> without;
    for (std::size_t i = earlier + 1; i <= last; ++i) {
        if (i != last && before(earlier, i)) continue;
        const TaskSet task = only(nodes_[i].task);
        if ((seen & task) == 0 &&
            std::none_of(without.begin(), without.end(), [&](std::size_t k) { return before(k, i); }))
            begins |= task;
        seen |= task;
        without.push_back(i);
    }
    if ((begins & (place.backtrack | asleep(place))) != 0) return;
    if (const TaskSet possible = begins & place.ready; possible != 0)
        place.backtrack |= only(choose(possible, nodes_[last].task));
    else
        place.backtrack |= place.ready;
}

void Search::replay() {
    space_.restart();
    for (const Node& n : nodes_) space_.advance(n.task, nullptr);
}

/// Goes down a path whose places belong to nobody's part. False: it is covered by others.
bool Search::walk(const TaskOrder& path) {
    replay();
    for (unsigned wanted : path) {
        Node n = enter();
        TL_CHECK((n.ready & only(wanted)) != 0, "a part of the search begins with a task that cannot go on");
        if ((asleep(n) & only(wanted)) != 0) return false;
        n.fixed = true;
        (void)within_bound(n); // says whether the bound keeps a part from being searched
        // Those that are tried before it here are asleep below.
        for (TaskSet left = n.ready & ~asleep(n); reduction_ == Reduction::classes;) {
            const unsigned sibling = choose(left, previous());
            if (sibling == wanted) break;
            left &= ~only(sibling);
            auto next = std::make_shared<Stretch>();
            space_.advance(sibling, next.get());
            n.sleep.push_back({sibling, std::move(next)});
            replay();
        }
        advance(std::move(n), wanted);
    }
    return true;
}

Search::Run Search::extend() {
    for (;;) {
        if (nodes_.size() >= limits_.longest) return Run::cut;
        Node n = enter();
        if (n.ready == 0) return Run::complete;
        const TaskSet candidates = reduction_ == Reduction::classes ? n.ready & ~asleep(n) : within_bound(n);
        if (candidates == 0) return Run::blocked;
        const unsigned task = choose(candidates, previous());
        n.backtrack = reduction_ == Reduction::classes ? only(task) : candidates;
        advance(std::move(n), task);
    }
}

/// To the last place where something is left to be run, and runs the first stretch of that. False: nothing is left.
bool Search::back() {
    while (!nodes_.empty() && !nodes_.back().fixed) {
        Node& n = nodes_.back();
        n.done |= only(n.task);
        if (reduction_ == Reduction::classes) n.sleep.push_back({n.task, n.stretch});
        const TaskSet left = n.backtrack & ~n.done & (reduction_ == Reduction::classes ? ~asleep(n) : ~TaskSet{0});
        if (left == 0) {
            drop_last();
            continue;
        }
        Node again = std::move(n);
        nodes_.pop_back();
        replay();
        const unsigned task = choose(left, previous());
        advance(std::move(again), task);
        return true;
    }
    return false;
}

SearchCounts Search::go(const TaskOrder& path, const Visit& visit) {
    if (!walk(path)) {
        counts_.exhausted = true;
        return counts_;
    }
    for (std::uint64_t runs = 0; runs < limits_.runs; ++runs) {
        const Run run = extend();
        ++(run == Run::complete ? counts_.complete : run == Run::blocked ? counts_.blocked : counts_.cut);
        const bool go_on = visit(run, *this);
        if (!back()) {
            counts_.exhausted = true;
            break;
        }
        if (!go_on) break;
    }
    return counts_;
}

std::vector<TaskOrder> Search::parts(SearchSpace& space, Reduction reduction, std::size_t wanted,
                                     const TaskOrder& prefix, std::optional<std::uint32_t> preemptions) {
    constexpr std::size_t kDeepest = 48;
    SearchLimits limits;
    limits.preemptions = preemptions;
    std::vector<TaskOrder> paths = {prefix};
    for (std::size_t depth = prefix.size(); depth < prefix.size() + kDeepest && paths.size() < wanted; ++depth) {
        std::vector<TaskOrder> longer;
        for (const TaskOrder& path : paths) {
            if (path.size() < depth) { // ended before
                longer.push_back(path);
                continue;
            }
            Search at(space, reduction, limits);
            if (!at.walk(path)) continue;
            const Node n = at.enter();
            if (n.ready == 0) longer.push_back(path);
            for (TaskSet left = at.within_bound(n) & ~at.asleep(n); left != 0;) {
                const unsigned task = choose(left, at.previous());
                left &= ~only(task);
                longer.push_back(path);
                longer.back().push_back(task);
            }
        }
        paths = std::move(longer);
    }
    return paths;
}

TaskSet Search::tasks() const {
    TaskSet all = 0;
    for (const Node& n : nodes_) all |= only(n.task);
    return all;
}

TaskOrder Search::order() const {
    TaskOrder all;
    for (const Node& n : nodes_) all.push_back(n.task);
    return all;
}

} // namespace trapline
