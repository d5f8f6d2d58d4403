// Fuzzing of what reads a program's file: the coverage sweep over an ELF file that is broken somewhere. It may refuse
// the file or leave out what is damaged; it must not crash, and it must not take longer than in proportion to the size.
#include "loader/code.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tools/coverage_sweep.hpp"

#include <chrono>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <sys/mman.h>
#include <unistd.h>

namespace {

using namespace trapline;

/// By far longer than a file of that size takes.
constexpr auto kLongest = std::chrono::seconds(20);

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const int file = ::memfd_create("fuzz", MFD_CLOEXEC);
    must(file >= 0 && ::write(file, data, size) == static_cast<ssize_t>(size), "no memfd");
    const auto start = std::chrono::steady_clock::now();
    static Mnemonics mnemonics;
    std::atomic<std::uint64_t> swept = 0;
    ScanOptions options;
    options.by = size % 2 != 0 ? ScanOptions::By::function : ScanOptions::By::mnemonic;
    const auto coverage = sweep_file(fmt::format("/proc/self/fd/{}", file), options, mnemonics, swept);
    if (coverage) {
        std::uint64_t counted = 0;
        for (const auto& [facts, count] : coverage->counts) counted += count;
        must(counted == coverage->instructions, "instructions were lost");
        must(coverage->instructions + coverage->undecodable <= 64 * size, "more instructions than the file can have");
    }
    must(std::chrono::steady_clock::now() - start < kLongest, "it took too long");
    ::close(file);
    return 0;
}

std::vector<std::vector<uint8_t>> seeds() {
    std::vector<std::vector<uint8_t>> out;
    for (const char* path : {"/bin/true", TRAPLINE_GUESTS_DIR "/one-hit", TRAPLINE_GUESTS_DIR "/hello-dynamic",
                             TRAPLINE_GUESTS_DIR "/libhot.so"}) {
        std::ifstream file(path, std::ios::binary);
        out.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
        must(!out.back().empty(), path);
    }
    return out;
}
