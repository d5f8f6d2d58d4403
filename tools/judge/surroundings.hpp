// tools/judge/surroundings.hpp: what makes a program take the same path on the live processor as on the emulated one.
//
// libc chooses among variants of memcpy, strlen and their like by what the processor can do (ifunc), OpenSSL likewise.
// The emulated processor has no AVX. Rather than tolerating that other functions are hit, both runs get environment
// variables that make the choice for them: the variables are part of the judged program's environment, and equal.
#pragma once

#include <string>
#include <vector>

namespace trapline::judge {

/// NAME=VALUE for both runs.
std::vector<std::string> surroundings();

} // namespace trapline::judge
