#include "tools/judge/live.hpp"

#include "tools/judge/descriptor.hpp"
#include "tools/judge/events.hpp"
#include "tools/judge/runner.hpp"
#include "tools/judge/tracer.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

namespace trapline::judge {
namespace {

tl::unexpected<Error> unavailable(std::string what) {
    return tl::make_unexpected(Error{std::move(what), {}, {}, 0, kUnavailable});
}

/// Kernel lockdown, if it is on: `none [integrity] confidentiality`.
std::string lockdown() {
    std::ifstream file("/sys/kernel/security/lockdown");
    std::string text;
    std::getline(file, text);
    const std::size_t from = text.find('['), to = text.find(']');
    return from == std::string::npos || to == std::string::npos ? "none" : text.substr(from + 1, to - from - 1);
}

/// What comes out of the runner's three pipes, until all are closed.
class Collector {
  public:
    Collector(Descriptor message, Descriptor out, Descriptor err)
        : pipes_{std::move(message), std::move(out), std::move(err)} {}

    /// Waits up to `milliseconds` for more; false when there is nothing to come.
    bool wait(int milliseconds) {
        std::vector<pollfd> open;
        std::vector<std::size_t> which;
        for (std::size_t i = 0; i < pipes_.size(); ++i)
            if (pipes_[i]) {
                open.push_back({pipes_[i].get(), POLLIN, 0});
                which.push_back(i);
            }
        if (open.empty()) return false;
        (void)::poll(open.data(), open.size(), milliseconds);
        for (std::size_t i = 0; i < open.size(); ++i) {
            if (open[i].revents == 0) continue;
            char bytes[65536];
            const ssize_t n = ::read(open[i].fd, bytes, sizeof bytes);
            if (n > 0)
                texts_[which[i]].append(bytes, static_cast<std::size_t>(n));
            else if (n == 0 || errno != EINTR)
                pipes_[which[i]].reset();
        }
        return true;
    }
    [[nodiscard]] const std::string& message() const { return texts_[0]; }
    std::string& out() { return texts_[1]; }
    std::string& err() { return texts_[2]; }

  private:
    std::array<Descriptor, 3> pipes_;
    std::array<std::string, 3> texts_;
};

Result<LiveReport> read_message(const std::string& message) {
    const auto document = nlohmann::json::from_cbor(message, true, false);
    if (!document.is_object()) return fail("the runner of the live program ended without a word");
    if (document.contains("error")) {
        Error e{document.at("error"), {}, {}, 0};
        e.code = document.at("code");
        return tl::make_unexpected(e);
    }
    LiveReport report;
    const int status = document.at("status");
    report.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    report.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    for (const auto& probe : document.at("probes"))
        report.probes.push_back({probe.at("error"), probe.at("hits"), probe.at("fetched"), probe.at("lost")});
    return report;
}

std::string kernel_release() {
    utsname kernel{};
    ::uname(&kernel);
    return kernel.release;
}

} // namespace

Result<void> live_available(bool fetches) {
    if (::geteuid() != 0) return unavailable("the live kernel lets only root probe");
    const Result<std::uint32_t> pmu = uprobe_pmu();
    if (!pmu) return unavailable(pmu.error().what);
    if (const int error = try_event(*pmu); error != 0) {
        const std::string lock = lockdown();
        return unavailable(fmt::format("perf_event_open: {}{}", std::strerror(error),
                                       lock == "none" ? "; a container's seccomp filter, perhaps"
                                                      : fmt::format("; kernel lockdown is at {}", lock)));
    }
    if (fetches) return tracer_available();
    return {};
}

Result<LiveReport> run_live(const LiveRequest& request) {
    const auto fetches = [](const LiveProbe& p) { return !p.fetch.empty(); };
    const bool traced = std::any_of(request.probes.begin(), request.probes.end(), fetches);
    if (auto possible = live_available(traced); !possible) return tl::make_unexpected(possible.error());
    Pipe message, out, err;
    if (!message.open() || !out.open() || !err.open()) return fail(fmt::format("pipe: {}", std::strerror(errno)));
    const pid_t judge = ::getpid();
    const pid_t runner = ::fork();
    if (runner < 0) return fail(fmt::format("fork: {}", std::strerror(errno)));
    if (runner == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != judge) ::_exit(2);
        run_as_runner(request, {std::move(message.write), std::move(out.write), std::move(err.write)});
    }
    for (Pipe* p : {&message, &out, &err}) p->write.reset();
    Collector collector(std::move(message.read), std::move(out.read), std::move(err.read));

    using Clock = std::chrono::steady_clock;
    const auto deadline = Clock::now() + std::chrono::seconds(request.timeout_seconds);
    bool timed_out = false, interrupted = false;
    constexpr int kLook = 100; // ms
    while (collector.wait(kLook)) {
        interrupted = request.interrupted != nullptr && *request.interrupted;
        // The runner's message comes when the program is over and its counters have been read.
        timed_out = collector.message().empty() && Clock::now() > deadline;
        if (timed_out || interrupted) break;
    }
    if (timed_out || interrupted) ::kill(runner, SIGKILL);
    int status = 0;
    while (::waitpid(runner, &status, 0) < 0 && errno == EINTR) {
    }
    Result<LiveReport> report = LiveReport{};
    if (timed_out || interrupted) {
        report->timed_out = timed_out;
        report->interrupted = interrupted;
        report->probes.resize(request.probes.size());
    } else {
        report = read_message(collector.message());
    }
    if (!report) return report;
    report->kernel = kernel_release();
    report->standard_output = std::move(collector.out());
    report->standard_error = std::move(collector.err());
    return report;
}

} // namespace trapline::judge
