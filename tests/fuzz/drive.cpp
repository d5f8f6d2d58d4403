// Drives a fuzz target without libFuzzer: some thousand mutations of its seeds. An input that ends the process is left
// in a file, whose name is printed.
#include "emu/rng.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <csignal>
#include <fcntl.h>
#include <unistd.h>

namespace {

using Input = std::vector<uint8_t>;

Input current;

void leave_it(int number) {
    constexpr const char* name = "fuzz-input";
    const int fd = ::open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd >= 0 && ::write(fd, current.data(), current.size()) >= 0)
        std::fprintf(stderr, "fuzz: signal %d; the input is in %s\n", number, name);
    std::signal(number, SIG_DFL);
    ::raise(number);
}

/// Numbers at which size computations go wrong.
uint64_t edge(trapline::Rng& random) {
    constexpr uint64_t some[] = {0,
                                 1,
                                 0x7f,
                                 0x80,
                                 0xff,
                                 0x7fff,
                                 0xffff,
                                 0x7fffffff,
                                 0x80000000,
                                 0xffffffff,
                                 0x7fffffffffffffff,
                                 0x8000000000000000,
                                 ~0ull,
                                 ~0ull - 15};
    return some[random.below(std::size(some))];
}

void mutate(Input& input, trapline::Rng& random) {
    const size_t changes = 1 + random.below(6);
    for (size_t i = 0; i < changes && !input.empty(); ++i) {
        // Headers are at the start: half of all changes go there.
        const size_t at = random.below(random.below(2) ? std::min<size_t>(input.size(), 1024) : input.size());
        switch (random.below(6)) {
        case 0:
            input[at] = static_cast<uint8_t>(random.next());
            break;
        case 1:
            input[at] ^= static_cast<uint8_t>(1u << random.below(8));
            break;
        case 2:
        case 3: {
            const uint64_t value = edge(random);
            const size_t width = size_t{1} << random.below(4), place = at / width * width;
            for (size_t k = 0; k < width && place + k < input.size(); ++k)
                input[place + k] = static_cast<uint8_t>(value >> 8 * k);
            break;
        }
        case 4:
            if (random.below(4) == 0) input.resize(at + 1);
            break;
        default: {
            const size_t from = random.below(input.size()),
                         n = std::min(random.below(32), input.size() - std::max(at, from));
            std::copy_n(Input(input.begin() + static_cast<std::ptrdiff_t>(from),
                              input.begin() + static_cast<std::ptrdiff_t>(from + n))
                            .begin(),
                        n, input.begin() + static_cast<std::ptrdiff_t>(at));
        }
        }
    }
}

uint64_t setting(const char* name, uint64_t otherwise) {
    const char* given = std::getenv(name);
    return given != nullptr ? std::strtoull(given, nullptr, 0) : otherwise;
}

} // namespace

int main(int argc, char** argv) {
    for (const int number : {SIGABRT, SIGSEGV, SIGFPE, SIGBUS, SIGILL}) std::signal(number, leave_it);
    const uint64_t inputs = setting("TRAPLINE_FUZZ", argc > 1 ? std::strtoull(argv[1], nullptr, 0) : 1000);
    trapline::Rng random(setting("TRAPLINE_SEED", 1));
    const auto first = seeds();
    for (uint64_t i = 0; i < inputs; ++i) {
        current = first[i % first.size()];
        if (i >= first.size()) mutate(current, random);
        LLVMFuzzerTestOneInput(current.data(), current.size());
    }
    std::printf("%llu inputs\n", static_cast<unsigned long long>(inputs));
}
