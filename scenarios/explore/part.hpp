// scenarios/explore/part.hpp: a piece of a search that depends on no other piece.
//
// A search is one or more sweeps over the schedules of a machine; a sweep is cut into parts, each below a path of first
// choices or, when it samples, a range of runs. What a part comes to depends on the part alone: any process can do it.
// Read next: scenarios/explore/sweep.hpp, which decides what the parts are.
#pragma once

#include "scenarios/explore/search_result.hpp"

#include <functional>
#include <memory>
#include <string>

namespace trapline {

struct Sweep {
    enum class Kind : std::uint8_t {
        classes, ///< one order of each class
        bounded, ///< every order with at most `bound` preemptions
        sampled, ///< single runs, by the scenario's method and seed
    };
    Kind kind = Kind::classes;
    std::uint32_t bound = 0;
    bool operator==(const Sweep&) const = default;
};

struct Part {
    Sweep sweep;
    TaskOrder path;           ///< the first choices; of no meaning when it samples
    std::uint64_t first = 0;  ///< number of the first run, when it samples
    std::uint64_t limit = 0;  ///< runs
    std::uint64_t pieces = 0; ///< when the limit is reached: cut it into so many parts
    bool operator==(const Part&) const = default;
};

struct PartResult {
    SearchResult result;
    std::vector<TaskOrder> pieces; ///< paths of the parts that it was cut into; none when it was not
};

/// The part without its limit, as one word.
[[nodiscard]] std::string part_key(const Part& part);
[[nodiscard]] std::string to_json(const Part& part);
[[nodiscard]] std::optional<Part> read_part(std::string_view json);
[[nodiscard]] std::string to_json(const PartResult& result);
[[nodiscard]] std::optional<PartResult> read_part_result(std::string_view json);

/// Does parts with a machine of its own, which is built for the first and kept.
class PartRunner {
  public:
    /// Both must outlive it.
    PartRunner(const RunRequest& request, const ExploreSection& section) : request_(request), section_(section) {}

    /// `go_on` is asked now and then, with the runs done so far; when it says no, what there is is returned.
    Result<PartResult> run(const Part& part, const std::function<bool(std::uint64_t)>& go_on);
    /// Takes the machine down: a process that is forked must not inherit one.
    void drop() { space_.reset(); }

  private:
    void search(const Part& part, PartResult& out, const std::function<bool(std::uint64_t)>& go_on);
    void sample(const Part& part, PartResult& out, const std::function<bool(std::uint64_t)>& go_on);
    void found(SearchResult& out, bool ended, std::uint64_t preemptions);

    const RunRequest& request_;
    const ExploreSection& section_;
    std::unique_ptr<MachineSpace> space_;
};

} // namespace trapline
