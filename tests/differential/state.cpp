#include "tests/differential/state.hpp"

#include "emu/rng.hpp"

#include <algorithm>
#include <memory>

namespace trapline::testing {
namespace {

constexpr std::size_t kContents = 16; // different ones, made once

std::uint64_t word(Rng& random) {
    const std::uint64_t r = random.next();
    switch (r & 7) {
    case 0:
        return r >> 56; // small
    case 1:
        return std::uint64_t{0} - (r >> 58);
    case 2: {
        const double value = static_cast<double>(static_cast<std::int64_t>(r)) / 4096.0;
        std::uint64_t bits = 0;
        std::memcpy(&bits, &value, sizeof bits);
        return bits;
    }
    case 3:
        return kDataAt + 64 + (r >> 40) % (kDataBytes - 256);
    default:
        return r;
    }
}

const Memory& contents(std::uint64_t seed) {
    static std::unique_ptr<Memory> made[kContents];
    std::unique_ptr<Memory>& memory = made[seed % kContents];
    if (!memory) {
        memory = std::make_unique<Memory>();
        Rng random(seed % kContents + 1);
        for (std::size_t at = 0; at < memory->size(); at += 8) {
            const std::uint64_t value = word(random);
            std::memcpy(memory->data() + at, &value, 8);
        }
    }
    return *memory;
}

/// Two multiplications at a time; n is a multiple of 16 wherever it matters, and the rest counts, too.
std::uint64_t hash(const std::uint8_t* data, std::size_t n) {
    std::uint64_t a = 0x9e3779b97f4a7c15, b = 0xbf58476d1ce4e5b9, x = 0, y = 0;
    for (; n >= 16; n -= 16, data += 16) {
        std::memcpy(&x, data, 8);
        std::memcpy(&y, data + 8, 8);
        a = (a ^ x) * 0xd6e8feb86659fd93;
        b = (b ^ y) * 0xa0761d6478bd642f;
        a ^= a >> 32;
        b ^= b >> 32;
    }
    for (; n > 0; --n) a = (a ^ *data++) * 0xd6e8feb86659fd93;
    return a * 31 + b;
}

} // namespace

std::optional<std::size_t> place_in_memory(Addr at) {
    if (at >= kDataAt && at <= kReadOnlyAt + kReadOnlyBytes - 8) return at - kDataAt;
    if (at >= kStackAt && at <= kStackAt + kStackBytes - 8) return at - kStackAt + kStackInMemory;
    return std::nullopt;
}

void fill(Memory& memory, const State& state) {
    memory = contents(state.memory_seed);
    for (const Poke& poke : state.pokes)
        if (const auto place = place_in_memory(poke.at)) std::memcpy(memory.data() + *place, &poke.value, 8);
}

void hash_memory(Outcome& out, const Memory& memory, const State& state) {
    constexpr std::uint64_t kRedZone = 128, kRsp = 4;
    const Addr sp = std::clamp(state.gpr[kRsp], kStackAt + kRedZone, kStackAt + kStackBytes);
    const std::size_t live = kStackInMemory + (sp - kRedZone - kStackAt);
    out.dead_stack = hash(memory.data() + kStackInMemory, live - kStackInMemory);
    out.memory = hash(memory.data(), kStackInMemory) * 31 + hash(memory.data() + live, memory.size() - live);
}

} // namespace trapline::testing
