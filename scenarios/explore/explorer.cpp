#include "scenarios/explore/explorer.hpp"

#include <algorithm>
#include <map>

namespace trapline {
namespace {

/// Sweeps that look for simpler witnesses only go so far: their number of orders grows with the bound's power.
constexpr std::uint32_t kMostPreemptions = 6;

/// What is remarkable about a run, as a number: runs with the same one can witness the same things. 0: nothing.
unsigned remarkable(const RunOutcome& run) {
    unsigned bits = static_cast<unsigned>(run.status);
    if (run.signal != 0) bits |= 8;
    if (!run.broken.empty()) bits |= 32;
    for (const RunOutcome::Probe& p : run.probes)
        if (p.counts[static_cast<std::size_t>(Metric::missed)] > 0) bits |= 16;
    return bits;
}

class Exploration {
  public:
    Exploration(const RunRequest& request, const ExploreSection& section, const SweepOptions& options)
        : section_(section), sweeper_(request, section, options), shared_(options.shards > 1) {}

    Result<Explored> go() {
        if (section_.method != ExploreSection::Method::exhaustive) {
            if (auto r = search({Sweep::Kind::sampled, 0}, section_.runs); !r) return tl::make_unexpected(r.error());
            out_.complete = false;
            return out_;
        }
        // A shard does its share of the search; what is small is left to whoever joins the shards.
        const std::uint32_t first = section_.preemptions.value_or(kFirstBounds);
        for (std::uint32_t bound = 0; bound < first && !shared_ && !out_.interrupted; ++bound)
            if (auto r = simplify(bound); !r) return tl::make_unexpected(r.error());
        if (out_.interrupted) return out_;
        const Sweep sweep = section_.preemptions ? Sweep{Sweep::Kind::bounded, *section_.preemptions} : Sweep{};
        out_.bound = section_.preemptions;
        if (auto r = search(sweep, section_.schedules); !r) return tl::make_unexpected(r.error());
        while (!shared_ && !section_.preemptions && !out_.interrupted && may_be_simpler())
            if (auto r = simplify(out_.covered); !r) return tl::make_unexpected(r.error());
        return out_;
    }

  private:
    static constexpr std::uint32_t kFirstBounds = 2; // none and one

    Result<void> search(Sweep sweep, std::uint64_t budget) {
        Result<SweepResult> r = sweeper_.go(sweep, budget, shared_);
        if (!r) return tl::make_unexpected(r.error());
        out_.result = std::move(r->result);
        out_.budget_ran_out = r->budget_ran_out;
        out_.interrupted |= r->interrupted;
        out_.not_mine = r->not_mine;
        // What lies behind a run that was given up is not known.
        out_.complete = out_.result.counts.exhausted && out_.result.counts.cut == 0;
        for (const SearchResult& other : simplified_) take(other);
        if (sweep.kind == Sweep::Kind::bounded && out_.complete) out_.covered = sweep.bound + 1;
        return {};
    }

    /// Every order with at most so many preemptions.
    Result<void> simplify(std::uint32_t bound) {
        Result<SweepResult> r = sweeper_.go({Sweep::Kind::bounded, bound}, section_.schedules, false);
        if (!r) return tl::make_unexpected(r.error());
        out_.simplifying += r->result.runs();
        out_.interrupted |= r->interrupted;
        if (r->result.counts.exhausted && out_.covered == bound)
            out_.covered = bound + 1;
        else
            out_of_reach_ = true;
        if (searched())
            take(r->result);
        else
            simplified_.push_back(std::move(r->result));
        return {};
    }

    [[nodiscard]] bool searched() const { return out_.result.runs() > 0; }

    void take(const SearchResult& other) {
        for (Finding& f : out_.result.take_witnesses(other)) {
            if (out_.complete && out_.lost.empty()) out_.lost = f.token;
            out_.result.findings.push_back(std::move(f));
        }
    }

    [[nodiscard]] bool may_be_simpler() const {
        if (out_of_reach_ || out_.covered > kMostPreemptions) return false;
        std::map<unsigned, std::uint64_t> fewest;
        for (const Finding& f : out_.result.findings) {
            const auto [it, first] = fewest.try_emplace(remarkable(f.outcome), f.outcome.preemptions);
            if (!first) it->second = std::min(it->second, f.outcome.preemptions);
        }
        return std::any_of(fewest.begin(), fewest.end(),
                           [&](const auto& kind) { return kind.first != 0 && kind.second > out_.covered; });
    }

    const ExploreSection& section_;
    Sweeper sweeper_;
    const bool shared_;
    Explored out_;
    std::vector<SearchResult> simplified_; // before the search
    bool out_of_reach_ = false;            // a bounded sweep was not done within the budget
};

} // namespace

Result<Explored> explore(const RunRequest& request, const ExploreSection& section, const SweepOptions& options) {
    return Exploration(request, section, options).go();
}

} // namespace trapline
