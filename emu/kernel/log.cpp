#include "emu/kernel/log.hpp"

#include <cstring>

namespace trapline {

void Log::bytes(const void* data, std::size_t n) {
    const auto* p = static_cast<const unsigned char*>(data);
    mix(n);
    for (; n >= 8; p += 8, n -= 8) {
        std::uint64_t v = 0;
        std::memcpy(&v, p, 8);
        mix(v);
    }
    for (; n > 0; ++p, --n) mix(*p);
}

} // namespace trapline
