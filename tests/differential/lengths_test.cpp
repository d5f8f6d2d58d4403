// How long an instruction is, according to our decoder, to Zydis, and to the CPU, which has the last word.
//
// The CPU is asked with the first bytes of the instruction at the end of what is mapped: if it needs another byte, the
// fault names the page behind. So our length is right when it faults for one byte less, and does not for the length.
// Zydis is asked about every instruction of programs and about random bytes. Where it says something else, the CPU is
// asked for each form once, and the verdicts are counted.
//
// In the environment: TRAPLINE_STRINGS (200,000) random strings, TRAPLINE_JUDGED (20,000) of them before the CPU, and
// as many disagreements; TRAPLINE_ELF and TRAPLINE_SEED as in differential_test.cpp.
#include "decoder/insn.hpp"
#include "tests/decoder/peers.hpp"
#include "tests/decoder/program_code.hpp"
#include "tests/decoder/random_bytes.hpp"
#include "tests/differential/host_cpu.hpp"
#include "tests/differential/settings.hpp"

#include <doctest/doctest.h>
#include <map>
#include <unordered_set>

namespace trapline::testing {
namespace {

using Taken = HostCpu::Taken;

struct Case {
    explicit Case(std::span<const std::uint8_t> of) : bytes(of) {
        decoded = decode(of, insn);
        if (decoded == Decoded::ok && !insn.undefined) ours = insn.length;
    }
    std::span<const std::uint8_t> bytes;
    Outline insn;
    Decoded decoded;
    std::uint8_t ours = 0; ///< 0: refused
};

/// The CPU would take its operand in the unmapped page for the next byte of the instruction.
bool reaches_behind(const Case& c) {
    if (!c.insn.rip_relative || c.ours == 0) return false;
    std::int32_t displacement = 0;
    std::memcpy(&displacement, c.bytes.data() + c.insn.disp_offset, sizeof displacement);
    return displacement > -128 && displacement <= 0;
}

/// What CPUs do otherwise, and why it stays as it is.
struct Otherwise {
    const char* why;
    bool (*is)(const Case&);
};
constexpr Otherwise kOtherwise[] = {
    {"66 before a near branch: AMD's CPUs read two bytes of displacement, Intel's four, and so do we and Linux",
     [](const Case& c) {
         const bool one = c.insn.map == map::one_byte && (c.insn.opcode == 0xe8 || c.insn.opcode == 0xe9);
         const bool two = c.insn.map == map::m0f && (c.insn.opcode & 0xf0) == 0x80;
         return !c.insn.vector() && (one || two) && (c.insn.prefixes & prefix::operand_size) != 0;
     }},
};

enum class Verdict { right, refused, open, other };

/// What the CPU says to our length, or to our refusal. Before it refuses it may fetch more than it needs to know that.
Verdict judge(HostCpu& cpu, const Case& c) {
    if (reaches_behind(c)) return Verdict::open;
    const Taken all = cpu.take(c.bytes);
    if (all == Taken::refused) return c.ours == 0 ? Verdict::right : Verdict::refused;
    if (c.ours == 0) {
        Outline cut;
        const bool long_one = decode(c.bytes.first(15), cut) == Decoded::truncated;
        return long_one && all == Taken::too_long ? Verdict::right : Verdict::other;
    }
    if (cpu.take(c.bytes.first(c.ours)) == Taken::needs_more) return Verdict::other;
    const bool shorter = c.ours > 1 && cpu.take(c.bytes.first(c.ours - 1u)) != Taken::needs_more;
    return shorter ? Verdict::other : Verdict::right;
}

const char* reason(const Case& c) {
    for (const Otherwise& entry : kOtherwise)
        if (entry.is(c)) return entry.why;
    return nullptr;
}

/// Asks the CPU, and fails when it says something that has no reason.
Verdict settle(HostCpu& cpu, const Case& c, std::map<std::string, std::size_t>& reasons) {
    const Verdict verdict = judge(cpu, c);
    if (verdict != Verdict::other) return verdict;
    const char* why = reason(c);
    if (why != nullptr)
        ++reasons[why];
    else
        FAIL_CHECK("the CPU disagrees about " << hex(c.bytes) << ": we say " << int(c.ours));
    return verdict;
}

std::unique_ptr<HostCpu> host() {
    std::string why_not;
    auto cpu = HostCpu::start(why_not);
    if (!cpu) MESSAGE("skipped: " << why_not);
    return cpu;
}

TEST_CASE("the CPU takes as many bytes of random strings as the decoder says") {
    const auto cpu = host();
    if (!cpu) return;
    test::RandomBytes random(setting("TRAPLINE_SEED", 1) + 7);
    std::map<std::string, std::size_t> reasons;
    std::size_t right = 0, refused = 0;
    for (std::uint64_t i = setting("TRAPLINE_JUDGED", 20'000); i > 0; --i) {
        const auto bytes = random.next();
        const Verdict verdict = settle(*cpu, Case(bytes), reasons);
        right += verdict == Verdict::right;
        refused += verdict == Verdict::refused;
    }
    MESSAGE(right << " right, " << refused << " have a length here and are #UD on this CPU");
    for (const auto& [why, count] : reasons) MESSAGE(count << ": " << why);
    CHECK(right > refused);
}

/// Disagreements with Zydis, and what the CPU made of them.
class Disagreements {
  public:
    explicit Disagreements(HostCpu& cpu) : cpu_(cpu) {}

    void look(std::span<const std::uint8_t> bytes, std::uint8_t& length) {
        const Case c(bytes);
        length = c.ours;
        ++looked_at;
        ZydisDecodedInstruction z;
        const std::uint8_t theirs = peers_.zydis(bytes, z);
        if (theirs == c.ours) return;
        ++all;
        std::string key = key_of(c.insn, bytes);
        key += static_cast<char>(theirs);
        if (bytes.size() < 16 || judged >= most_ || !keys_.insert(std::move(key)).second) return;
        ++judged;
        const Verdict verdict = settle(cpu_, c, reasons);
        if (verdict == Verdict::right && c.ours == 0)
            ++reasons["Zydis knows an instruction that we and this CPU do not"];
        if (verdict == Verdict::right && theirs == 0)
            ++reasons["Zydis refuses what this CPU executes: " +
                      hex(bytes.subspan(c.insn.opcode_offset - (c.insn.map == map::m0f ? 1u : 0u),
                                        c.insn.map == map::m0f ? 2 : 1))];
        if (verdict == Verdict::right && c.ours != 0 && theirs != 0)
            ++reasons["Zydis has another length, and is wrong"];
        if (verdict == Verdict::refused && theirs == 0) ++reasons["we have a length where Zydis and the CPU refuse"];
        if (verdict == Verdict::refused && theirs != 0) ++reasons["another length where the CPU refuses"];
    }
    void say() const {
        MESSAGE(looked_at << " looked at, " << all << " disagreements, of " << judged << " forms that the CPU judged");
        for (const auto& [why, count] : reasons) MESSAGE(count << ": " << why);
    }

    std::size_t looked_at = 0, all = 0, judged = 0;
    std::map<std::string, std::size_t> reasons;

  private:
    HostCpu& cpu_;
    test::Peers peers_;
    std::unordered_set<std::string> keys_;
    const std::uint64_t most_ = setting("TRAPLINE_JUDGED", 20'000);
};

TEST_CASE("where Zydis and the decoder see another length in programs, the CPU is with the decoder") {
    const auto cpu = host();
    if (!cpu) return;
    Disagreements with_zydis(*cpu);
    std::size_t bytes = 0;
    for (const std::string& path : test::files_in(programs()))
        for (const auto& code : test::executable_segments(path)) {
            bytes += code.size();
            std::uint8_t length = 0;
            for (std::size_t at = 0; at < code.size(); at += length != 0 ? length : 1)
                with_zydis.look(std::span(code).subspan(at, std::min<std::size_t>(16, code.size() - at)), length);
        }
    MESSAGE(bytes << " bytes of code");
    with_zydis.say();
    CHECK(with_zydis.looked_at > 100'000);
    CHECK(with_zydis.all < with_zydis.looked_at / 200);
}

TEST_CASE("where Zydis and the decoder see another length in random bytes, the CPU is with the decoder") {
    const auto cpu = host();
    if (!cpu) return;
    Disagreements with_zydis(*cpu);
    test::RandomBytes random(setting("TRAPLINE_SEED", 1));
    std::uint8_t length = 0;
    for (std::uint64_t i = setting("TRAPLINE_STRINGS", 200'000); i > 0; --i) with_zydis.look(random.next(), length);
    with_zydis.say();
}

} // namespace
} // namespace trapline::testing
