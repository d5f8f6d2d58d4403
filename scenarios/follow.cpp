#include "scenarios/follow.hpp"

#include "scenarios/pct.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace trapline {
namespace {

constexpr std::uint64_t kUnlimited = 1ull << 40;

std::pair<std::uint64_t, std::uint64_t> position(const TokenSwitch& s) { return {s.steps, s.instructions}; }

TaskRef ref(const Task& t) {
    if (t.is_tracer) return {TaskRef::Kind::tracer, 1, static_cast<std::uint32_t>(std::stoul(t.name.substr(1)))};
    return parse_task(t.name).value();
}

} // namespace

std::unique_ptr<Policy> make_base_policy(const BasePolicy& policy) {
    if (const auto* r = std::get_if<policy::Random>(&policy)) return std::make_unique<RandomPolicy>(r->seed);
    if (const auto* p = std::get_if<policy::Pct>(&policy)) return std::make_unique<PctPolicy>(p->depth, p->seed);
    return std::make_unique<RoundRobin>();
}

Choice Follower::diverge(Scheduler& s, std::string why) {
    if (diverged_.empty()) diverged_ = std::move(why);
    kernel_->request_stop();
    return base_->pick(s);
}

void Follower::change(const Task* from, const Task* to) {
    const auto [steps, instructions] = kernel_->position();
    TokenSwitch s;
    s.steps = steps;
    s.instructions = instructions;
    if (to != nullptr) s.to = ref(*to);
    // Two changes at one position are one: the last.
    if (!switches_.empty() && position(switches_.back()) == position(s)) switches_.pop_back();
    switches_.push_back(s);
    if (from != nullptr && from != to && to != nullptr && from->state == Task::State::ready) ++preemptions_;
}

ScriptPolicy::ScriptPolicy(ScheduleScript script, std::unique_ptr<Policy> base, Resolve resolve)
    : Follower(std::move(base), {}), script_(std::move(script)), resolve_(std::move(resolve)) {}

ScriptPolicy::~ScriptPolicy() = default;

void ScriptPolicy::set_watches(const Task& t) {
    if (t.process == nullptr) return;
    for (std::size_t i = 0; i < item().until.size(); ++i) {
        const auto* place = std::get_if<ProbePlace>(&item().until[i].what);
        if (place == nullptr || watches_[i]) continue;
        if (std::optional<Addr> a = resolve_(*place, t)) {
            watches_[i] = a;
            watched_mm_ = t.process->mm;
            t.process->mm->fetch().watch(*a);
        }
    }
}

void ScriptPolicy::enter_item(Task& t) {
    change(task_, &t);
    entered_ = true;
    task_ = &t;
    start_time_ = t.user_time;
    seen_.assign(item().until.size(), 0);
    watches_.assign(item().until.size(), std::nullopt);
}

void ScriptPolicy::leave_item() {
    if (auto mm = watched_mm_.lock())
        for (const std::optional<Addr>& a : watches_)
            if (a) mm->fetch().unwatch(*a);
    watches_.clear();
    entered_ = false;
    ++index_;
    if (over()) change(task_, nullptr);
}

/// One of the item's events happened; true when that ends the item.
bool ScriptPolicy::happened(std::size_t event) {
    if (++seen_[event] < item().until[event].times) return false;
    leave_item();
    return true;
}

Choice ScriptPolicy::pick(Scheduler& s) {
    while (!over()) {
        const std::string name = to_string(item().task);
        Task* t = kernel_->task_named(name);
        if (t == nullptr) {
            const bool waits_for_exit =
                entered_ && std::any_of(item().until.begin(), item().until.end(), [](const ScheduleEvent& e) {
                    return std::holds_alternative<ScheduleEvent::Exit>(e.what);
                });
            task_ = nullptr;
            if (waits_for_exit) {
                leave_item();
                continue;
            }
            return diverge(s, diverged_text(item(), entered_ ? name + " has ended" : "there is no " + name + " yet"));
        }
        if (t->state != Task::State::ready)
            return diverge(
                s, diverged_text(item(), name + (t->state == Task::State::blocked ? " is asleep" : " cannot run") +
                                             " and nobody else may run"));
        if (!entered_) enter_item(*t);
        set_watches(*t);
        std::uint64_t budget = kUnlimited;
        bool ended = false;
        for (std::size_t i = 0; i < item().until.size() && !ended; ++i) {
            const auto* n = std::get_if<ScheduleEvent::Instructions>(&item().until[i].what);
            if (n == nullptr) continue;
            const std::uint64_t want = n->count * item().until[i].times;
            const std::uint64_t done = t->user_time - start_time_;
            if (done >= want) {
                leave_item();
                ended = true;
            } else {
                budget = std::min(budget, want - done);
            }
        }
        if (!ended) return {t, budget};
    }
    return base_->pick(s);
}

