// scenarios/text_state.hpp: what a CPU would fetch at a probe point, replayed from a run's records.
//
// The answer to "who can notice" is mostly this: for how long did something else than the breakpoint stand at the probe
// point, and who ran into it. TextState follows the text-writing steps of the records, one after the other;
// explain_misses() says in one sentence who had opened the window. Read next: scenarios/picture.hpp.
#pragma once

#include "scenarios/record.hpp"

#include <map>
#include <optional>
#include <span>

namespace trapline {

class TextState {
  public:
    enum class Byte : std::uint8_t { original, breakpoint };
    struct Place {
        Byte byte = Byte::original;
        std::uint64_t since = 0; ///< number of the event that made it so
        std::string by;          ///< the task that did
    };
    /// An instruction in one address space.
    using Key = std::pair<std::uint32_t, Addr>;

    /// To be called for every record, in order.
    void apply(const Record& r);
    /// Nothing when no step has ever written there.
    [[nodiscard]] const Place* at(std::uint32_t space, Addr address) const;
    [[nodiscard]] const std::map<Key, Place>& places() const { return places_; }

    /// The byte that the record's step wrote, if it writes one.
    static std::optional<Byte> written(const Record& r);

  private:
    std::map<Key, Place> places_;
    std::uint32_t last_space_ = 0; // of the record before: a space that appears is a copy of it
    std::vector<bool> seen_;       // spaces
};

/// The names of probe points, by address: ":hot".
using PlaceNames = std::map<Addr, std::string>;

/// Names for the probes that a run armed.
[[nodiscard]] PlaceNames place_names(const RunReport& report);

/// ":hot", ":hot+3" for an address up to 15 bytes behind a named one, else "0x401050".
[[nodiscard]] std::string place_name(const PlaceNames& names, Addr address);

/// A sentence for each miss, by its index: who ran what, and why no breakpoint was there.
[[nodiscard]] std::map<std::size_t, std::string> explain_misses(std::span<const Record> records,
                                                                const PlaceNames& names);

} // namespace trapline
