// emu/rng.hpp: the one source of chance: splitmix64, seeded, with a written-down algorithm.
//
// The standard library's distributions differ between implementations, so ranges are made here: multiply and shift.
#pragma once

#include <cstdint>

namespace trapline {

class Rng {
  public:
    explicit Rng(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next() {
        std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }
    /// Uniform in [0, n), n > 0.
    std::uint64_t below(std::uint64_t n) {
        __extension__ using Wide = unsigned __int128;
        return static_cast<std::uint64_t>((static_cast<Wide>(next()) * n) >> 64);
    }

  private:
    std::uint64_t state_;
};

} // namespace trapline
