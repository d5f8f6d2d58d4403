// `trapline calibrate`: what this machine's kernel costs, as a cost profile, and how well that predicts.
#include "emu/kernel/cost_file.hpp"
#include "tools/calibrate/fit.hpp"
#include "tools/calibrate/program.hpp"
#include "tools/judge/live.hpp"
#include "tools/options.hpp"
#include "tools/output_file.hpp"
#include "tools/table.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/mman.h>
#include <unistd.h>

namespace trapline {
namespace {

using calibrate::Function;
using calibrate::Measured;
using calibrate::Mix;
using Probe = Function::Probe;

constexpr const char* kFooter =
    "Small programs time themselves on this kernel, with and without probes (perf events on private\n"
    "copies, which nothing else can reach): a nop, a push, an instruction that is stepped out of line,\n"
    "a nop of five bytes, a return probe, a system call; page faults and copies, mprotect with and\n"
    "without another CPU, and ptrace stepping are measured beside. The lowest tenths make a cost profile for\n"
    "--cost FILE. Then other instructions, in mixes that were not measured for the profile, are run on\n"
    "this kernel and in the emulated machine with the profile, and both times are printed.\n"
    "It goes on until two passes agree on every lowest time, some seconds on a machine that has nothing\n"
    "else to do, and gives up after a minute.\n"
    "\n"
    "Exit code: 0 every prediction is within 20 %; 1 one is not (the profile is written); 2 bad command\n"
    "line; 4 the machine is too noisy to be measured; 77 it cannot be measured, and why.\n"
    "\n"
    "Examples:\n"
    "  trapline calibrate -o this-machine.cost\n"
    "  trapline compare --cost ./this-machine.cost -p :main -- ./program\n";

constexpr double kGoal = 20;        // percent
constexpr double kConfirmed = 1.05; // as much longer may the pass be that confirms the quickest one

const Function kNop{"nop", {0x90, 0xc3}, Probe::entry};
const Function kNop5{"nop of five bytes", {0x0f, 0x1f, 0x44, 0, 0, 0xc3}, Probe::entry};
const Function kCall{"syscall getppid", {0xb8, 110, 0, 0, 0, 0x0f, 0x05, 0xc3}, Probe::none};
const Function kPush{"push %rbp", {0x55, 0x5d, 0xc3}, Probe::entry};
const Function kLea{"lea 1(%rdi),%rax", {0x48, 0x8d, 0x47, 1, 0xc3}, Probe::entry};

// Not looked at for the profile.
const Function kJump{"jmp", {0xeb, 0, 0xc3}, Probe::entry};
const Function kBranch{"je", {0x74, 0, 0xc3}, Probe::entry};
const Function kNear{"call", {0xe8, 1, 0, 0, 0, 0xc3, 0xc3}, Probe::entry};
const Function kPush14{"push %r14", {0x41, 0x56, 0x41, 0x5e, 0xc3}, Probe::entry};
const Function kNop4{"nop of four bytes", {0x0f, 0x1f, 0x40, 0, 0xc3}, Probe::entry};
const Function kLoad{"mov 64(%r13),%rax", {0x49, 0x8b, 0x45, 64, 0xc3}, Probe::entry};
const Function kXor{"xor %eax,%eax", {0x31, 0xc0, 0xc3}, Probe::entry};
const Function kRipLea{"lea 0(%rip),%rax", {0x48, 0x8d, 0x05, 0, 0, 0, 0, 0xc3}, Probe::entry};
const Function kRet{"ret", {0xc3}, Probe::entry};
const Function kAdd{"addq $1,64(%r13)", {0x49, 0x83, 0x45, 64, 1, 0xc3}, Probe::entry};

Function with(Function f, Probe probe) {
    f.probe = probe;
    return f;
}
Function bare(Function f) { return with(std::move(f), Probe::none); }

std::vector<Mix> held_out() {
    return {{"jmp, je, call, push, nop4", {kJump, kBranch, kNear, kPush14, kNop4}},
            {"mov, xor, lea rip, ret, add", {kLoad, kXor, kRipLea, kRet, kAdd}},
            {"jmp, mov, call, xor", {kJump, kLoad, kNear, kXor}},
            {"three nop5, mov", {kNop5, kNop5, kNop5, kLoad}},
            {"returns of jmp and xor", {with(kJump, Probe::at_return), with(kXor, Probe::at_return)}},
            {"one probed mov, nine that are not",
             {kLoad, with(kXor, Probe::none), with(kAdd, Probe::none), with(kLoad, Probe::none),
              with(kXor, Probe::none), with(kRet, Probe::none), with(kAdd, Probe::none), with(kLoad, Probe::none),
              with(kXor, Probe::none), with(kRet, Probe::none)}}};
}

struct Row {
    std::string name;
    Measured live;
};
struct Prediction {
    std::string mix;
    double measured = 0, predicted = 0;
    [[nodiscard]] double error() const { return std::abs(predicted - measured) / measured * 100; }
};

std::string shown(double ns) { return fmt::format("{:.1f}", ns); }
std::int64_t exact(double ns) { return std::llround(ns * 1000); } // picoseconds: JSON's numbers are whole

/// What passes have said of one mix.
struct Job {
    std::vector<double> rounds; ///< of all passes
    std::vector<double> lows;   ///< what a tenth is below, of each pass, in order

