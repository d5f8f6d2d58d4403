// scenarios/rig.hpp: a whole machine, built from a request and ready to run.
//
// `run_program` builds one, runs it and takes it down. A search (scenarios/explore) builds one in an arena and runs it
// again and again from a snapshot, with a policy of its own. Read next: rig.cpp.
#pragma once

#include "probes/fetch.hpp"
#include "probes/locate.hpp"
#include "scenarios/follow.hpp"
#include "scenarios/run.hpp"

#include <deque>
#include <map>

namespace trapline {

class Rig {
  public:
    /// The request must outlive the rig.
    explicit Rig(const RunRequest& request) : request_(request) {}

    /// Builds the machine up to the moment before its first instruction. `policy`: instead of the request's schedule.
    Result<void> set_up(Policy* policy = nullptr);
    [[nodiscard]] Kernel& kernel() { return *kernel_; }
    [[nodiscard]] Uprobes& uprobes() { return *uprobes_; }
    [[nodiscard]] System& system() { return *system_; }
    /// The probes as they are now; an execution that is under way is not counted.
    [[nodiscard]] std::vector<ProbeReport> probes() const;
    /// What the run showed. The machine is still there.
    [[nodiscard]] RunReport report(const Outcome& outcome);
    /// A number for how the run ended, what it printed, the truth of its probes and the counters: the same for two runs
    /// whose reports say the same of these.
    [[nodiscard]] std::uint64_t fingerprint(const Outcome& outcome);
    /// Takes everything down but the kernel; returns the frames that are still in use then: a defect if not 0. After a
    /// run that exited.
    std::uint32_t take_down();
    /// The schedule so far: of the policy that the request names, or with these switches.
    [[nodiscard]] Token token() const;
    [[nodiscard]] Token token(std::vector<TokenSwitch> switches) const;

  private:
    /// A probe of the request on its way into the machine.
    struct Armed {
        const ScenarioProbe* asked = nullptr;
        Located place;
        Consumer consumer;
        Uprobe* uprobe = nullptr; // the last one it was registered as, for its truth
        int error = 0;            // negative errno of the last registration
        Fetch fetch;
        std::vector<Fetched> fetched; // of the first hits
        std::uint64_t not_kept = 0;
    };

    Result<void> hash_guest();
    Result<void> locate_probes();
    void register_probe(Armed& a);
    void fetch(Armed& a, HitContext& hit);
    Path<bool> tracer(Task& self, const ScenarioTracer& what);
    std::unique_ptr<Policy> make_policy();
    std::optional<Addr> resolve(const ProbePlace& place, const Task& t);
    std::string who_waits() const;
    Progress progress() const;

    const RunRequest& request_;
    const Dialect* dialect_ = nullptr;
    const StrategyInfo* strategy_ = nullptr;
    CostProfile cost_;
    std::unique_ptr<Policy> policy_;
    Follower* follower_ = nullptr; // the policy, when it follows a script or a token
    std::unique_ptr<Kernel> kernel_;
    std::uint32_t frames_before_ = 0;
    std::unique_ptr<System> system_;
    std::unique_ptr<Uprobes> uprobes_;
    std::unique_ptr<Locator> locator_;
    std::deque<Armed> probes_;
    std::map<std::string, Located> places_; // of the script, by their text
    std::vector<std::string> warnings_;
    std::string program_, guest8_, out_, err_, broken_;
};

} // namespace trapline
