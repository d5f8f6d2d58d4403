// Sampling, on a space whose probabilities can be worked out.
#include "scenarios/explore/sample.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <map>
#include <string>

using namespace trapline;

namespace {

/// Two tasks that take steps on one variable; a run is the order of its steps.
class Two final : public SearchSpace {
  public:
    Two(unsigned a, unsigned b) : length_{a, b} {}
    void restart() override {
        left_ = length_;
        order = "";
    }
    TaskSet ready() override { return (left_[0] > 0 ? only(0) : 0) | (left_[1] > 0 ? only(1) : 0); }
    void advance(unsigned task, Stretch* record) override {
        --left_[task];
        order += static_cast<char>('a' + task);
        if (record == nullptr) return;
        record->footprint.memory(0, 8, true);
        record->footprint.seal();
    }
    std::string order;

  private:
    std::array<unsigned, 2> length_, left_{};
};

std::map<std::string, unsigned> orders(ExploreSection::Method method, std::uint32_t depth, unsigned runs) {
    ExploreSection section;
    section.method = method;
    section.depth = depth;
    Two space(3, 3);
    Sampler sampler(space, section, 100);
    std::map<std::string, unsigned> seen;
    for (unsigned i = 0; i < runs; ++i) {
        const auto s = sampler.run(i);
        CHECK(s.ended);
        CHECK(s.length == 6);
        ++seen[space.order];
    }
    return seen;
}

} // namespace

TEST_CASE("a random walk takes each order as often as its choices say") {
    constexpr unsigned kRuns = 20'000;
    const auto seen = orders(ExploreSection::Method::random, 1, kRuns);
    CHECK(seen.size() == 20); // C(6,3)
    // aaabbb: three choices of one in two, then there is none. ababab: five such choices.
    CHECK(std::abs(seen.at("aaabbb") / double(kRuns) - 1.0 / 8) < 0.01);
    CHECK(std::abs(seen.at("ababab") / double(kRuns) - 1.0 / 32) < 0.01);
}

TEST_CASE("pct of depth 1 never preempts, and of depth 2 finds each single preemption as often as it promises") {
    constexpr unsigned kRuns = 20'000;
    const auto plain = orders(ExploreSection::Method::pct, 1, kRuns);
    CHECK(plain.size() == 2);
    CHECK(std::abs(plain.at("aaabbb") / double(kRuns) - 0.5) < 0.02);
    const auto one = orders(ExploreSection::Method::pct, 2, kRuns);
    // 1 / (n k^(d-1)) with two tasks and the assumed length, twice six.
    for (const char* order : {"abbbaa", "aabbba", "baaabb", "bbaaab"}) {
        CAPTURE(order);
        CHECK(one.at(order) / double(kRuns) > 1.0 / (2 * 12) * 0.9);
    }
}

TEST_CASE("pos reaches every order of conflicting steps") {
    constexpr unsigned kRuns = 20'000;
    const auto seen = orders(ExploreSection::Method::pos, 1, kRuns);
    CHECK(seen.size() == 20);
}

TEST_CASE("the same number gives the same run") {
    CHECK(orders(ExploreSection::Method::pos, 1, 50) == orders(ExploreSection::Method::pos, 1, 50));
    CHECK(orders(ExploreSection::Method::pct, 3, 50) == orders(ExploreSection::Method::pct, 3, 50));
}
