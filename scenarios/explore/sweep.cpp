#include "scenarios/explore/sweep.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace trapline {
namespace {

/// When a part is cut, and into how many. The first number is small enough to be done before a second process would
/// have been started; the others keep all cores busy to the end and lose little when a search is stopped.
struct Level {
    std::uint64_t limit, pieces;
};
constexpr std::array<Level, 3> kLevels = {{{2'000, 64}, {50'000, 32}, {~0ull, 0}}};
/// Runs in a part of a sweep that samples, and parts of one: results of parts are kept, so there must not be more the
/// longer it takes.
constexpr std::uint64_t kSampledAtOnce = 1'000, kMostSampledParts = 512;

} // namespace

const PartResult* PartStore::find(const Part& part) const {
    const auto it = entries_.find(part_key(part));
    if (it == entries_.end()) return nullptr;
    return it->second.result.result.counts.exhausted || it->second.part == part ? &it->second.result : nullptr;
}

void PartStore::put(const Part& part, PartResult result) {
    entries_.insert_or_assign(part_key(part), Entry{part, std::move(result)});
}

void PartStore::take(const PartStore& other) {
    for (const auto& [key, entry] : other.entries_) entries_.try_emplace(key, entry);
}

std::string PartStore::json() const {
    auto all = nlohmann::ordered_json::array();
    for (const auto& [key, entry] : entries_)
        all.push_back({{"part", nlohmann::ordered_json::parse(to_json(entry.part))},
                       {"result", nlohmann::ordered_json::parse(to_json(entry.result))}});
    return all.dump();
}

std::optional<PartStore> PartStore::read(std::string_view text) {
    PartStore store;
    const auto all = nlohmann::ordered_json::parse(text, nullptr, false);
    if (!all.is_array()) return std::nullopt;
    for (const auto& entry : all) {
        if (!entry.contains("part") || !entry.contains("result")) return std::nullopt;
        const auto part = read_part(entry["part"].dump());
        auto result = read_part_result(entry["result"].dump());
        if (!part || !result) return std::nullopt;
        store.put(*part, std::move(*result));
    }
    return store;
}

Sweeper::Sweeper(const RunRequest& request, const ExploreSection& section, const SweepOptions& options)
    : request_(request), section_(section), options_(options), local_(request, section),
      store_(options.store != nullptr ? *options.store : own_) {}

Sweeper::Nodes Sweeper::roots(const Sweep& sweep, std::uint64_t budget) {
    Nodes nodes;
    const auto add = [&]() -> Node& {
        nodes.push_back(std::make_unique<Node>());
        nodes.back()->part.sweep = sweep;
        return *nodes.back();
    };
    if (sweep.kind != Sweep::Kind::sampled) {
        Node& n = add();
        n.part.limit = kLevels[0].limit;
        n.part.pieces = kLevels[0].pieces;
        return nodes;
    }
    const std::uint64_t at_once = std::max(kSampledAtOnce, (budget + kMostSampledParts - 1) / kMostSampledParts);
    for (std::uint64_t first = 0; first < budget; first += at_once) {
        Node& n = add();
        n.part.first = first;
        n.part.limit = std::min(at_once, budget - first);
        n.level = kLevels.size() - 1;
    }
    return nodes;
}

/// Of nodes in a row each shard takes every so many-th.
void Sweeper::share(const Nodes& nodes, unsigned shard, unsigned shards) {
    for (std::size_t i = 0; i < nodes.size(); ++i) nodes[i]->not_mine = i % shards != shard;
}

/// The first part, in the tree's order, that nobody does or has done; what those before it have used goes off `left`.
Sweeper::Node* Sweeper::next(const Nodes& nodes, std::uint64_t& left) {
    for (const auto& n : nodes) {
        if (left == 0) return nullptr;
        if (n->not_mine || n->running) continue;
        if (!n->result) return n.get();
        if (n->pieces.empty()) {
            left -= std::min(left, n->result->result.runs());
        } else if (Node* below = next(n->pieces, left); below != nullptr) {
            return below;
        }
    }
    return nullptr;
}

void Sweeper::tell(std::uint64_t under_way) {
    if (!options_.progress) return;
    SweepProgress now = progress_;
    now.runs += under_way;
    options_.progress(now);
}

Result<PartResult> Sweeper::here(const Part& part) {
    return local_.run(part, [this](std::uint64_t runs) {
        tell(runs);
        return !stopped();
    });
}

