// scenarios/explore/sweep.hpp: one sweep, part by part, over all cores.
//
// Parts form a tree: one that reaches its limit of runs is cut into pieces below. The budget is spent in the order of
// the tree, so where it ends does not depend on who was faster. Results of parts are kept in a PartStore, from where a
// later call, or a search that was stopped and is resumed, takes them. Read next: sweep.cpp.
#pragma once

#include "scenarios/explore/part.hpp"
#include "scenarios/explore/workers.hpp"

#include <atomic>
#include <map>

namespace trapline {

/// Parts that are done, by part_key.
class PartStore {
  public:
    /// The part's result, if it is known: it was done to its end, or to the same limit.
    [[nodiscard]] const PartResult* find(const Part& part) const;
    void put(const Part& part, PartResult result);
    [[nodiscard]] std::size_t size() const { return entries_.size(); }
    /// Takes what another store knows.
    void take(const PartStore& other);

    [[nodiscard]] std::string json() const;
    [[nodiscard]] static std::optional<PartStore> read(std::string_view json);

  private:
    struct Entry {
        Part part;
        PartResult result;
    };
    std::map<std::string, Entry> entries_;
};

struct SweepProgress {
    Sweep sweep;
    std::uint64_t runs = 0;
    std::size_t parts = 0, parts_done = 0;
    std::size_t findings = 0; ///< ways to end that were seen
};

struct SweepOptions {
    unsigned jobs = 1;
    unsigned shard = 0, shards = 1; ///< do one of so many shares; the first is 0
    const std::atomic<bool>* interrupted = nullptr;
    std::function<void(const SweepProgress&)> progress;
    PartStore* store = nullptr;      ///< of this search
    std::function<void()> part_done; ///< the store has something new
};

struct SweepResult {
    SearchResult result; ///< `exhausted` is that of the sweep
    bool budget_ran_out = false, interrupted = false, not_mine = false;
};

/// The machinery of all sweeps of one search: this process's machine, or workers once there is enough to do.
class Sweeper {
  public:
    Sweeper(const RunRequest& request, const ExploreSection& section, const SweepOptions& options);
    /// With at most `budget` runs. `shared`: only this shard's share of it is to be done.
    Result<SweepResult> go(Sweep sweep, std::uint64_t budget, bool shared);

  private:
    struct Node {
        Part part; // with the limit at which it is cut
        std::optional<PartResult> result;
        std::uint64_t limit = 0; // with which the result was made
        bool running = false;
        bool not_mine = false; // another shard's
        std::vector<std::unique_ptr<Node>> pieces;
        unsigned level = 0;
    };
    using Nodes = std::vector<std::unique_ptr<Node>>;
    [[nodiscard]] static Nodes roots(const Sweep& sweep, std::uint64_t budget);
    static Node* next(const Nodes& nodes, std::uint64_t& left);
    static void share(const Nodes& nodes, unsigned shard, unsigned shards);
    Result<void> finish(const Nodes& nodes, std::uint64_t budget, bool shared);
    Result<void> start(Node& n, std::uint64_t limit, bool shared);
    Result<bool> collect(const Nodes& nodes, std::uint64_t& left, SweepResult& out);
    Result<PartResult> here(const Part& part);
    void done(Node& n, const Part& part, PartResult result, bool shared);
    [[nodiscard]] bool stopped() const { return options_.interrupted != nullptr && *options_.interrupted; }
    void tell(std::uint64_t under_way);

    const RunRequest& request_;
    const ExploreSection& section_;
    const SweepOptions& options_;
    PartRunner local_;
    std::unique_ptr<Workers> workers_;
    PartStore own_;
    PartStore& store_;
    std::vector<Node*> given_; // to workers, by the number that they know it by
    SweepProgress progress_;
};

} // namespace trapline