bool ScriptPolicy::switch_after_step(Scheduler& s, const Task& t, const Event& e) {
    if (over()) return base_->switch_after_step(s, t, e);
    // A new task's first event is what its creator did, who has the CPU.
    if (&t != task_ && e.step != Step::created) return false;
    const bool gone = e.step == Step::exited;
    if (gone) task_ = nullptr;
    if (!entered_) return false;
    for (std::size_t i = 0; i < item().until.size(); ++i) {
        const ScheduleEvent& event = item().until[i];
        if (const auto* step = std::get_if<ScheduleEvent::Step>(&event.what)) {
            if (step_info(e.step).name != step->name) continue;
            if (step->at && resolve_(*step->at, t) != e.object) continue;
        } else if (const auto* call = std::get_if<ScheduleEvent::Syscall>(&event.what)) {
            if (e.step != Step::syscall || e.text != call->name) continue;
        } else if (std::holds_alternative<ScheduleEvent::Exit>(event.what)) {
            if (!gone) continue;
        } else {
            continue;
        }
        if (happened(i)) return true;
    }
    if (!gone) set_watches(t); // a place may have been mapped just now
    return false;
}

bool ScriptPolicy::switch_before_fetch(Scheduler& s, const Task& t, Addr va) {
    if (over()) return base_->switch_before_fetch(s, t, va);
    if (&t != task_) return false;
    for (std::size_t i = 0; i < watches_.size(); ++i)
        if (watches_[i] == va && happened(i)) return true;
    return false;
}

bool ScriptPolicy::idle(Scheduler& s) {
    if (over()) return base_->idle(s);
    diverge(s, diverged_text(item(), "every task is asleep or gone"));
    return false;
}

TokenPolicy::TokenPolicy(const Token& token, std::unique_ptr<Policy> base)
    : Follower(std::move(base), token.switches), plan_(token.switches) {}

void TokenPolicy::count_idle_turns() {
    const auto here = kernel_->position();
    if (here != at_) {
        at_ = here;
        idle_turns_ = 0;
        return;
    }
    const auto& tasks = kernel_->tasks();
    const auto same = [this](const auto& t) { return t->serial == chosen_; };
    const auto had = std::find_if(tasks.begin(), tasks.end(), same);
    if (held_ || (chosen_ != 0 && (had == tasks.end() || (*had)->state != Task::State::ready))) ++idle_turns_;
}

Choice TokenPolicy::choose(Scheduler& s) {
    const auto [steps, instructions] = kernel_->position();
    const std::tuple here{steps, instructions, idle_turns_};
    while (next_ < plan_.size()) {
        const TokenSwitch& w = plan_[next_];
        const std::tuple at{w.steps, w.instructions, w.idle_turns};
        if (at > here) break;
        if (at < here)
            return diverge(s, fmt::format("diverged: the switch at {}+{} was passed over", w.steps, w.instructions));
        holder_ = w.to;
        ++next_;
    }
    std::uint64_t most = kUnlimited;
    const bool soon = next_ < plan_.size() && plan_[next_].steps == steps;
    if (soon && plan_[next_].instructions > instructions) most = plan_[next_].instructions - instructions;
    held_ = false;
    if (holder_) {
        Task* t = kernel_->task_named(to_string(*holder_));
        if (t != nullptr && t->state == Task::State::ready) {
            held_ = soon && plan_[next_].instructions == instructions;
            return {t, held_ ? 0 : most}; // it leaves the kernel, if it is there, and goes no further
        }
    }
    Choice c = base_->pick(s);
    c.budget = std::min(c.budget, most);
    return c;
}

Choice TokenPolicy::pick(Scheduler& s) {
    count_idle_turns();
    const Choice c = choose(s);
    chosen_ = c.task != nullptr ? c.task->serial : 0;
    return c;
}

bool TokenPolicy::switch_after_step(Scheduler& s, const Task& t, const Event& e) {
    if (next_ < plan_.size() && plan_[next_].steps == e.number) return true;
    return !holder_ && base_->switch_after_step(s, t, e);
}

} // namespace trapline
