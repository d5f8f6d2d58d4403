// ask: puts the questions of the conformance suite to the live kernel or to the emulated one.
//
//     ask --live|--emulated [--strategy NAME] [--kernel DIALECT] FILE
//
// FILE holds a list of cases as JSON, `program`, `args`, `probes` (path, offset, return, registered), `changes` and
// `cpus` each; printed is the list of answers: how the program ended, what it wrote, and the errno and hits of every
// probe. Probes come or go in the middle of a run (`changes`) when the program asks for it: it yields, writes a byte to
// its standard input and reads one. On the live kernel that is a conversation; in the emulated machine a schedule lets
// the tracer run at the yield, the write fails, and a file has the byte.
//
// A case with a `line` asks instead whether the kernel's tracer, or the emulation, takes that definition of a probe.
//
// Exit codes: 0 asked, 77 this machine has no live kernel for us, 2 anything else.
#include "scenarios/rig.hpp"
#include "tools/judge/live.hpp"
#include "tools/judge/tracer.hpp"

#include <cstdio>
#include <cstdlib>
#include <fmt/format.h>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sys/mman.h>
#include <unistd.h>

namespace {

using namespace trapline;
using Json = nlohmann::ordered_json;

[[noreturn]] void stop(int code, const std::string& why) {
    std::fprintf(stderr, "ask: %s\n", why.c_str());
    std::exit(code);
}

constexpr unsigned kTimeoutSeconds = 10;
constexpr std::uint64_t kLimit = 200'000'000; // instructions: nothing here takes a fiftieth of it

Json ended(int code, int signal) {
    if (signal != 0) return {{"signal", signal}};
    return {{"code", code}};
}

Json taken(bool yes) { return {{"output", yes ? "taken" : "refused"}, {"end", nullptr}, {"probes", Json::array()}}; }

Json live(const Json& question) {
    if (question.contains("line")) {
        if (const auto possible = judge::tracer_available(); !possible) stop(77, possible.error().what);
        std::string line = question.at("line");
        line.insert(1, fmt::format(":trapline_{}/asked", ::getpid()));
        return taken(judge::enter_once(line) == 0);
    }
    judge::LiveRequest request;
    request.program = question.at("program");
    request.args = {request.program};
    for (const Json& arg : question.at("args")) request.args.push_back(arg);
    request.cpus = question.value("cpus", 1u);
    request.timeout_seconds = kTimeoutSeconds;
    request.reports_refusals = question.value("mapped", true);
    for (const Json& p : question.at("probes")) {
        judge::LiveProbe& probe = request.probes.emplace_back();
        probe.path = p.at("path");
        probe.offset = p.at("offset");
        probe.is_return = p.value("return", false);
        probe.counter_offset = p.value("counter", 0u);
        probe.registered = p.value("registered", true);
    }
    for (const Json& turn : question.value("changes", Json::array())) {
        auto& changes = request.changes.emplace_back();
        for (const Json& change : turn) changes.push_back({change.at("probe"), change.at("register")});
    }
    const auto report = judge::run_live(request);
    if (!report) stop(report.error().code == judge::kUnavailable ? 77 : 2, report.error().what);
    Json answer = {{"end", ended(report->exit_code, report->signal)}, {"output", report->standard_output}};
    if (report->timed_out) answer["end"] = "goes on for ever";
    answer["probes"] = Json::array();
    for (const judge::LiveCount& c : report->probes) answer["probes"].push_back({{"errno", c.error}, {"hits", c.hits}});
    return answer;
}

int input_of_bytes() {
    static const int fd = ::memfd_create("input", MFD_CLOEXEC);
    const std::string bytes(64, '!');
    if (::pwrite(fd, bytes.data(), bytes.size(), 0) < 0) stop(2, "memfd");
    ::lseek(fd, 0, SEEK_SET);
    return fd;
}

Json emulated(const Json& question, const std::string& strategy, const std::string& kernel) {
    RunRequest request;
    request.program = question.at("program");
    if (question.contains("line")) {
        const auto spec = parse_probe_spec(question.at("line").get<std::string>());
        if (!spec) return taken(false);
        request.probes.push_back({*spec, true, 0});
        return taken(run_program(request).has_value());
    }
    for (const Json& arg : question.at("args")) request.args.push_back(arg);
    request.working_directory = "/";
    request.strategy = strategy;
    request.kernel = kernel;
    request.cpus = question.value("cpus", 1u);
    request.limit = kLimit;
    request.capture_output = true;
    request.standard = {input_of_bytes(), -1, -1};
    for (const Json& p : question.at("probes")) {
        const auto spec = parse_probe_spec(
            fmt::format("{}{}:{:#x}{}", p.value("return", false) ? "uretprobe:" : "", p.at("path").get<std::string>(),
                        p.at("offset").get<std::uint64_t>(),
                        p.contains("counter") ? fmt::format("({})", p.at("counter").get<std::uint32_t>()) : ""));
        if (!spec) stop(2, spec.error().text());
        request.probes.push_back({*spec, p.value("registered", true), 0});
    }
    // The process that asks is the first one's child where there is a fork.
    const std::string asker = question.value("child_asks", false) ? "p2.t1" : "t1";
    std::string script = asker == "t1" ? "" : "t1 until syscall wait4";
    for (const Json& turn : question.value("changes", Json::array())) {
        script += script.empty() ? "" : "; ";
        script += asker + " until syscall sched_yield";
        if (turn.empty()) continue;
        ScenarioTracer& tracer = request.tracers.emplace_back();
        for (const Json& change : turn)
            tracer.steps.push_back({change.at("register"), change.at("probe"), change.dump()});
        script += fmt::format("; k{} until exit", request.tracers.size());
    }
    if (question.contains("changes")) {
        auto schedule = parse_schedule_policy(script);
        if (!schedule) stop(2, schedule.error().text());
        request.schedule = *schedule;
    }
    const auto report = run_program(request);
    if (!report) // a file that cannot be probed is the user's mistake here, and the code is the kernel's
        return {{"error", report.error().text()}, {"probes", {{{"errno", report.error().code}}}}};
    Json answer = {{"end", ended(report->exit_code, report->signal)}, {"output", report->standard_output}};
    if (report->outcome == Outcome::Kind::limit) answer["end"] = "goes on for ever";
    if (report->outcome == Outcome::Kind::deadlock || report->diverged) answer["end"] = report->detail;
    answer["probes"] = Json::array();
    for (const ProbeReport& p : report->probes)
        answer["probes"].push_back({{"errno", p.error_number}, {"hits", p.truth.hits}});
    return answer;
}

} // namespace

int main(int argc, char** argv) {
    bool ask_live = false;
    std::string file, strategy = "nop5", kernel = "linux-6.18";
    for (int i = 1; i < argc; ++i) {
        const std::string arg = argv[i];
        if (arg == "--live" || arg == "--emulated")
            ask_live = arg == "--live";
        else if (arg == "--strategy" && i + 1 < argc)
            strategy = argv[++i];
        else if (arg == "--kernel" && i + 1 < argc)
            kernel = argv[++i];
        else
            file = arg;
    }
    std::ifstream in(file);
    const Json questions = Json::parse(in, nullptr, false);
    if (!questions.is_array()) stop(2, "usage: ask --live|--emulated [--strategy NAME] [--kernel DIALECT] FILE");
    Json answers = Json::array();
    for (const Json& q : questions) answers.push_back(ask_live ? live(q) : emulated(q, strategy, kernel));
    std::puts(answers.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
    return 0;
}
