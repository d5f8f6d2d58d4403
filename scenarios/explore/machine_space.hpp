// scenarios/explore/machine_space.hpp: a whole machine as a space to be searched.
//
// The machine is built in the arena, runs by itself (round robin, as `run` does) up to the place where the search
// starts, and is kept there by a snapshot. From then on a task runs until its next scheduling point:
//
//   - a kernel step (`trapline list steps`): nobody else has come between it and the one before;
//   - a probed instruction, or another address that a strategy watches, is about to be executed;
//   - every instruction, if the grain says so.
//
// What a stretch touched is known exactly for user memory and code (emu/cpu/access_sink.hpp), from the steps'
// footprints for the kernel (emu/kernel/steps.inc), and is `everything` for system calls that are not listed in
// footprint_of_call.
//
// Fairness: a task that spins (it ran long without an event, yielded, or restarted a trap because the uprobe was not
// ready) is not chosen again before every other ready task was. Time: virtual clocks advance with what is run, so a
// sleep ends when the clocks say so and not at any moment; while a timer is set nothing is exchanged.
#pragma once

#include "emu/cpu/access_sink.hpp"
#include "emu/snapshot/snapshot.hpp"
#include "scenarios/explore/space.hpp"
#include "scenarios/rig.hpp"

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace trapline {

class MachineSpace final : public SearchSpace {
  public:
    /// Builds the machine and runs it to the start of the search. The error says what is wrong with the request, or
    /// that the program ended before the start was reached. The request must outlive the space.
    static Result<std::unique_ptr<MachineSpace>> build(const RunRequest& request, const ExploreSection& section);
    ~MachineSpace() override;

    void restart() override;
    TaskSet ready() override;
    void advance(unsigned task, Stretch* record) override;
    [[nodiscard]] unsigned holder() const override { return holder_; }

    // When `ready` says that the run is over.
    [[nodiscard]] const Outcome& outcome() const { return *outcome_; }
    /// A number for all that `report` would say, except the schedule.
    [[nodiscard]] std::uint64_t fingerprint() { return rig_->fingerprint(*outcome_); }
    /// Once for a run: the machine is taken down to see what is left of it, and there again after the next restart.
    [[nodiscard]] RunReport report();
    /// The run ends here, whatever its tasks would do.
    void give_up() { outcome_ = Outcome{Outcome::Kind::stopped, 0}; }

    /// The run so far as a token that repeats it.
    [[nodiscard]] Token token() const;
    [[nodiscard]] Rig& rig() { return *rig_; }
    /// Whether the token's switch takes place now, or should have before.
    [[nodiscard]] bool is_due(const TokenSwitch& s) const;
    /// How often each kind of scheduling point was reached since the start: by step, then probed instructions, then
    /// single instructions or long stretches without an event.
    static constexpr std::size_t kPoints = static_cast<std::size_t>(Step::count_) + 2;
    [[nodiscard]] const std::array<std::uint64_t, kPoints>& points() const { return points_; }
    void clear_points() { points_ = {}; }
    /// How often a task stopped before a probed instruction.
    [[nodiscard]] std::uint64_t fetch_points() const { return points_[static_cast<std::size_t>(Step::count_)]; }

  private:
    class Director;
    struct Watched; // which addresses are scheduling points; part of the machine

    MachineSpace(const RunRequest& request, const ExploreSection& section);
    Result<void> start();
    std::optional<Outcome> turn();
    void watch_sites();
    void note_switch(const Task& t);
    [[nodiscard]] TaskSet ready_now() const;

    const RunRequest& request_;
    const ExploreSection& section_;
    std::unique_ptr<Director> director_;
    std::unique_ptr<Rig> rig_;
    Watched* watched_ = nullptr;
    std::unique_ptr<Snapshot> snapshot_;
    unsigned holder_ = 64;
    std::optional<Outcome> outcome_;
    std::array<TaskSet, 64> owed_{}; // a task that spins: those who must run before it does again
    std::uint64_t idle_turns_ = 0;   // turns at this position that left it as it was
    std::vector<TokenSwitch> switches_;
    unsigned last_ = 64;
    std::vector<std::pair<std::string, TaskRef>> names_; // by serial number
    std::array<std::uint64_t, kPoints> points_{};
};

} // namespace trapline
