#include "tools/hits.hpp"

#include <map>

namespace trapline {
namespace {

/// What may happen in the middle of a hit without being part of how it is served.
bool of_the_program(Step s) {
    return s == Step::syscall || s == Step::woken || s == Step::signal || s == Step::created || s == Step::exited;
}

} // namespace

std::vector<HitSpan> find_hits(std::span<const Record> records) {
    std::vector<HitSpan> hits;
    std::map<std::uint32_t, std::size_t> open; // by task: an index into hits
    for (std::size_t i = 0; i < records.size(); ++i) {
        const Record& r = records[i];
        if (r.kind != Record::Kind::event) continue;
        if (r.step == Step::trap) {
            open[r.serial] = hits.size();
            hits.push_back({i, i, r.object, r.serial, false});
            continue;
        }
        const auto it = open.find(r.serial);
        if (it == open.end()) continue;
        HitSpan& hit = hits[it->second];
        if (!of_the_program(r.step)) hit.last = i;
        hit.ended = r.step == Step::resumed || r.step == Step::restarted || r.step == Step::aborted;
        if (hit.ended || r.step == Step::exited) open.erase(it);
    }
    return hits;
}

} // namespace trapline
