// The real CPU as judge. Each instruction form is executed from random states on this machine's CPU, in the emulated
// one, and in that with a probe under every strategy and dialect; what all of them leave behind must be the same, but
// for the two lists in known.cpp.
//
// The settings are in the environment: TRAPLINE_FORMS (2,000) and TRAPLINE_STATES (10) for the size of the run,
// TRAPLINE_SEED, TRAPLINE_STRATEGY for one alone, and TRAPLINE_ELF, programs, libraries and directories to take forms
// from, with colons between them.
#include "boost/catalogue.hpp"
#include "decoder/insn.hpp"
#include "tests/decoder/hex.hpp"
#include "tests/decoder/program_code.hpp"
#include "tests/differential/guest_cpu.hpp"
#include "tests/differential/host_cpu.hpp"
#include "tests/differential/known.hpp"
#include "tests/differential/settings.hpp"

#include <algorithm>
#include <cstdlib>
#include <doctest/doctest.h>
#include <fstream>
#include <iterator>
#include <map>

namespace trapline::testing {
namespace {

/// Strategies whose copies and traps must not show. stack-as-posted is not among them: its copy lies in what the
/// program needs, and no two outcomes are alike.
constexpr std::string_view kStrategies[] = {"inline",
                                            "inline-stop",
                                            "inline-hwbp",
                                            "inline-hwbp-lazy",
                                            "stack",
                                            "xol",
                                            "emulate",
                                            "emulate-most",
                                            "xol-owned",
                                            "xol-page",
                                            "xol-int3",
                                            "kernel-exec",
                                            "kernel-exec-unchecked",
                                            "kernel-exec-cpl2",
                                            "boosted",
                                            "boosted-as-posted",
                                            "fasttrap",
                                            "jump",
                                            "jump-as-posted",
                                            "nop5",
                                            "nop10"};

/// An entry of the lists shows itself in some of so many states.
constexpr std::uint64_t kWitnessStates = 2000;

/// The forms of this run, a batch at a time.
struct Run {
    Run() {
        Forms corpus;
        for (const std::string& path : test::files_in(programs())) instructions += corpus.harvest(path);
        harvested = corpus.all().size();
        corpus.enumerate(seed);
        known = corpus.all().size();
        forms = corpus.sample(setting("TRAPLINE_FORMS", 2000), seed,
                              [](const Form& form) { return not_comparable(form) == nullptr; });
    }

    template <class F> void batches(const F& each) const {
        for (std::size_t at = 0; at < forms.size(); at += kMostForms) {
            const auto first = forms.begin() + static_cast<std::ptrdiff_t>(at);
            std::vector<Form> batch(first,
                                    first + static_cast<std::ptrdiff_t>(std::min(kMostForms, forms.size() - at)));
            place(batch, seed);
            each(batch, code_of(batch));
        }
    }

    const std::uint64_t seed = setting("TRAPLINE_SEED", 1), states = setting("TRAPLINE_STATES", 10);
    std::size_t instructions = 0, harvested = 0, known = 0;
    std::vector<Form> forms;
};

const Run& this_run() {
    static const Run run;
    return run;
}

bool every(std::size_t) { return true; }

std::string text_of(const Form& form) {
    static const Disassembler disassembler;
    return hex(form.bytes) + "  " + disassembler.text(form.bytes, form.at);
}

/// Outcomes by form and state.
class Outcomes {
  public:
    Outcomes(std::size_t forms, std::uint64_t states) : states_(states), all_(forms * states) {}
    Outcome& operator()(std::size_t form, std::uint64_t state) { return all_[form * states_ + state]; }

  private:
    std::uint64_t states_;
    std::vector<Outcome> all_;
};

Outcomes emulated(const std::vector<Form>& forms, GuestCpu& cpu, std::uint64_t states, std::uint64_t seed,
                  const std::function<bool(std::size_t)>& wanted = every) {
    Outcomes out(forms.size(), states);
    cpu.run(states, seed, wanted,
            [&](std::size_t f, std::uint64_t s, const Outcome& o, const Memory&) { out(f, s) = o; });
    return out;
}

/// How often an entry of a list explained a difference, and the form that was the first.
struct Met {
    std::size_t executions = 0;
    std::string text;

