#include "decoder/walk.hpp"

#include <algorithm>
#include <limits>

namespace trapline {

Walk walk(std::span<const uint8_t> code, Wanted wanted, Mode mode) {
    Walk out;
    const size_t end = std::min<size_t>(code.size(), std::numeric_limits<int16_t>::max());
    size_t at = 0;
    while (at < end) {
        Outline insn;
        const Decoded decoded = decode(code.subspan(at, end - at), insn, mode);
        ++out.count;
        out.last_offset = static_cast<uint16_t>(at);
        out.ends_in_rep = insn.rep_string;
        if (wanted != nullptr && out.first_wanted < 0 && wanted(insn, code.subspan(at, end - at)))
            out.first_wanted = static_cast<int16_t>(at);
        if (decoded != Decoded::ok || insn.undefined) break;
        at += insn.length;
    }
    return out;
}

} // namespace trapline
