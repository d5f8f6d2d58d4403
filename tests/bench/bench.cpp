// What speed costs and what it buys, with Google Benchmark: `meson test --benchmark`, or this program by hand.
//
// Ratios are between rows of one run: machine/cpu-mix to bare/cpu-mix, machine/* to qemu-user/*, hit/xol to hit/inline.
#include "boost/catalogue.hpp"
#include "emu/cpu/bare.hpp"
#include "emu/snapshot/arena.hpp"
#include "emu/snapshot/snapshot.hpp"
#include "loader/elf.hpp"
#include "probes/uprobes.hpp"
#include "scenarios/explore/machine_space.hpp"
#include "scenarios/explore/search.hpp"
#include "scenarios/rig.hpp"
#include "tests/emu/code.hpp"

#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace trapline;

extern char** environ;

namespace {

std::string guest(const std::string& name) { return std::string(TRAPLINE_GUESTS_DIR) + "/" + name; }

std::vector<std::uint8_t> contents(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

RunRequest request(const std::string& name, const std::string& argument) {
    RunRequest r;
    r.program = guest(name);
    if (!argument.empty()) r.args = {argument};
    r.capture_output = true;
    return r;
}

void machine(benchmark::State& state, const std::string& name, const std::string& argument, std::uint64_t idle_probes) {
    RunRequest r = request(name, argument);
    // Probes that are armed and never hit: on symbols that the program does not call.
    for (std::uint64_t i = 0; i < idle_probes; ++i) {
        ScenarioProbe p;
        p.spec = parse_probe_spec(i == 0 ? ":unused" : ":unused+" + std::to_string(i)).value();
        r.probes.push_back(p);
    }
    for (auto _ : state) {
        Result<RunReport> report = run_program(r);
        if (!report || report->exit_code != 0)
            return state.SkipWithError(report ? "failed" : report.error().text().c_str());
        state.counters["instructions"] = static_cast<double>(report->instructions);
    }
}

void bare(benchmark::State& state, const std::string& name, const std::string& argument) {
    const std::vector<std::uint8_t> file = contents(guest(name));
    const Result<ElfHeaders> headers = read_elf(std::span<const std::uint8_t>(file), name);
    if (!headers) return state.SkipWithError(headers.error().text().c_str());
    std::vector<BareSegment> segments;
    for (const LoadSegment& s : headers->segments)
        segments.push_back({s.vaddr,
                            s.memsz,
                            {file.begin() + static_cast<std::ptrdiff_t>(s.offset),
                             file.begin() + static_cast<std::ptrdiff_t>(s.offset + s.filesz)},
                            s.write});
    for (auto _ : state)
        if (!run_bare(segments, headers->entry, argument.c_str())) return state.SkipWithError("the guest did not exit");
}

/// A whole process, as a user starts it; output goes nowhere.
void process(benchmark::State& state, std::vector<std::string> command) {
    std::vector<char*> argv;
    for (std::string& s : command) argv.push_back(s.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    for (auto _ : state) {
        pid_t pid = 0;
        int status = 1;
        if (posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ) != 0 ||
            waitpid(pid, &status, 0) != pid || status != 0) {
            state.SkipWithError("did not run");
            break;
        }
    }
    posix_spawn_file_actions_destroy(&actions);
}

/// Hits of one probe in a loop: mov ecx, n; L: the instruction; dec ecx; jnz L; exit.
void hits(benchmark::State& state, const char* strategy, std::vector<std::uint8_t> instruction) {
    constexpr std::uint32_t kHits = 200'000;
    std::vector<std::uint8_t> n(4);
    for (unsigned i = 0; i < 4; ++i) n[i] = static_cast<std::uint8_t>(kHits >> (8 * i));
    const auto back = static_cast<std::uint8_t>(-4 - static_cast<int>(instruction.size()));
    const auto code = testing::code({{0xb9}, n, instruction, {0xff, 0xc9}, {0x75, back}, testing::kExit});
    for (auto _ : state) {
        state.PauseTiming();
        testing::CodeMachine m(code);
        Uprobes uprobes(m.kernel, *dialect("linux-6.18"), *strategy_info(strategy));
        uprobes.mapped(*m.process->mm, m.process->mm->vmas().at(testing::kCode));
        Consumer consumer;
        uprobes.add_now(consumer, m.file, 5);
        m.thread();
        state.ResumeTiming();
        m.kernel.run();
        state.PauseTiming();
        if (consumer.hits != kHits) return state.SkipWithError("not every execution was a hit");
        state.ResumeTiming();
    }
    state.counters["per_hit"] =
        benchmark::Counter(kHits, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

/// After half of the kernel steps somebody else goes on: a schedule as a search makes it.
class Restless final : public Policy {
  public:
    Choice pick(Scheduler& s) override {
        const Arena::Off off;
        const std::vector<Task*> ready = s.ready_tasks();
        return {ready[rng_.below(ready.size())], 1u << 20};
    }
    bool switch_after_step(Scheduler&, const Task&, const Event&) override { return rng_.below(2) == 0; }

  private:
    Rng rng_{0};
};

/// One schedule of the race: from a snapshot at the second thread's start to the program's end, and back.
void schedules(benchmark::State& state, const char* strategy) {
    RunRequest r = request("two-threads", "");
    r.strategy = strategy;
    ScenarioProbe probe;
    probe.spec = parse_probe_spec(":hot").value();
    r.probes.push_back(probe);
    Restless policy;
    std::unique_ptr<Rig> rig;
    {
        const Arena::Use use;
        rig = std::make_unique<Rig>(r);
        if (!rig->set_up(&policy)) return state.SkipWithError("no machine");
        while (rig->kernel().tasks().size() < 2)
            if (rig->kernel().turn()) return state.SkipWithError("no second thread");
    }
    Snapshot snapshot(rig->kernel());
    for (auto _ : state) {
        {
            const Arena::Use use;
            if (rig->kernel().run().kind != Outcome::Kind::exited) return state.SkipWithError("failed");
        }
        snapshot.restore();
    }
    state.counters["schedules"] =
        benchmark::Counter(static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
    state.counters["pages"] = static_cast<double>(snapshot.pages());
}

/// The complete search of the race, as `trapline explore` makes it: footprints, the reduction, the kernel's rules at
/// every step.
void search(benchmark::State& state, const char* strategy) {
    RunRequest r = request("two-threads", "");
    r.strategy = strategy;
    r.invariants = true;
    ScenarioProbe probe;
    probe.spec = parse_probe_spec(":hot").value();
    r.probes.push_back(probe);
    const ExploreSection section;
    const auto space = MachineSpace::build(r, section);
    if (!space) return state.SkipWithError(space.error().text().c_str());
    std::uint64_t runs = 0;
    for (auto _ : state) {
        (*space)->restart();
        Search all(**space, Reduction::classes, {});
        const SearchCounts counts = all.go({}, [](Search::Run, const Search&) { return true; });
        if (!counts.exhausted) return state.SkipWithError("not complete");
        runs += counts.complete + counts.blocked;
    }
    state.counters["schedules"] = benchmark::Counter(static_cast<double>(runs), benchmark::Counter::kIsRate);
}

void register_many(benchmark::State& state) {
    std::vector<std::uint8_t> code(0x4000, 0x90);
    for (auto _ : state) {
        state.PauseTiming();
        testing::CodeMachine m(code);
        Uprobes uprobes(m.kernel, *dialect("linux-6.18"), *strategy_info("xol"));
        uprobes.mapped(*m.process->mm, m.process->mm->vmas().at(testing::kCode));
        std::vector<std::unique_ptr<Consumer>> consumers;
        state.ResumeTiming();
        for (std::uint64_t i = 0; i < 1000; ++i)
            if (uprobes.add_now(*consumers.emplace_back(std::make_unique<Consumer>()), m.file, 16 * i) != 0)
                return state.SkipWithError("refused");
        state.PauseTiming();
        for (auto& c : consumers) uprobes.remove_now(*c);
        state.ResumeTiming();
    }
}

} // namespace

int main(int argc, char** argv) {
    using benchmark::RegisterBenchmark;
    std::vector<benchmark::internal::Benchmark*> rows;
    auto add = [&](const char* name, auto f, auto... args) {
        rows.push_back(RegisterBenchmark(name, [=](benchmark::State& s) { f(s, args...); }));
    };
    const std::string trapline = TRAPLINE_COMMAND, qemu = "qemu-x86_64";
    add("bare/cpu-mix", bare, std::string("cpu-mix"), std::string("60"));
    add("machine/cpu-mix", machine, std::string("cpu-mix"), std::string("60"), std::uint64_t{0});
    add("machine/cpu-mix/idle-probes", machine, std::string("cpu-mix"), std::string("60"), std::uint64_t{8});
    const std::vector<std::uint8_t> inc_rax = {0x48, 0xff, 0xc0}, nop5 = {0x0f, 0x1f, 0x44, 0x00, 0x00};
    add("hit/xol", hits, "xol", inc_rax);
    add("hit/inline", hits, "inline", inc_rax);
    add("hit/boosted", hits, "boosted", inc_rax);
    add("hit/emulate", hits, "emulate", nop5);
    add("hit/nop5", hits, "nop5", nop5);
    add("schedules/xol", schedules, "xol");
    add("schedules/inline", schedules, "inline");
    add("search/xol", search, "xol");
    add("search/inline", search, "inline");
    add("register/1000", register_many);
    for (auto [name, argument] : {std::pair{"sha", "64"}, {"sort-table", "40"}, {"loop7", "250000000"}}) {
        std::vector<std::string> command = {trapline, "run", "--", guest(name), argument};
        add((std::string("process/trapline/") + name).c_str(), process, command);
        add((std::string("process/qemu-user/") + name).c_str(), process,
            std::vector<std::string>{qemu, guest(name), argument});
    }
    for (const char* name : {"hello-static", "hello-dynamic"}) {
        add((std::string("process/trapline/") + name).c_str(), process,
            std::vector<std::string>{trapline, "run", "--", guest(name)});
        add((std::string("process/qemu-user/") + name).c_str(), process, std::vector<std::string>{qemu, guest(name)});
    }
    for (auto* row : rows) row->Unit(benchmark::kMillisecond)->UseRealTime();
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
}
