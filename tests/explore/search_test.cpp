// The search on spaces that are written down: every order can be enumerated, so what the reduction finds can be
// counted.
#include "emu/rng.hpp"
#include "scenarios/explore/search.hpp"

#include <doctest/doctest.h>
#include <map>
#include <set>
#include <string>

using namespace trapline;

namespace {

/// Tasks that read, write and lock a few variables, one operation a stretch.
struct Operation {
    enum Kind { read, write, lock, unlock, start, kill } kind;
    unsigned object; // a variable, a lock, or the task to be started or killed
};

class Toy final : public SearchSpace {
  public:
    explicit Toy(std::vector<std::vector<Operation>> tasks) : tasks_(std::move(tasks)) { restart(); }

    void restart() override {
        at_.assign(tasks_.size(), 0);
        seen_.assign(tasks_.size(), 1);
        variables_ = {};
        owner_ = {};
        waits_.assign(tasks_.size(), false);
        started_ = ~TaskSet{0};
        killed_ = 0;
        for (const auto& task : tasks_)
            for (const Operation& o : task)
                if (o.kind == Operation::start) started_ &= ~only(o.object);
        trace_.clear();
    }
    TaskSet ready() override {
        TaskSet tasks = 0;
        for (unsigned t = 0; t < tasks_.size(); ++t)
            if (at_[t] < tasks_[t].size() && !waits_[t] && (started_ & ~killed_ & only(t)) != 0) tasks |= only(t);
        return tasks;
    }
    void advance(unsigned t, Stretch* record) override {
        const Operation o = tasks_[t][at_[t]];
        Footprint f;
        TaskSet made_ready = 0;
        bool stays = false;
        switch (o.kind) {
        case Operation::read:
            f.memory(o.object * 8, 8, false);
            seen_[t] = seen_[t] * 31 + variables_[o.object];
            break;
        case Operation::write:
            f.memory(o.object * 8, 8, true);
            variables_[o.object] = seen_[t] * 7 + t + 1;
            break;
        case Operation::lock:
            f.kinds(1u << o.object, 1u << o.object);
            if (owner_[o.object] != 0) {
                waits_[t] = true; // tries again when it is woken
                stays = true;
            } else {
                owner_[o.object] = t + 1;
            }
            break;
        case Operation::unlock:
            f.kinds(1u << o.object, 1u << o.object);
            owner_[o.object] = 0;
            for (unsigned w = 0; w < tasks_.size(); ++w)
                if (waits_[w] && tasks_[w][at_[w]].object == o.object) {
                    waits_[w] = false;
                    made_ready |= only(w);
                }
            break;
        case Operation::start:
            started_ |= only(o.object);
            made_ready |= only(o.object);
            break;
        case Operation::kill:
            killed_ |= only(o.object);
            f.everything();
            break;
        }
        if (!stays) ++at_[t];
        f.seal();
        trace_.push_back({t, f, made_ready});
        if (record != nullptr) {
            record->footprint = f;
            record->made_ready = made_ready;
        }
    }

    [[nodiscard]] std::string state() const {
        std::string s;
        for (auto v : variables_) s += std::to_string(v) + " ";
        for (auto v : seen_) s += std::to_string(v) + " ";
        for (auto v : at_) s += std::to_string(v) + " ";
        return s;
    }
    /// The class of the run so far: each stretch's task with the longest chain of conflicts that leads to it, sorted.
    [[nodiscard]] std::string trace_class() const {
        std::vector<std::size_t> level(trace_.size(), 0);
        std::map<std::size_t, std::multiset<unsigned>> levels;
        for (std::size_t i = 0; i < trace_.size(); ++i) {
            for (std::size_t j = 0; j < i; ++j)
                if (trace_[i].task == trace_[j].task || trace_[i].footprint.conflicts(trace_[j].footprint) ||
                    (trace_[j].made_ready & only(trace_[i].task)) != 0)
                    level[i] = std::max(level[i], level[j] + 1);
            levels[level[i]].insert(trace_[i].task);
        }
        std::string s;
        for (const auto& [n, tasks] : levels) {
            for (unsigned t : tasks) s += static_cast<char>('a' + t);
            s += '.';
        }
        return s;
    }

