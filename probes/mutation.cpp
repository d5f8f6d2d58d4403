#include "probes/mutation.hpp"

#include <algorithm>
#include <array>

namespace trapline {
namespace {

constexpr auto kMutations = std::to_array<MutationInfo>({
#define MUTATION(id, name, what) {Mutation::id, name, what},
#include "probes/mutations.inc"
#undef MUTATION
});

} // namespace

std::span<const MutationInfo> mutations() { return kMutations; }

std::optional<Mutation> mutation_by_name(std::string_view name) {
    const auto found =
        std::find_if(kMutations.begin(), kMutations.end(), [&](const MutationInfo& m) { return m.name == name; });
    return found == kMutations.end() ? std::nullopt : std::optional(found->mutation);
}

} // namespace trapline