    void add(const std::vector<double>& pass) {
        rounds.insert(rounds.end(), pass.begin(), pass.end());
        const double low = calibrate::summed_up(pass).low;
        lows.insert(std::upper_bound(lows.begin(), lows.end(), low), low);
    }
    /// It does not get quicker: another pass has said so.
    [[nodiscard]] bool settled() const { return lows.size() > 1 && lows[1] <= kConfirmed * lows[0]; }
    [[nodiscard]] Measured live() const {
        Measured m = calibrate::summed_up(rounds);
        m.low = lows[lows.size() > 1 ? 1 : 0];
        return m;
    }
};

class Calibration {
  public:
    Calibration(unsigned least, unsigned most) : least_(least), most_(most) {}

    /// Passes over everything, until two agree.
    Result<void> measure() {
        for (const Mix& mix : held_out()) mixes_.push_back(mix);
        jobs_.resize(mixes_.size());
        constexpr calibrate::Timing kWakingUp{100, 3}; // a machine that does is slow
        if (auto r = calibrate::run_live(mixes_, kWakingUp); !r) return tl::make_unexpected(r.error());
        for (unsigned pass = 0; pass < most_ && (pass < least_ || !settled()); ++pass) {
            const auto rounds = calibrate::run_live(mixes_, timing_);
            if (!rounds) return tl::make_unexpected(rounds.error());
            for (std::size_t i = 0; i < jobs_.size(); ++i) jobs_[i].add((*rounds)[i]);
        }
        hits_.system_call = added("system call", job_call, job_nothing);
        hits_.emulated = added("probe on a nop, emulated", job_nop, job_bare_nop);
        hits_.twice = added("two probes on a nop", job_twice, job_bare_nop);
        added("probe on a push, emulated", job_push, job_bare_push); // for people: it should cost what a nop does
        hits_.stepped = added("probe on a lea, stepped out of line", job_lea, job_bare_lea);
        hits_.called = added("probe on a nop of five bytes, a call", job_nop5, job_bare_nop5);
        hits_.returned = added("return probe behind a nop", job_returned, job_bare_nop);
        machine_ = calibrate::look_at_machine();
        fit_ = calibrate::fit(hits_, machine_);
        return {};
    }

    /// How well the profile in the file `cost` predicts.
    Result<void> predict(const std::string& cost) {
        for (std::size_t i = references; i < mixes_.size(); ++i) {
            calibrate::Timing once = timing_;
            once.batches = 3;
            const auto ours = in_machine(mixes_[i], once, "nop5", cost);
            if (!ours) return tl::make_unexpected(ours.error());
            predictions_.push_back({mixes_[i].name, jobs_[i].live().low, ours->median});
        }
        return {};
    }

