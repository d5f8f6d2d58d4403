// Reference counters: a program with USDT probes looks at a 16-bit counter in its data to see whether anybody listens.
//
// Linux (update_ref_ctr, 6.12 and 6.18) adds one wherever it puts an int3, and takes it off with the int3. The counter
// is in a private writable mapping of the probed file. While a program is loaded its text may be there before its data:
// then the one is owed until that mapping comes.
#include "probes/uprobes.hpp"

#include <algorithm>

namespace trapline {
namespace {

bool holds_counter(const Vma& v, const Uprobe& u) {
    return v.inode && v.inode->number == u.inode->number && !v.shared && (v.prot & prot::write) != 0 &&
           u.counter_offset >= v.offset && u.counter_offset < v.offset + (v.end - v.start);
}

void change(Mm& mm, Addr counter, int by) {
    std::int16_t value = 0;
    if (!mm.get(counter, value) || value + by < 0) return; // Linux warns, and leaves it alone
    mm.put(counter, static_cast<std::int16_t>(value + by));
}

} // namespace

void Uprobes::count_reference(Mm& mm, Uprobe& u, int by) {
    if (u.counter_offset == 0 || !u.inode) return;
    std::vector<Uprobe*>& uncounted = make_space(mm).uncounted;
    for (const auto& [start, v] : mm.vmas()) {
        if (!holds_counter(v, u)) continue;
        change(mm, start + (u.counter_offset - v.offset), by);
        return;
    }
    const auto known = std::find(uncounted.begin(), uncounted.end(), &u);
    if (by < 0 && known != uncounted.end()) uncounted.erase(known);
    if (by > 0 && known == uncounted.end()) uncounted.push_back(&u);
}

void Uprobes::count_waiting(Mm& mm, const Vma& vma) {
    std::erase_if(make_space(mm).uncounted, [&](const Uprobe* u) {
        if (!holds_counter(vma, *u)) return false;
        change(mm, vma.start + (u->counter_offset - vma.offset), 1);
        return true;
    });
}

} // namespace trapline