    void add(const Form& form) {
        if (++executions == 1) text = text_of(form);
    }
};

template <class List> void say_what_was_met(const List& list, const std::vector<Met>& met) {
    for (std::size_t i = 0; i < met.size(); ++i)
        if (met[i].executions != 0)
            MESSAGE(met[i].executions << " executions, as of " << met[i].text << ": " << std::string(list[i].what));
}

/// The witnesses of a list, each with its place in the code.
template <class List> std::vector<Form> witnesses(const List& list) {
    std::vector<Form> out;
    for (const auto& entry : list) {
        Form form;
        form.bytes = test::bytes(entry.witness);
        REQUIRE_MESSAGE(decode(form.bytes, form.insn) == Decoded::ok, std::string(entry.witness));
        REQUIRE(form.insn.length == form.bytes.size());
        out.push_back(std::move(form));
    }
    place(out, 1);
    return out;
}

TEST_CASE("the emulated CPU leaves behind what this machine's CPU does, but for a list") {
    std::string why_not;
    const auto host = HostCpu::start(why_not);
    if (!host) {
        MESSAGE("skipped: " << why_not);
        return;
    }
    const Run& run = this_run();
    MESSAGE(run.known << " forms known, " << run.harvested << " of them from " << run.instructions << " instructions; "
                      << run.forms.size() << " are executed " << run.states << " times");
    std::size_t same = 0, completed = 0;
    std::vector<Met> met(engine_defects().size());
    run.batches([&](const std::vector<Form>& forms, const std::vector<std::uint8_t>& code) {
        host->set_code(code);
        GuestCpu cpu(forms, code, nullptr, *dialect("fixed"));
        Outcomes guest = emulated(forms, cpu, run.states, run.seed);
        for (std::size_t f = 0; f < forms.size(); ++f) {
            const Known known(forms[f]);
            const Defined defined = defined_by(forms[f]);
            for (std::uint64_t s = 0; s < run.states; ++s) {
                const Outcome& ours = guest(f, s);
                if (forms[f].insn.vector()) { // no AVX: whatever the host does with it
                    CHECK_MESSAGE((ours.signo == sig::ill && ours.rip == forms[f].at), text_of(forms[f]));
                    continue;
                }
                const Outcome theirs = host->execute(forms[f], state_for(forms[f], s, run.seed));
                completed += theirs.completed();
                const unsigned effects = differences(theirs, ours, defined);
                same += effects == 0;
                unsigned open = effects;
                for (std::size_t i = 0; i < met.size() && open != 0; ++i) {
                    const EngineDefect& defect = engine_defects()[i];
                    if (!(open & defect.effects) || !defect.is(known)) continue;
                    open &= ~defect.effects;
                    met[i].add(forms[f]);
                }
                if (open != 0)
                    FAIL_CHECK(text_of(forms[f]) << " differs in " << words(open)
                                                 << ", CPU / emulated:" << details(theirs, ours, defined));
            }
        }
    });
    MESSAGE(same << " executions were the same, " << completed << " completed on the CPU");
    say_what_was_met(engine_defects(), met);
}

TEST_CASE("a probe changes nothing under fixed, and in other dialects what their kernels are known for") {
    constexpr unsigned kNoHit = 1u << 30, kTwoHits = 1u << 31;
    const Run& run = this_run();
    std::size_t executions = 0;
    std::vector<Met> met(probe_defects().size());
    // All flags count here, also those that an instruction leaves undefined: it is the same CPU.
    constexpr Defined kAllFlags{.flags = kFlagsUser};
    run.batches([&](const std::vector<Form>& forms, const std::vector<std::uint8_t>& code) {
        GuestCpu unprobed(forms, code, nullptr, *dialect("fixed"));
        Outcomes bare = emulated(forms, unprobed, run.states, run.seed);
        for (const std::string_view name : kStrategies) {
            if (const char* const only = std::getenv("TRAPLINE_STRATEGY"); only != nullptr && name != only) continue;
            REQUIRE(strategy_info(name) != nullptr);
            const StrategyInfo& strategy = *strategy_info(name);
            for (const Dialect& kernel : dialects()) {
                GuestCpu cpu(forms, code, &strategy, kernel);
                // With the stack's pages made executable the program would go on with whatever the state left there.
                const auto wanted = [&](std::size_t f) { return name != "stack" || !leads_anywhere(forms[f]); };
                Outcomes probed = emulated(forms, cpu, run.states, run.seed, wanted);
                for (std::size_t f = 0; f < forms.size(); ++f) {
                    if (cpu.refused(f) != 0 || !wanted(f)) continue;
                    for (std::uint64_t s = 0; s < run.states; ++s) {
                        ++executions;
                        const Outcome &a = bare(f, s), &b = probed(f, s);
                        unsigned effects = differences(a, b, kAllFlags);
                        if (b.hits == 0) effects |= kNoHit;
                        if (b.hits > 1 && !forms[f].insn.rep_string) effects |= kTwoHits;
                        if (effects == 0) continue;
                        const Known known(forms[f]);
                        for (std::size_t i = 0; i < met.size() && effects != 0; ++i) {
                            const ProbeDefect& defect = probe_defects()[i];
                            if (!(effects & defect.effects) || !defect.is(known, strategy, kernel)) continue;
                            effects &= ~defect.effects;
                            met[i].add(forms[f]);
                        }
                        if (effects != 0)
                            FAIL_CHECK(strategy.name << " " << kernel.name << " " << text_of(forms[f]) << " differs in "
                                                     << words(effects) << ", unprobed / probed, " << b.hits
                                                     << " hits:" << details(a, b, kAllFlags));
                    }
                }
            }
        }
    });
    MESSAGE(executions << " executions with a probe");
    say_what_was_met(probe_defects(), met);
}

TEST_CASE("each known difference of the emulated CPU is still there") {
    std::string why_not;
    const auto host = HostCpu::start(why_not);
    if (!host) {
        MESSAGE("skipped: " << why_not);
        return;
    }
    const std::vector<Form> forms = witnesses(engine_defects());
    const std::vector<std::uint8_t> code = code_of(forms);
    host->set_code(code);
    GuestCpu cpu(forms, code, nullptr, *dialect("fixed"));
    Outcomes guest = emulated(forms, cpu, kWitnessStates, 1);
    for (std::size_t f = 0; f < forms.size(); ++f) {
        const EngineDefect& defect = engine_defects()[f];
        CHECK_MESSAGE(defect.is(Known(forms[f])), std::string(defect.what));
        const Defined defined = defined_by(forms[f]);
        bool shown = false;
        for (std::uint64_t s = 0; s < kWitnessStates && !shown; ++s)
            shown = (differences(host->execute(forms[f], state_for(forms[f], s, 1)), guest(f, s), defined) &
                     defect.effects) != 0;
        CHECK_MESSAGE(shown, text_of(forms[f]) << " shows no more: " << std::string(defect.what));
    }
}

TEST_CASE("each known defect of a probe is still there") {
    const std::vector<Form> forms = witnesses(probe_defects());
    const std::vector<std::uint8_t> code = code_of(forms);
    GuestCpu unprobed(forms, code, nullptr, *dialect("fixed"));
    Outcomes bare = emulated(forms, unprobed, kWitnessStates, 1);
    for (std::size_t f = 0; f < forms.size(); ++f) {
        const ProbeDefect& defect = probe_defects()[f];
        const StrategyInfo* strategy = strategy_info(defect.strategy);
        const auto* kernel = dialect(defect.dialect);
        REQUIRE(kernel != nullptr);
        if (strategy == nullptr) continue; // not in the catalogue
        CHECK_MESSAGE(defect.is(Known(forms[f]), *strategy, *kernel), std::string(defect.what));
        GuestCpu cpu(forms, code, strategy, *kernel);
        Outcomes probed = emulated(forms, cpu, kWitnessStates, 1);
        bool shown = false;
        for (std::uint64_t s = 0; s < kWitnessStates && !shown; ++s)
            shown = (differences(bare(f, s), probed(f, s), Defined{.flags = kFlagsUser}) & defect.effects) != 0;
        CHECK_MESSAGE(shown, text_of(forms[f]) << " shows no more: " << std::string(defect.what));
    }
}

TEST_CASE("the lists in the manual are the lists that were tested") {
    std::ifstream file(TRAPLINE_SOURCE "/docs/instructions.md");
    const std::string manual((std::istreambuf_iterator<char>(file)), {});
    CHECK_MESSAGE(manual.find(engine_table()) != std::string::npos, "docs/instructions.md should have\n"
                                                                        << engine_table());
    CHECK_MESSAGE(manual.find(probe_table()) != std::string::npos, "docs/instructions.md should have\n"
                                                                       << probe_table());
}

} // namespace
} // namespace trapline::testing
