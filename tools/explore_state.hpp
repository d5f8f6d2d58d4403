// tools/explore_state.hpp: searches in a file, to be resumed, or cut into shards and joined.
//
// The file holds the parts of searches that are done (scenarios/explore/sweep.hpp), each search under a name that is
// made of all it depends on: the guest's bytes, the model, the request and the space. A file of something else is
// thereby of no use rather than misleading. Resuming takes the parts of one file, joining those of several.
#pragma once

#include "scenarios/explore/sweep.hpp"

#include <map>

namespace trapline {

class ExploreState {
  public:
    /// Reads a file that `text` wrote, and takes what is not here yet.
    [[nodiscard]] Result<void> read(const std::string& file);
    [[nodiscard]] std::string text() const;
    /// What is known of a search; it may be new.
    PartStore& of(const std::string& name) { return searches_[name]; }
    [[nodiscard]] bool knows(const std::string& name) const { return searches_.contains(name); }

  private:
    std::map<std::string, PartStore> searches_;
};

/// Everything that a search depends on, as one word; different for different searches.
[[nodiscard]] std::string search_name(const Scenario& scenario, const RunRequest& request,
                                      const ExploreSection& section);

} // namespace trapline