    [[nodiscard]] std::string profile() const {
        std::string assumed;
        for (const std::string& name : fit_.assumed) assumed += (assumed.empty() ? "" : ", ") + name;
        return fmt::format("# {}\n# not measured, but scaled from bare-metal: {}\n{}", fit_.profile.source, assumed,
                           cost_text(fit_.profile));
    }

    [[nodiscard]] std::string text() const {
        using Kind = Table::Kind;
        Table measured({{"measured, nanoseconds", Kind::text}, {"median", Kind::number}, {"eight tenths", Kind::text}});
        for (const Row& r : rows_)
            measured.add({r.name, shown(r.live.median), fmt::format("{:.1f} .. {:.1f}", r.live.low, r.live.high)});
        measured.add({"page fault", shown(machine_.page_fault), ""});
        measured.add({"copy of a page, beyond that", shown(machine_.page_copy), ""});
        measured.add({"mprotect there and back", shown(machine_.protect), ""});
        measured.add({"the same beside a thread on another CPU", shown(machine_.protect_beside), ""});
        measured.add({"a debugger's step", shown(machine_.debugger_step), ""});
        Table predicted({{"held out, nanoseconds a round", Kind::text},
                         {"measured", Kind::number},
                         {"predicted", Kind::number},
                         {"error", Kind::number}});
        for (const Prediction& p : predictions_)
            predicted.add({p.mix, shown(p.measured), shown(p.predicted), fmt::format("{:.1f} %", p.error())});
        return measured.text() + "\n" + predicted.text();
    }

    [[nodiscard]] std::string json() const {
        using Json = nlohmann::ordered_json;
        Json document = {{"schema", 1},
                         {"command", "calibrate"},
                         {"machine", machine_.name},
                         {"processor", machine_.processor},
                         {"kernel", machine_.kernel},
                         {"date", machine_.date},
                         {"measured", Json::array()},
                         {"predictions", Json::array()},
                         {"prices", Json::object()},
                         {"assumed", fit_.assumed},
                         {"settled", settled()},
                         {"within_goal", within_goal()}};
        for (const Row& r : rows_)
            document["measured"].push_back({{"what", r.name},
                                            {"picoseconds", exact(r.live.median)},
                                            {"low", exact(r.live.low)},
                                            {"high", exact(r.live.high)}});
        for (const Prediction& p : predictions_)
            document["predictions"].push_back({{"mix", p.mix},
                                               {"measured", exact(p.measured)},
                                               {"predicted", exact(p.predicted)},
                                               {"error_percent", std::llround(p.error())}});
        for (std::size_t i = 0; i < kPrices; ++i)
            document["prices"][std::string(price_info(static_cast<Price>(i)).name)] = fit_.profile.picoseconds[i];
        return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
    }

    /// Every time was confirmed by another pass.
    [[nodiscard]] bool settled() const {
        return std::all_of(jobs_.begin(), jobs_.end(), [](const Job& j) { return j.settled(); });
    }
    [[nodiscard]] bool within_goal() const {
        for (const Prediction& p : predictions_)
            if (p.error() > kGoal) return false;
        return true;
    }

  private:
    /// What the first job takes beyond the second, where nothing disturbs it: the lowest tenth's.
    double added(const char* name, std::size_t job, std::size_t without) {
        const Measured more = jobs_[job].live();
        const double bare = jobs_[without].live().low;
        rows_.push_back({name, {more.median - bare, more.low - bare, more.high - bare}});
        return rows_.back().live.low;
    }

