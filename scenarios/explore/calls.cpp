#include "scenarios/explore/calls.hpp"

#include <algorithm>
#include <array>

namespace trapline {
namespace {

struct Listed {
    std::string_view name;
    std::uint32_t kinds;
};

constexpr std::array kListed = {
    // Compares a word, which is user memory, and sleeps or wakes. A deadline sets a timer, which is everything while it
    // runs (machine_space.hpp).
    Listed{"futex", kind::futexes},
    // Ends one thread: clears a word and wakes who waits for it. That it was the last thread of its process, which ends
    // with it, is seen from the events.
    Listed{"exit", kind::futexes | kind::tasks},
    // Output goes to a file or a pipe in the order of the calls.
    Listed{"write", kind::files},
    // With a CPU for every task there is nothing to yield; without, it sleeps for no time, and that is a timer.
    Listed{"sched_yield", 0},
    Listed{"getpid", 0},
    Listed{"gettid", 0},
};

} // namespace

std::optional<std::uint32_t> kinds_of_call(std::string_view name) {
    const auto* found = std::find_if(kListed.begin(), kListed.end(), [&](const Listed& l) { return l.name == name; });
    if (found == kListed.end()) return std::nullopt;
    return found->kinds;
}

} // namespace trapline