  private:
    struct Done {
        unsigned task;
        Footprint footprint;
        TaskSet made_ready;
    };
    std::vector<std::vector<Operation>> tasks_;
    std::vector<std::size_t> at_;
    std::vector<std::uint64_t> seen_;
    std::array<std::uint64_t, 4> variables_{};
    std::array<unsigned, 4> owner_{};
    std::vector<bool> waits_;
    TaskSet started_ = 0, killed_ = 0;
    std::vector<Done> trace_;
};

struct Found {
    std::set<std::string> states, classes;
    SearchCounts counts;
};

Found search(Toy& toy, Reduction reduction, const TaskOrder& path = {}, SearchLimits limits = {}) {
    Found found;
    toy.restart();
    Search s(toy, reduction, limits);
    found.counts = s.go(path, [&](Search::Run run, const Search&) {
        if (run != Search::Run::complete) return true;
        found.states.insert(toy.state());
        found.classes.insert(toy.trace_class());
        return true;
    });
    return found;
}

std::vector<std::vector<Operation>> random_program(Rng& rng) {
    std::vector<std::vector<Operation>> tasks(2 + rng.below(2));
    const bool three = tasks.size() == 3;
    for (auto& task : tasks) {
        bool locked = false;
        const std::size_t length = 1 + rng.below(three ? 3 : 5);
        for (std::size_t i = 0; i < length; ++i) {
            const auto object = static_cast<unsigned>(rng.below(2));
            switch (rng.below(6)) {
            case 0:
            case 1:
                task.push_back({Operation::read, object});
                break;
            case 2:
            case 3:
                task.push_back({Operation::write, object});
                break;
            default:
                task.push_back({locked ? Operation::unlock : Operation::lock, 0});
                locked = !locked;
            }
        }
        if (locked) task.push_back({Operation::unlock, 0});
    }
    if (three && rng.below(2) == 0)
        tasks[0].insert(tasks[0].begin() + static_cast<long>(rng.below(2)), {Operation::start, 2});
    return tasks;
}

} // namespace

TEST_CASE("the reduction runs one order of each class, and no end state is lost") {
    std::uint64_t orders = 0, classes = 0;
    for (std::uint64_t seed = 0; seed < 400; ++seed) {
        CAPTURE(seed);
        Rng rng(seed);
        Toy toy(random_program(rng));
        const Found all = search(toy, Reduction::none);
        const Found reduced = search(toy, Reduction::classes);
        REQUIRE(all.counts.exhausted);
        REQUIRE(reduced.counts.exhausted);
        CHECK(reduced.states == all.states);
        CHECK(reduced.classes == all.classes);
        CHECK(reduced.counts.complete == all.classes.size());
        orders += all.counts.complete;
        classes += reduced.counts.complete;
    }
    CHECK(classes * 4 < orders); // otherwise nothing was reduced
}

TEST_CASE("a task that is killed could have gone on before, although it never does") {
    const std::vector<Operation> reader = {{Operation::read, 0}, {Operation::write, 1}, {Operation::write, 2}};
    Toy toy({{{Operation::write, 3}, {Operation::kill, 1}}, reader});
    const Found all = search(toy, Reduction::none);
    CHECK(all.states.size() == 4); // killed before each of its operations, or after all
    CHECK(search(toy, Reduction::classes).states == all.states);
}

TEST_CASE("the parts of a search find together what the whole finds, each class once") {
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        CAPTURE(seed);
        Rng rng(seed);
        Toy toy(random_program(rng));
        const Found whole = search(toy, Reduction::classes);
        std::set<std::string> states;
        std::uint64_t complete = 0;
        toy.restart();
        for (const TaskOrder& path : Search::parts(toy, Reduction::classes, 8)) {
            const Found part = search(toy, Reduction::classes, path);
            complete += part.counts.complete;
            states.insert(part.states.begin(), part.states.end());
        }
        CHECK(states == whole.states);
        CHECK(complete == whole.counts.complete);
    }
}

TEST_CASE("a bound on preemptions is a bound, and a high one changes nothing") {
    // Two tasks of three operations each that all conflict: C(6,3) = 20 orders. Without preemption there are two.
    const std::vector<Operation> task(3, {Operation::write, 0});
    Toy toy({task, task});
    const auto orders = [&](std::uint32_t bound) {
        SearchLimits limits;
        limits.preemptions = bound;
        return search(toy, Reduction::none, {}, limits).counts;
    };
    CHECK(orders(0).complete == 2);
    // One preemption: one of the two begins, stops after 1 or 2 of its operations, and the other runs to its end.
    CHECK(orders(1).complete == 2 + 4);
    CHECK(orders(1).beyond_bound);
    CHECK(orders(6).complete == 20);
    CHECK_FALSE(orders(6).beyond_bound);
}

TEST_CASE("a run that does not end is cut and counted as that") {
    const std::vector<Operation> task(10, {Operation::write, 0});
    Toy toy({task});
    SearchLimits limits;
    limits.longest = 5;
    const Found found = search(toy, Reduction::classes, {}, limits);
    CHECK(found.counts.cut == 1);
    CHECK(found.counts.complete == 0);
}
