#include "scenarios/explore/part.hpp"

#include "scenarios/explore/sample.hpp"
#include "scenarios/outcome.hpp"

#include <bit>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace trapline {
namespace {

using Json = nlohmann::ordered_json;

/// A run with more scheduling points than this is given up.
constexpr std::size_t kLongest = 20'000;
/// So many runs that do not end show that there are some; each takes long.
constexpr std::uint64_t kMostCut = 2;

SearchLimits limits(const Part& part) {
    SearchLimits l;
    l.runs = part.limit;
    l.longest = kLongest;
    if (part.sweep.kind == Sweep::Kind::bounded) l.preemptions = part.sweep.bound;
    return l;
}

Reduction reduction(const Sweep& sweep) {
    return sweep.kind == Sweep::Kind::classes ? Reduction::classes : Reduction::none;
}

} // namespace

std::string part_key(const Part& part) {
    std::string key = part.sweep.kind == Sweep::Kind::classes ? "classes"
                      : part.sweep.kind == Sweep::Kind::bounded
                          ? fmt::format("bound{}", part.sweep.bound)
                          : fmt::format("runs{}-{}", part.first, part.first + part.limit);
    key += ':';
    return key + fmt::format("{}", fmt::join(part.path, "."));
}

Result<PartResult> PartRunner::run(const Part& part, const std::function<bool(std::uint64_t)>& go_on) {
    if (space_ == nullptr) {
        auto built = MachineSpace::build(request_, section_);
        if (!built) return tl::make_unexpected(built.error());
        space_ = std::move(*built);
    }
    space_->restart();
    space_->clear_points();
    PartResult out;
    if (part.sweep.kind == Sweep::Kind::sampled)
        sample(part, out, go_on);
    else
        search(part, out, go_on);
    out.result.points = space_->points();
    if (out.result.counts.exhausted || part.pieces == 0 || out.result.counts.cut >= kMostCut) return out;
    out.pieces = Search::parts(*space_, reduction(part.sweep), part.pieces, part.path, limits(part).preemptions);
    return out;
}

void PartRunner::search(const Part& part, PartResult& out, const std::function<bool(std::uint64_t)>& go_on) {
    Search search(*space_, reduction(part.sweep), limits(part));
    std::uint64_t runs = 0, cut = 0;
    out.result.counts = search.go(part.path, [&](Search::Run run, const Search& s) {
        out.result.longest = std::max<std::uint64_t>(out.result.longest, s.length());
        out.result.tasks = std::max<std::uint64_t>(out.result.tasks, static_cast<unsigned>(std::popcount(s.tasks())));
        if (run != Search::Run::blocked) found(out.result, run == Search::Run::complete, s.preemptions());
        if (run == Search::Run::cut && ++cut == kMostCut) return false;
        return ++runs % 64 != 0 || go_on(runs);
    });
}

void PartRunner::sample(const Part& part, PartResult& out, const std::function<bool(std::uint64_t)>& go_on) {
    Sampler sampler(*space_, section_, kLongest);
    out.result.assumed_length = sampler.assumed_length();
    space_->clear_points();
    for (std::uint64_t i = 0; i < part.limit; ++i) {
        const Sampler::Sampled s = sampler.run(part.first + i);
        ++(s.ended ? out.result.counts.complete : out.result.counts.cut);
        out.result.longest = std::max(out.result.longest, s.length);
        out.result.tasks = std::max<std::uint64_t>(out.result.tasks, static_cast<unsigned>(std::popcount(s.tasks)));
        found(out.result, s.ended, s.preemptions);
        if ((i + 1) % 64 == 0 && !go_on(i + 1)) return;
    }
    out.result.counts.exhausted = true;
}

/// A run is over.
void PartRunner::found(SearchResult& out, bool ended, std::uint64_t preemptions) {
    const std::uint64_t fingerprint = ended ? space_->fingerprint() : Finding::kGivenUp;
    Finding* known = out.find(fingerprint);
    if (known != nullptr) {
        ++known->runs;
        if (preemptions > known->outcome.preemptions) return;
    }
    const Token token = space_->token();
    if (known != nullptr && !(preemptions < known->outcome.preemptions || token.switches.size() < known->switches))
        return;
    if (known == nullptr) {
        known = &out.findings.emplace_back();
        known->fingerprint = fingerprint;
        known->runs = 1;
    }
    if (!ended) space_->give_up();
    known->outcome = outcome_of(request_, space_->report());
    if (!ended) {
        known->outcome.status = RunStatus::deadlock;
        known->outcome.status_detail = fmt::format("did not end within {} scheduling points", kLongest);
        known->outcome.counters[static_cast<std::size_t>(Metric::deadlocks) - kProbeMetrics] = 1;
    }
    known->outcome.preemptions = preemptions;
    known->switches = token.switches.size();
    known->token = to_string(token);
}

std::string to_json(const Part& part) {
    return Json{{"sweep", static_cast<int>(part.sweep.kind)},
                {"bound", part.sweep.bound},
                {"path", part.path},
                {"first", part.first},
                {"limit", part.limit},
                {"pieces", part.pieces}}
        .dump();
}

std::optional<Part> read_part(std::string_view text) {
    try {
        const Json j = Json::parse(text);
        Part p;
        p.sweep.kind = static_cast<Sweep::Kind>(j.at("sweep").get<int>());
        j.at("bound").get_to(p.sweep.bound);
        j.at("path").get_to(p.path);
        j.at("first").get_to(p.first);
        j.at("limit").get_to(p.limit);
        j.at("pieces").get_to(p.pieces);
        return p;
    } catch (const std::exception&) {
        return std::nullopt;
    }
}

std::string to_json(const PartResult& r) {
    return Json{{"pieces", r.pieces}, {"result", Json::parse(to_json(r.result))}}.dump();
}

std::optional<PartResult> read_part_result(std::string_view text) {
    try {
        const Json j = Json::parse(text);
        PartResult r;
        j.at("pieces").get_to(r.pieces);
        std::optional<SearchResult> result = search_result(j.at("result").dump());
        if (!result) return std::nullopt;
        r.result = std::move(*result);
        return r;
    } catch (const std::exception&) {
        return std::nullopt;
    }
}

} // namespace trapline