void Sweeper::done(Node& n, const Part& part, PartResult result, bool shared) {
    n.running = false;
    n.limit = part.limit;
    ++progress_.parts_done;
    progress_.findings = std::max(progress_.findings, result.result.findings.size());
    if (result.pieces.empty()) progress_.runs += result.result.runs();
    for (const TaskOrder& path : result.pieces) {
        Node& piece = *n.pieces.emplace_back(std::make_unique<Node>());
        piece.level = n.level + 1;
        piece.part = {part.sweep, path, 0, kLevels[piece.level].limit, kLevels[piece.level].pieces};
    }
    if (shared && n.level == 0 && options_.shards > 1) share(n.pieces, options_.shard, options_.shards);
    progress_.parts += n.pieces.size();
    n.result = std::move(result);
}

/// Does the part, gives it to somebody, or finds that it was done before.
Result<void> Sweeper::start(Node& n, std::uint64_t limit, bool shared) {
    Part part = n.part;
    if (limit < part.limit) { // the budget ends in it
        part.limit = limit;
        part.pieces = 0;
    }
    if (const PartResult* known = store_.find(part); known != nullptr) {
        done(n, part, *known, shared);
        return {};
    }
    const bool to_begin_with = n.level == 0 && part.sweep.kind != Sweep::Kind::sampled;
    if (options_.jobs > 1 && !to_begin_with) {
        if (workers_ == nullptr) {
            local_.drop();
            workers_ = std::make_unique<Workers>(options_.jobs, request_, section_);
        }
        n.running = true;
        n.limit = part.limit;
        workers_->start(given_.size(), part);
        given_.push_back(&n);
        return {};
    }
    Result<PartResult> result = here(part);
    if (!result) return tl::make_unexpected(result.error());
    if (stopped()) return {};
    store_.put(part, *result);
    done(n, part, std::move(*result), shared);
    if (options_.part_done) options_.part_done();
    return {};
}

Result<void> Sweeper::finish(const Nodes& nodes, std::uint64_t budget, bool shared) {
    constexpr int kMilliseconds = 200;
    while (!stopped()) {
        const bool somebody = workers_ == nullptr || workers_->idle();
        std::uint64_t left = budget;
        Node* n = somebody ? next(nodes, left) : nullptr;
        if (n != nullptr) {
            if (auto r = start(*n, left, shared); !r) return r;
            continue;
        }
        if (workers_ == nullptr || !workers_->busy()) return {};
        auto answer = workers_->wait(kMilliseconds);
        tell(workers_->under_way());
        if (!answer) continue;
        if (!*answer) return tl::make_unexpected(answer->error());
        Node& of = *given_[(*answer)->id];
        Part part = of.part;
        if (of.limit < part.limit) {
            part.limit = of.limit;
            part.pieces = 0;
        }
        store_.put(part, (*answer)->result);
        done(of, part, std::move((*answer)->result), shared);
        if (options_.part_done) options_.part_done();
    }
    workers_.reset(); // in the middle of something
    return {};
}

/// Adds the results in the tree's order until the budget is spent; false: it is.
Result<bool> Sweeper::collect(const Nodes& nodes, std::uint64_t& left, SweepResult& out) {
    for (const auto& n : nodes) {
        if (n->not_mine) {
            out.not_mine = true;
            continue;
        }
        if (left == 0) {
            out.budget_ran_out = true;
            return false;
        }
        if (!n->result) {
            out.interrupted = true;
            continue;
        }
        if (!n->pieces.empty() && n->part.limit <= left) {
            const auto all = collect(n->pieces, left, out);
            if (!all || !*all) return all;
            continue;
        }
        if (n->result->result.runs() > left || (!n->result->result.counts.exhausted && n->limit != left)) {
            // Somebody did more of it than there is budget for: as much as there is.
            Part part = n->part;
            part.limit = left;
            part.pieces = 0;
            auto result = here(part);
            if (!result) return tl::make_unexpected(result.error());
            n->result = std::move(*result);
        }
        const SearchResult& r = n->result->result;
        out.result.join(r);
        left -= std::min(left, r.runs());
        if (!r.counts.exhausted) {
            out.budget_ran_out = true;
            return false;
        }
    }
    return true;
}

Result<SweepResult> Sweeper::go(Sweep sweep, std::uint64_t budget, bool shared) {
    const Nodes nodes = roots(sweep, budget);
    if (shared && sweep.kind == Sweep::Kind::sampled) share(nodes, options_.shard, options_.shards);
    given_.clear();
    progress_ = {};
    progress_.sweep = sweep;
    progress_.parts = nodes.size();
    if (auto r = finish(nodes, budget, shared); !r) return tl::make_unexpected(r.error());
    // Workers that are still at parts behind the end of the budget are of no use any more.
    if (workers_ != nullptr && workers_->busy()) workers_.reset();
    SweepResult out;
    std::uint64_t left = budget;
    if (const auto all = collect(nodes, left, out); !all) return tl::make_unexpected(all.error());
    out.result.counts.exhausted = !out.budget_ran_out && !out.interrupted && !out.not_mine;
    return out;
}

} // namespace trapline
