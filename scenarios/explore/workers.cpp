#include "scenarios/explore/workers.hpp"

#include "emu/check.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace trapline {
namespace {

// A message is a line: a letter for what it is, then text without line ends (which JSON escapes).
constexpr char kPart = 'p', kDone = 'd', kRuns = 'r', kError = 'e';

bool send_line(int socket, char what, std::string_view text) {
    std::string line;
    line += what;
    line += text;
    line += '\n';
    for (std::size_t sent = 0; sent < line.size();) {
        const ssize_t n = ::send(socket, line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        sent += static_cast<std::size_t>(n);
    }
    return true;
}

/// More of what the other side sent; false: it has gone.
bool receive(int socket, std::string& into) {
    char bytes[65536];
    ssize_t n = 0;
    do n = ::recv(socket, bytes, sizeof bytes, 0);
    while (n < 0 && errno == EINTR);
    if (n <= 0) return false;
    into.append(bytes, static_cast<std::size_t>(n));
    return true;
}

std::optional<std::string> take_line(std::string& from) {
    const std::size_t end = from.find('\n');
    if (end == std::string::npos) return std::nullopt;
    std::string line = from.substr(0, end);
    from.erase(0, end + 1);
    return line;
}

} // namespace

Workers::Workers(unsigned count, const RunRequest& request, const ExploreSection& section) {
    std::fflush(nullptr); // what is buffered is the parent's to write
    const pid_t parent = ::getpid();
    for (unsigned i = 0; i < count; ++i) {
        int ends[2];
        TL_CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "socketpair: {}",
                 std::strerror(errno));
        const pid_t pid = ::fork();
        TL_CHECK(pid >= 0, "fork: {}", std::strerror(errno));
        if (pid == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (::getppid() != parent) ::_exit(0);
            // An interrupt from the terminal is the parent's to answer.
            ::signal(SIGINT, SIG_IGN);
            ::signal(SIGTERM, SIG_DFL);
            for (const Worker& w : workers_) ::close(w.socket);
            ::close(ends[0]);
            serve(ends[1], request, section);
        }
        ::close(ends[1]);
        Worker& w = workers_.emplace_back();
        w.pid = pid;
        w.socket = ends[0];
    }
}

Workers::~Workers() {
    for (const Worker& w : workers_) {
        ::kill(w.pid, SIGKILL);
        ::close(w.socket);
        while (::waitpid(w.pid, nullptr, 0) < 0 && errno == EINTR) {
        }
    }
}

void Workers::serve(int socket, const RunRequest& request, const ExploreSection& section) {
    PartRunner runner(request, section);
    std::string received;
    for (;;) {
        std::optional<std::string> line;
        while (!(line = take_line(received)))
            if (!receive(socket, received)) ::_exit(0);
        const std::optional<Part> part = read_part(std::string_view(*line).substr(1));
        TL_CHECK(line->front() == kPart && part, "a search process was told '{}'", *line);
        auto last = std::chrono::steady_clock::now(); // for the eye only: no result depends on it
        const auto result = runner.run(*part, [&](std::uint64_t runs) {
            constexpr std::chrono::milliseconds kBetween{200};
            const auto now = std::chrono::steady_clock::now();
            if (now - last < kBetween) return true;
            last = now;
            return send_line(socket, kRuns, std::to_string(runs));
        });
        const bool sent =
            result ? send_line(socket, kDone, to_json(*result)) : send_line(socket, kError, result.error().what);
        if (!sent) ::_exit(0);
    }
}

bool Workers::idle() const {
    return std::any_of(workers_.begin(), workers_.end(), [](const Worker& w) { return !w.doing; });
}

bool Workers::busy() const {
    return std::any_of(workers_.begin(), workers_.end(), [](const Worker& w) { return w.doing.has_value(); });
}

std::uint64_t Workers::under_way() const {
    std::uint64_t runs = 0;
    for (const Worker& w : workers_) runs += w.runs;
    return runs;
}

void Workers::start(std::size_t id, const Part& part) {
    const auto w = std::find_if(workers_.begin(), workers_.end(), [](const Worker& x) { return !x.doing; });
    TL_CHECK(w != workers_.end(), "every search process has something to do");
    w->doing = id;
    send_line(w->socket, kPart, to_json(part)); // one that has gone is noticed when its answer is waited for
}

std::optional<Result<Workers::Answer>> Workers::message(Worker& w) {
    while (const std::optional<std::string> line = take_line(w.received)) {
        const std::string_view text = std::string_view(*line).substr(1);
        if (line->front() == kRuns) {
            std::from_chars(text.data(), text.data() + text.size(), w.runs);
            continue;
        }
        const std::size_t id = *w.doing;
        w.doing.reset();
        w.runs = 0;
        if (line->front() == kError) return Result<Answer>(fail(std::string(text)));
        std::optional<PartResult> result = read_part_result(text);
        TL_CHECK(line->front() == kDone && result, "a search process answered '{}'", *line);
        return Result<Answer>(Answer{id, std::move(*result)});
    }
    return std::nullopt;
}

std::optional<Result<Workers::Answer>> Workers::wait(int milliseconds) {
    for (Worker& w : workers_)
        if (auto answer = message(w)) return answer;
    std::vector<pollfd> wanted;
    for (const Worker& w : workers_) wanted.push_back({w.socket, POLLIN, 0});
    if (::poll(wanted.data(), wanted.size(), milliseconds) <= 0) return std::nullopt;
    for (std::size_t i = 0; i < workers_.size(); ++i) {
        Worker& w = workers_[i];
        if (wanted[i].revents == 0) continue;
        if (!receive(w.socket, w.received)) {
            Error lost{"a search process ended by itself", "what it printed says why", {}, 0, 3};
            return Result<Answer>(tl::make_unexpected(lost));
        }
        if (auto answer = message(w)) return answer;
    }
    return std::nullopt;
}

unsigned usable_processors() {
    cpu_set_t set;
    if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    return static_cast<unsigned>(std::max(1, CPU_COUNT(&set)));
}

} // namespace trapline
