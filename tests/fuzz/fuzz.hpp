// tests/fuzz/fuzz.hpp: what a fuzz target is.
//
// A target defines LLVMFuzzerTestOneInput, so that libFuzzer can drive it (clang, see meson.build), and seeds(). In the
// suite drive.cpp drives it: a bounded number of mutations of the seeds, the same each time. The environment's
// TRAPLINE_FUZZ is the number of inputs, TRAPLINE_SEED another start.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

/// Inputs to begin with.
std::vector<std::vector<uint8_t>> seeds();

inline void must(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "fuzz: %s\n", what);
    std::abort();
}
