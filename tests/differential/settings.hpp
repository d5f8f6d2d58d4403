// tests/differential/settings.hpp: how long these tests run, from the environment.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>

namespace trapline::testing {

inline std::uint64_t setting(const char* name, std::uint64_t otherwise) {
    const char* given = std::getenv(name);
    return given != nullptr ? std::strtoull(given, nullptr, 0) : otherwise;
}

/// Programs, libraries and directories, with colons between them.
inline std::string programs() {
    const char* given = std::getenv("TRAPLINE_ELF");
    return given != nullptr ? given
                            : "/bin/bash:/lib/x86_64-linux-gnu/libc.so.6:/lib/x86_64-linux-gnu/libm.so.6:"
                              "/usr/bin/python3.11:/usr/lib/x86_64-linux-gnu/libcrypto.so.3";
}

} // namespace trapline::testing
