// tests/decoder/hex.hpp: encodings are written in hex in these tests.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

namespace trapline::test {

/// Bytes of "66 0f 1f 00"; spaces are ignored.
inline std::vector<uint8_t> bytes(const std::string& hex) {
    std::string digits;
    for (const char c : hex)
        if (c != ' ') digits += c;
    std::vector<uint8_t> out;
    for (size_t i = 0; i + 1 < digits.size(); i += 2)
        out.push_back(static_cast<uint8_t>(std::strtoul(digits.substr(i, 2).c_str(), nullptr, 16)));
    return out;
}

} // namespace trapline::test
