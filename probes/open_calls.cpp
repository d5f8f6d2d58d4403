#include "probes/open_calls.hpp"

#include <algorithm>

namespace trapline {

void OpenCalls::open(Mm& mm, Addr place, const Call& call, Word word) {
    std::vector<Entry>& here = calls_[place];
    // A call has written a return address of its own there, so whoever used the word before is gone. A jump from
    // another function has left that function's, and both will return at once. Where nobody replaced the word the two
    // look alike.
    std::erase_if(here, [&](const Entry& e) {
        const bool stays = e.call.target == call.target &&
                           (word == Word::untouched ? e.call.uprobe != call.uprobe : word == Word::replaced_before);
        if (!stays && e.watched) mm.fetch().unwatch(e.call.target);
        return !stays;
    });
    const bool watched = word == Word::untouched;
    here.push_back({call, watched});
    if (watched) mm.fetch().watch(call.target);
}

std::vector<OpenCalls::Call> OpenCalls::close(Mm& mm, Addr place, Addr target) {
    std::vector<Call> ended;
    const auto found = calls_.find(place);
    if (found == calls_.end()) return ended;
    std::vector<Entry>& here = found->second;
    while (!here.empty() && here.back().call.target == target) {
        if (here.back().watched) mm.fetch().unwatch(target);
        ended.push_back(here.back().call);
        here.pop_back();
    }
    if (here.empty()) calls_.erase(found);
    return ended;
}

void OpenCalls::copy_to(OpenCalls& child, Mm& mm) const {
    child.calls_ = calls_;
    for (const auto& [place, here] : calls_)
        for (const Entry& e : here)
            if (e.watched) mm.fetch().watch(e.call.target);
}

} // namespace trapline
