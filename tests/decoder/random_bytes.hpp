// tests/decoder/random_bytes.hpp: byte strings that reach all opcode maps, the same on every machine.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

namespace trapline::test {

/// Strings of 16 random bytes. Heads lead half of them into the maps that random bytes seldom reach.
class RandomBytes {
  public:
    explicit RandomBytes(uint64_t seed) : random_(seed) {}

    std::array<uint8_t, 16> next() {
        std::array<uint8_t, 16> out;
        for (size_t k = 0; k < out.size(); k += 8) {
            const uint64_t word = random_();
            std::memcpy(out.data() + k, &word, 8);
        }
        const auto& head = heads_[random_() % heads_.size()];
        std::copy(head.begin(), head.end(), out.begin());
        return out;
    }

  private:
    std::mt19937_64 random_;
    std::vector<std::vector<uint8_t>> heads_ = {{},           {},     {},     {},     {},     {0x0f}, {0x0f, 0x38},
                                                {0x0f, 0x3a}, {0x66}, {0xf2}, {0xf3}, {0x67}, {0x48}, {0x66, 0x0f},
                                                {0xf2, 0x0f}, {0xc4}, {0xc5}, {0x62}, {0x8f}, {0xf0}};
};

} // namespace trapline::test
