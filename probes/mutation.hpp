// probes/mutation.hpp: the names of mutations.inc.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace trapline {

enum class Mutation : std::uint8_t {
    none,
#define MUTATION(id, name, what) id,
#include "probes/mutations.inc"
#undef MUTATION
};

struct MutationInfo {
    Mutation mutation;
    std::string_view name, what;
};

/// Every mutation but none, in the order of the list.
std::span<const MutationInfo> mutations();
std::optional<Mutation> mutation_by_name(std::string_view name);

} // namespace trapline
