// live_counter: runs a program on the live kernel with uprobes on it and counts their hits.
//
//     live_counter --json FILE [--root DIR] [--cpus N] [-p OFFSET:PATH]... [-r OFFSET:PATH]... -- PROGRAM [ARGS...]
//
// This is the outside judge of the tests in this folder: the numbers that the emulation is held against are read from
// here when the test runs, never from a recording. Each probe is at a file offset: an entry probe with -p, a return
// probe with -r. All the work is done by tools/judge/live.hpp, which `trapline judge` uses, too; what this adds is that
// nothing of the emulator takes part: the caller says where the probes are and compares. The program keeps standard
// input, output and error; the environment is the caller's. PATH, PROGRAM and what it opens are below DIR, if one is
// given: its root folder, with a /proc.
//
// Exit codes: 0 the program ran (its own end is in the JSON), 77 this machine has no uprobes for us, 2 anything else.
#include "tools/judge/live.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <unistd.h>

namespace {

using namespace trapline;

[[noreturn]] void stop(int code, const std::string& why) {
    std::fprintf(stderr, "live_counter: %s\n", why.c_str());
    std::exit(code);
}

judge::LiveProbe probe(const std::string& text, bool is_return) {
    const std::size_t colon = text.find(':');
    if (colon == std::string::npos) stop(2, text + " is no OFFSET:PATH");
    return {text.substr(colon + 1), std::strtoull(text.c_str(), nullptr, 0), is_return, 0, {}};
}

void print(std::FILE* to, const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), to);
    std::fflush(to);
}

} // namespace

int main(int argc, char** argv) {
    judge::LiveRequest request;
    std::string json;
    int at = 1;
    for (; at < argc && std::string(argv[at]) != "--"; at += 2) {
        const std::string option = argv[at];
        if (at + 1 == argc) stop(2, option + " needs a value");
        const std::string value = argv[at + 1];
        if (option == "--json")
            json = value;
        else if (option == "--root")
            request.root = value;
        else if (option == "--cpus")
            request.cpus = static_cast<unsigned>(std::strtoul(value.c_str(), nullptr, 10));
        else if (option == "-p" || option == "-r")
            request.probes.push_back(probe(value, option == "-r"));
        else
            stop(2, "wrong argument " + option + " " + value);
    }
    if (json.empty() || at + 1 >= argc)
        stop(2, "usage: live_counter --json FILE [--root DIR] [--cpus N] [-p OFFSET:PATH]... [-r OFFSET:PATH]... -- "
                "PROGRAM [ARGS...]");
    request.program = argv[at + 1];
    request.args.assign(argv + at + 1, argv + argc);
    for (char** variable = environ; *variable != nullptr; ++variable) request.environment.emplace_back(*variable);
    if (request.root == "/") request.working_directory = std::filesystem::current_path();
    std::error_code ignored;
    std::filesystem::create_directory(request.root + "/proc", ignored);
    request.input = STDIN_FILENO;
    request.timeout_seconds = 280;

    const auto report = judge::run_live(request);
    if (!report) stop(report.error().code == judge::kUnavailable ? 77 : 2, report.error().what);
    if (report->timed_out) stop(2, "the program was still running after 280 seconds");
    print(stdout, report->standard_output);
    print(stderr, report->standard_error);

    nlohmann::ordered_json document = {{"kernel", report->kernel}, {"exit", {{"code", report->exit_code}}}};
    if (report->signal != 0) document["exit"] = {{"signal", report->signal}};
    document["probes"] = nlohmann::json::array();
    for (std::size_t i = 0; i < request.probes.size(); ++i) {
        const judge::LiveCount& count = report->probes[i];
        document["probes"].push_back({{"path", request.probes[i].path},
                                      {"offset", request.probes[i].offset},
                                      {"status", count.error == 0 ? "armed" : "refused"},
                                      {"errno", count.error},
                                      {"hits", count.hits}});
    }
    std::ofstream out(json);
    out << document.dump(2) << '\n';
    out.close();
    if (!out) stop(2, json + ": cannot be written");
    return 0;
}
