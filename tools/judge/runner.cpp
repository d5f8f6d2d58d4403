#include "tools/judge/runner.hpp"

#include "tools/judge/events.hpp"
#include "tools/judge/private_files.hpp"
#include "tools/judge/program.hpp"
#include "tools/judge/tracer.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

namespace trapline::judge {
namespace {

using Json = nlohmann::json;

void send(const Descriptor& to, const Json& document) {
    const std::vector<std::uint8_t> text = Json::to_cbor(document); // strings are bytes there
    for (std::size_t done = 0; done < text.size();) {
        const ssize_t n = ::write(to.get(), text.data() + done, text.size() - done);
        if (n < 0 && errno != EINTR) return;
        if (n > 0) done += static_cast<std::size_t>(n);
    }
}

/// Restricts this process, and so the program, to the first few of its CPUs, and returns their numbers.
std::vector<int> choose_cpus(unsigned most) {
    cpu_set_t allowed, chosen;
    CPU_ZERO(&allowed);
    CPU_ZERO(&chosen);
    ::sched_getaffinity(0, sizeof allowed, &allowed);
    std::vector<int> cpus;
    for (int cpu = 0; cpu < CPU_SETSIZE && cpus.size() < most; ++cpu) {
        if (!CPU_ISSET(cpu, &allowed)) continue;
        CPU_SET(cpu, &chosen);
        cpus.push_back(cpu);
    }
    ::sched_setaffinity(0, sizeof chosen, &chosen);
    return cpus;
}

/// Maps the whole file as a loader maps text, for as long as this process lives.
void map_executable(const std::string& path) {
    const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat st {};
    if (fd && ::fstat(fd.get(), &st) == 0 && st.st_size > 0)
        ::mmap(nullptr, static_cast<std::size_t>(st.st_size), PROT_READ | PROT_EXEC, MAP_PRIVATE, fd.get(), 0);
}

Result<Json> run(const LiveRequest& request, const RunnerPipes& pipes) {
    const Result<std::uint32_t> pmu = uprobe_pmu();
    if (!pmu) return tl::make_unexpected(pmu.error());
    auto files = make_files_private(request);
    if (!files) return tl::make_unexpected(files.error());

    Events events(*pmu, choose_cpus(request.cpus), request.probes.size());
    std::vector<int> errors(request.probes.size());
    const auto arm = [&](std::size_t i, const std::string& path) {
        errors[i] = events.arm(i, request.probes[i], path);
    };
    std::vector<std::string> paths;
    std::string mapped; // probes of one file usually stand together
    for (const LiveProbe& probe : request.probes) {
        const auto file = files->find(probe.path);
        const std::string path = file != files->end() ? file->second : request.root + "/" + probe.path;
        if (request.reports_refusals && path != mapped) map_executable(path);
        mapped = path;
        if (probe.registered) arm(paths.size(), path);
        paths.push_back(path);
    }
    const auto fetches = [](const LiveProbe& p) { return !p.fetch.empty(); };
    std::optional<Tracer> tracer;
    if (std::any_of(request.probes.begin(), request.probes.end(), fetches)) {
        Result<Tracer> started = Tracer::start(request, *files, errors);
        if (!started) return tl::make_unexpected(started.error());
        tracer = std::move(*started);
    }
    LiveRequest program = request;
    ProgramFiles surroundings{pipes.out.get(), pipes.err.get(), {}};
    Pipe asks; // a pair of sockets
    if (!request.changes.empty()) {
        if (!asks.open_sockets()) return fail(fmt::format("socketpair: {}", std::strerror(errno)));
        program.input = asks.write.get();
        surroundings.meanwhile = [&] {
            asks.write.reset(); // the program's end
            char byte = 0;
            for (std::size_t turn = 0; ::read(asks.read.get(), &byte, 1) == 1; ++turn) {
                for (const LiveChange& change :
                     turn < request.changes.size() ? request.changes[turn] : std::vector<LiveChange>())
                    if (change.registers)
                        arm(change.probe, paths[change.probe]);
                    else
                        events.disarm(change.probe);
                (void)!::write(asks.read.get(), &byte, 1);
            }
        };
    }
    const Result<int> status = run_in_namespace(program, surroundings);
    if (!status) return tl::make_unexpected(status.error());

    std::vector<LiveCount> traced(errors.size());
    if (tracer) traced = tracer->finish(errors.size());
    Json document = {{"status", *status}, {"probes", Json::array()}};
    for (std::size_t i = 0; i < errors.size(); ++i)
        document["probes"].push_back({{"error", errors[i]},
                                      {"hits", errors[i] == 0 ? events.hits(i) : 0},
                                      {"fetched", traced[i].fetched},
                                      {"lost", traced[i].lost}});
    return document;
}

} // namespace

void run_as_runner(const LiveRequest& request, RunnerPipes pipes) {
    // Ctrl-C is the judge's business; it ends this process when it wants to.
    ::signal(SIGINT, SIG_IGN);
    ::signal(SIGTERM, SIG_IGN);
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &files);
    }
    const Result<Json> result = run(request, pipes);
    send(pipes.message, result ? *result : Json{{"error", result.error().what}, {"code", result.error().code}});
    ::_exit(0);
}

} // namespace trapline::judge