    /// The jobs that the profile comes from; those that test it follow.
    enum Reference : std::size_t {
        job_nothing,
        job_call,
        job_bare_nop,
        job_nop,
        job_twice,
        job_returned,
        job_bare_push,
        job_push,
        job_bare_lea,
        job_lea,
        job_bare_nop5,
        job_nop5,
        references
    };
    std::vector<Mix> mixes_ = {{"", {bare(kRet)}},
                               {"", {kCall}},
                               {"", {bare(kNop)}},
                               {"", {kNop}},
                               {"", {with(kNop, Probe::twice)}},
                               {"", {with(kNop, Probe::at_return)}},
                               {"", {bare(kPush)}},
                               {"", {kPush}},
                               {"", {bare(kLea)}},
                               {"", {kLea}},
                               {"", {bare(kNop5)}},
                               {"", {kNop5}}};
    std::vector<Job> jobs_; ///< one for each mix
    calibrate::Timing timing_;
    unsigned least_, most_; ///< passes
    calibrate::Hits hits_;
    calibrate::Machine machine_;
    calibrate::Fit fit_;
    std::vector<Row> rows_;
    std::vector<Prediction> predictions_;
};

Result<int> calibrate_with(const std::optional<std::string>& output, const std::optional<std::string>& json,
                           bool quick) {
    if (auto possible = judge::live_available(); !possible) return tl::make_unexpected(possible.error());
    std::optional<OutputFile> profile_file, json_file;
    if (output) {
        auto file = OutputFile::open("--output", *output);
        if (!file) return tl::make_unexpected(file.error());
        profile_file.emplace(std::move(*file));
    }
    if (json) {
        auto file = OutputFile::open("--json", *json);
        if (!file) return tl::make_unexpected(file.error());
        json_file.emplace(std::move(*file));
    }
    constexpr unsigned kQuick = 2, kThorough = 6, kMost = 20;
    Calibration calibration(quick ? kQuick : kThorough, kMost);
    if (auto done = calibration.measure(); !done) return tl::make_unexpected(done.error());

    // The machine reads the profile as anybody would: from a file.
    const std::string profile = calibration.profile();
    const int memory = ::memfd_create("profile", MFD_CLOEXEC);
    if (::write(memory, profile.data(), profile.size()) < 0) return fail("memfd_create: no room");
    auto done = calibration.predict(fmt::format("/proc/self/fd/{}", memory));
    ::close(memory);
    if (!done) return tl::make_unexpected(done.error());

    const bool on_output = output && *output != "-";
    fmt::print(on_output && (!json || *json != "-") ? stdout : stderr, "{}", calibration.text());
    if (profile_file) {
        profile_file->write(profile);
        if (auto written = profile_file->commit(); !written) return tl::make_unexpected(written.error());
    } else if (!json || *json != "-") {
        fmt::print("{}", profile);
    }
    if (json_file) {
        json_file->write(calibration.json());
        if (auto written = json_file->commit(); !written) return tl::make_unexpected(written.error());
    }
    if (calibration.within_goal()) return exit_status::done;
    complain({fmt::format("a prediction is off by more than {} %", kGoal),
              calibration.settled() ? "" : "the machine is too noisy: no two passes agreed; try when it is quiet",
              {},
              0});
    return calibration.settled() ? exit_status::violated : exit_status::inconclusive;
}

} // namespace

int calibrate_command(const Arguments& arguments) {
    std::optional<std::string> output, json;
    bool quick = false;
    CommandLine line("calibrate", "[OPTIONS]", "Measures what probes cost on this machine, into a cost profile.",
                     kFooter);
    line.value("-o,--output", output, "write the profile (default: standard output)", "FILE");
    line.value("--json", json, "write all numbers; - for standard output", "FILE");
    line.flag("--quick", quick, "a rough profile in a few seconds");
    if (const auto over = line.parse(arguments, exit_status::misuse)) return *over;
    if (arguments.program) {
        complain({"calibrate runs no program", "leave out what follows --", {}, 0});
        return exit_status::misuse;
    }
    const auto code = calibrate_with(output, json, quick);
    if (code) return *code;
    complain(code.error());
    return code.error().code == judge::kUnavailable ? judge::kUnavailable : exit_status::misuse;
}

} // namespace trapline
