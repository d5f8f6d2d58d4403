#include "scenarios/text_state.hpp"

#include <fmt/format.h>

namespace trapline {
namespace {

std::string sentence(const Record& miss, const TextState::Place* place, const Record* closed, const PlaceNames& names) {
    std::string text = fmt::format("{} executed the instruction at {} on CPU {} ", miss.task,
                                   place_name(names, miss.object), miss.cpu);
    if (place == nullptr) return text + "while no breakpoint had been put there yet: no handler ran.";
    if (place->byte == TextState::Byte::breakpoint)
        return text + fmt::format("although int3 stood there since event {}: no handler ran.", place->since);
    text += fmt::format("after {} had put the original byte back (event {})", place->by, place->since);
    if (closed == nullptr) return text + "; int3 did not come back: no handler ran.";
    return text +
           fmt::format(" and before {} put int3 there again (event {}): no handler ran.", closed->task, closed->number);
}

} // namespace

std::optional<TextState::Byte> TextState::written(const Record& r) {
    if (r.kind != Record::Kind::event) return std::nullopt;
    if (r.step == Step::text_armed) return Byte::breakpoint;
    if (r.step == Step::text_restored) return Byte::original;
    return std::nullopt;
}

void TextState::apply(const Record& r) {
    if (r.space != 0) {
        if (seen_.size() <= r.space) seen_.resize(r.space + 1);
        if (!seen_[r.space]) { // fork: the new space has what its parent had, which ran last
            seen_[r.space] = true;
            std::map<Key, Place> inherited;
            for (const auto& [key, place] : places_)
                if (key.first == last_space_) inherited.emplace(Key{r.space, key.second}, place);
            places_.merge(inherited);
        }
        last_space_ = r.space;
    }
    if (const auto byte = written(r)) places_[{r.space, r.object}] = {*byte, r.number, r.task};
}

const TextState::Place* TextState::at(std::uint32_t space, Addr address) const {
    const auto it = places_.find({space, address});
    return it == places_.end() ? nullptr : &it->second;
}

PlaceNames place_names(const RunReport& report) {
    PlaceNames names;
    for (const ProbeReport& probe : report.probes)
        if (probe.address != 0) names.emplace(probe.address, probe.spec);
    return names;
}

std::string place_name(const PlaceNames& names, Addr address) {
    constexpr Addr kLongestInstruction = 15;
    auto it = names.upper_bound(address);
    if (it != names.begin() && address - (--it)->first <= kLongestInstruction)
        return address == it->first ? it->second : fmt::format("{}+{}", it->second, address - it->first);
    return fmt::format("{:#x}", address);
}

std::map<std::size_t, std::string> explain_misses(std::span<const Record> records, const PlaceNames& names) {
    // Backwards for who closed the window, forwards for who had opened it.
    std::map<TextState::Key, const Record*> next;
    std::map<std::size_t, const Record*> closed;
    for (std::size_t i = records.size(); i-- > 0;) {
        const Record& r = records[i];
        if (TextState::written(r) == TextState::Byte::breakpoint) next[{r.space, r.object}] = &r;
        if (r.kind == Record::Kind::miss) closed[i] = next[{r.space, r.object}];
    }
    std::map<std::size_t, std::string> sentences;
    TextState state;
    for (std::size_t i = 0; i < records.size() && !closed.empty(); ++i) {
        state.apply(records[i]);
        if (records[i].kind == Record::Kind::miss)
            sentences[i] = sentence(records[i], state.at(records[i].space, records[i].object), closed[i], names);
    }
    return sentences;
}

} // namespace trapline
