// scenarios/follow.hpp: policies that follow a script or a token.
//
// Both keep one task running, alone, until something happens: a script's event, or a position in the run that a token
// names. Every change of hands is written down as a TokenSwitch, so a run under a script yields the token that repeats
// it. When the next item cannot be followed (its task does not exist, sleeps or is gone) the run has diverged: the
// kernel is asked to stop and the reason is kept.
#pragma once

#include "emu/kernel/kernel.hpp"
#include "scenarios/schedule.hpp"
#include "scenarios/token.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace trapline {

/// What all followed schedules share: the base policy, who has the CPU, what was written down.
class Follower : public Policy {
  public:
    Follower(std::unique_ptr<Policy> base, std::vector<TokenSwitch> switches)
        : base_(std::move(base)), switches_(std::move(switches)) {}
    void attach(Kernel& k) { kernel_ = &k; }
    /// Non-empty when the run has left its schedule.
    [[nodiscard]] const std::string& diverged() const { return diverged_; }
    [[nodiscard]] const std::vector<TokenSwitch>& switches() const { return switches_; }
    /// Times that the CPU was taken from a task that could have gone on.
    [[nodiscard]] std::uint64_t preemptions() const { return preemptions_; }

    void budget_used(Scheduler& s, const Task& t) override { base_->budget_used(s, t); }

  protected:
    Choice diverge(Scheduler& s, std::string why);
    /// Remembers that control changes hands here, and counts it if the one who had it could have gone on.
    void change(const Task* from, const Task* to);

    std::unique_ptr<Policy> base_;
    std::vector<TokenSwitch> switches_;
    Kernel* kernel_ = nullptr;
    std::string diverged_;
    std::uint64_t preemptions_ = 0;
};

class ScriptPolicy final : public Follower {
  public:
    /// Turns a place of the script into the address it has for a task now; nothing while it is not mapped there.
    using Resolve = std::function<std::optional<Addr>(const ProbePlace&, const Task&)>;
    ScriptPolicy(ScheduleScript script, std::unique_ptr<Policy> base, Resolve resolve);
    ~ScriptPolicy() override;

    Choice pick(Scheduler& s) override;
    bool switch_after_step(Scheduler& s, const Task& t, const Event& e) override;
    bool switch_before_fetch(Scheduler& s, const Task& t, Addr va) override;
    bool idle(Scheduler& s) override;

  private:
    [[nodiscard]] bool over() const { return index_ >= script_.items.size(); }
    [[nodiscard]] const ScheduleItem& item() const { return script_.items[index_]; }
    void enter_item(Task& t);
    void leave_item();
    bool happened(std::size_t event);
    void set_watches(const Task& t);

    ScheduleScript script_;
    Resolve resolve_;
    std::size_t index_ = 0;
    bool entered_ = false;
    const Task* task_ = nullptr; // of the current item
    std::weak_ptr<Mm> watched_mm_;
    std::uint64_t start_time_ = 0;    // task_'s instruction count when the item began
    std::vector<std::uint64_t> seen_; // how often each event of the item has happened
    std::vector<std::optional<Addr>> watches_;
};

class TokenPolicy final : public Follower {
  public:
    TokenPolicy(const Token& token, std::unique_ptr<Policy> base);
    Choice pick(Scheduler& s) override;
    bool switch_after_step(Scheduler& s, const Task& t, const Event& e) override;

  private:
    void count_idle_turns();
    Choice choose(Scheduler& s);

    std::vector<TokenSwitch> plan_;
    std::size_t next_ = 0;
    std::optional<TaskRef> holder_; // who has the CPU; nothing: the base policy decides
    // How many turns that began at the position of the last one ended there, with their task asleep or gone, or because
    // the plan has a switch there.
    std::pair<std::uint64_t, std::uint64_t> at_{};
    std::uint64_t idle_turns_ = 0, chosen_ = 0; // the last one's task, by serial number
    bool held_ = false;                         // it was not to execute anything
};

std::unique_ptr<Policy> make_base_policy(const BasePolicy& policy);

} // namespace trapline
