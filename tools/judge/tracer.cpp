#include "tools/judge/tracer.hpp"

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <fmt/format.h>
#include <linux/mount.h>
#include <optional>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

namespace trapline::judge {
namespace {

constexpr std::string_view kReady = "ready\n";
constexpr const char* kBufferKilobytes = "8192"; // for each CPU

tl::unexpected<Error> failed(const std::string& what) {
    return tl::make_unexpected(Error{fmt::format("{}: {}", what, std::strerror(errno)), {}, {}, 0});
}

/// A tracefs of one's own view, which is mounted nowhere.
Descriptor open_tracefs() {
    const Descriptor context(static_cast<int>(::syscall(SYS_fsopen, "tracefs", FSOPEN_CLOEXEC)));
    if (!context || ::syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) return {};
    return Descriptor(static_cast<int>(::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, 0)));
}

bool put(const Descriptor& folder, const std::string& file, const std::string& text, int flags = 0) {
    const Descriptor fd(::openat(folder.get(), file.c_str(), O_WRONLY | O_CLOEXEC | flags));
    return fd && ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

std::string get(const Descriptor& folder, const std::string& file) {
    const Descriptor fd(::openat(folder.get(), file.c_str(), O_RDONLY | O_CLOEXEC));
    char bytes[8192];
    const ssize_t n = fd ? ::read(fd.get(), bytes, sizeof bytes) : 0;
    return {bytes, static_cast<std::size_t>(std::max<ssize_t>(n, 0))};
}

void send(const Descriptor& to, std::string_view text) {
    while (!text.empty()) {
        const ssize_t n = ::write(to.get(), text.data(), text.size());
        if (n < 0 && errno != EINTR) return; // nobody reads any more
        if (n > 0) text.remove_prefix(static_cast<std::size_t>(n));
    }
}

/// What is entered into tracefs, and taken out again when this goes.
class Instance {
  public:
    Instance() : tracefs_(open_tracefs()), name_(fmt::format("trapline_{}", ::getpid())) {}
    ~Instance() {
        pipe_.reset();
        if (made_) ::unlinkat(tracefs_.get(), folder().c_str(), AT_REMOVEDIR);
        for (const std::string& event : events_) put(tracefs_, "uprobe_events", "-:" + event, O_APPEND);
    }
    Instance(const Instance&) = delete;
    Instance& operator=(const Instance&) = delete;

    Result<void> make() {
        if (!tracefs_) return failed("tracefs");
        made_ = ::mkdirat(tracefs_.get(), folder().c_str(), 0700) == 0;
        if (!made_) return failed("a trace instance");
        put(tracefs_, folder() + "/buffer_size_kb", kBufferKilobytes);
        put(tracefs_, folder() + "/options/overwrite", "0");
        put(tracefs_, folder() + "/trace_clock", "global");
        pipe_ =
            Descriptor(::openat(tracefs_.get(), (folder() + "/trace_pipe").c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
        if (!pipe_) return failed("trace_pipe");
        return {};
    }
    Result<void> add(std::size_t number, const LiveProbe& probe, const std::string& file) {
        const Descriptor fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
        const std::string event = fmt::format("{}/p{}", name_, number);
        // By its descriptor, because a path here has no blanks or colons.
        const std::string counter = probe.counter_offset != 0 ? fmt::format("({:#x})", probe.counter_offset) : "";
        const std::string line = fmt::format("{}:{} /proc/self/fd/{}:{:#x}{} {}\n", probe.is_return ? 'r' : 'p', event,
                                             fd.get(), probe.offset, counter, probe.fetch);
        if (!put(tracefs_, "uprobe_events", line, O_APPEND))
            return failed(fmt::format("the kernel's tracer refuses `{}`", probe.fetch));
        events_.push_back(event);
        if (!put(tracefs_, fmt::format("{}/events/{}/enable", folder(), event), "1"))
            return failed(fmt::format("the kernel's tracer cannot arm `{}`", probe.fetch));
        return {};
    }
    /// No event comes any more.
    void disable() {
        for (const std::string& event : events_)
            put(tracefs_, fmt::format("{}/events/{}/enable", folder(), event), "0");
    }
    /// Moves what has been said so far to `text`.
    void read(std::string& text) const {
        char bytes[65536];
        for (ssize_t n = 0; (n = ::read(pipe_.get(), bytes, sizeof bytes)) > 0 || errno == EINTR;)
            if (n > 0) text.append(bytes, static_cast<std::size_t>(n));
    }
    [[nodiscard]] int pipe() const { return pipe_.get(); }
    /// Hits that found the buffer full.
    [[nodiscard]] std::uint64_t lost() const {
        std::uint64_t sum = 0;
        for (long cpu = 0; cpu < ::sysconf(_SC_NPROCESSORS_CONF); ++cpu) {
            const std::string stats = get(tracefs_, fmt::format("{}/per_cpu/cpu{}/stats", folder(), cpu));
            for (const std::string_view key : {"\noverrun: ", "\ncommit overrun: ", "\ndropped events: "})
                if (const auto at = stats.find(key); at != std::string::npos)
                    sum += std::strtoull(stats.c_str() + at + key.size(), nullptr, 10);
        }
        return sum;
    }

  private:
    [[nodiscard]] std::string folder() const { return "instances/" + name_; }
    Descriptor tracefs_, pipe_;
    std::string name_;
    bool made_ = false;
    std::vector<std::string> events_;
};

void trace(Instance& instance, const LiveRequest& request, const std::map<std::string, std::string>& files,
           const std::vector<int>& errors, const Descriptor& control, const Descriptor& answers) {
    Result<void> entered = instance.make();
    for (std::size_t i = 0; i < request.probes.size() && entered; ++i) {
        const LiveProbe& probe = request.probes[i];
        const auto file = files.find(probe.path);
        if (!probe.fetch.empty() && errors[i] == 0 && file != files.end())
            entered = instance.add(i, probe, file->second);
    }
    if (!entered) return send(answers, entered.error().what + "\n");
    send(answers, kReady);
    std::string text;
    pollfd waiting[] = {{control.get(), POLLIN, 0}, {instance.pipe(), POLLIN, 0}};
    while (waiting[0].revents == 0) {
        (void)::poll(waiting, 2, -1);
        if (waiting[1].revents != 0) instance.read(text);
    }
    instance.disable();
    instance.read(text);
    send(answers, fmt::format("{}\n", instance.lost()));
    send(answers, text);
}

/// `   comm-1234    [000] .....    12.345678: p0: (0x401136) arg1=0x2`: the probe's number, and what is behind the
/// parenthesis. Nothing: the line continues the one before, whose string has a newline in it.
std::optional<std::pair<std::size_t, std::string_view>> hit(std::string_view line) {
    std::size_t at = line.find("] ");
    for (; at != std::string_view::npos; at = line.find("] ", at + 1)) {
        const std::size_t colon = line.find(": p", at);
        if (colon == std::string_view::npos) return std::nullopt;
        std::size_t number = 0;
        const auto [end, error] = std::from_chars(line.data() + colon + 3, line.data() + line.size(), number);
        const std::string_view rest(end, static_cast<std::size_t>(line.data() + line.size() - end));
        if (error != std::errc{} || !rest.starts_with(": (0x")) continue;
        const std::size_t close = rest.find(')');
        if (close != std::string_view::npos) return std::pair(number, rest.substr(close + 1));
    }
    return std::nullopt;
}

} // namespace

Result<Tracer> Tracer::start(const LiveRequest& request, const std::map<std::string, std::string>& files,
                             const std::vector<int>& errors) {
    Tracer t;
    Pipe control, answers;
    if (!control.open() || !answers.open()) return failed("pipe");
    t.process_ = ::fork();
    if (t.process_ < 0) return failed("fork");
    if (t.process_ == 0) {
        ::setsid();
        ::signal(SIGPIPE, SIG_IGN);
        // The runner's other descriptors would keep the judge waiting.
        ::dup2(control.read.get(), 3);
        ::dup2(answers.write.get(), 4);
        ::close_range(5, ~0u, 0);
        {
            Instance instance;
            trace(instance, request, files, errors, Descriptor(3), Descriptor(4));
        }
        ::_exit(0);
    }
    t.control_ = std::move(control.write);
    t.answers_ = std::move(answers.read);
    std::string answer;
    char byte = 0;
    while (::read(t.answers_.get(), &byte, 1) == 1 && (answer += byte, byte != '\n')) {
    }
    if (answer == kReady) return t;
    ::waitpid(t.process_, nullptr, 0);
    if (!answer.empty()) answer.pop_back();
    return fail(answer.empty() ? "the tracer ended without a word" : answer);
}

std::vector<LiveCount> Tracer::finish(std::size_t probes) {
    control_.reset();
    std::string text;
    char bytes[65536];
    for (ssize_t n = 0; (n = ::read(answers_.get(), bytes, sizeof bytes)) > 0 || (n < 0 && errno == EINTR);)
        if (n > 0) text.append(bytes, static_cast<std::size_t>(n));
    ::waitpid(process_, nullptr, 0);
    std::vector<LiveCount> counts(probes);
    const std::uint64_t lost = std::strtoull(text.c_str(), nullptr, 10);
    std::string_view rest = text;
    rest.remove_prefix(std::min(rest.find('\n') + 1, rest.size()));
    std::string* last = nullptr;
    for (std::size_t end = 0; (end = rest.find('\n')) != std::string_view::npos; rest.remove_prefix(end + 1)) {
        const std::string_view line = rest.substr(0, end);
        if (const auto h = hit(line); h && h->first < probes)
            last = &counts[h->first].fetched.emplace_back(h->second);
        else if (last != nullptr)
            (*last += '\n') += line;
    }
    for (LiveCount& count : counts)
        if (!count.fetched.empty()) count.lost = lost;
    return counts;
}

int enter_once(const std::string& line) {
    const Descriptor tracefs = open_tracefs();
    if (!tracefs) return errno;
    if (!put(tracefs, "uprobe_events", line + "\n", O_APPEND)) return errno;
    const std::size_t begin = line.find(':') + 1;
    put(tracefs, "uprobe_events", "-:" + line.substr(begin, line.find(' ') - begin), O_APPEND);
    return 0;
}

Result<void> tracer_available() {
    const Descriptor tracefs = open_tracefs();
    const Descriptor events(::openat(tracefs.get(), "uprobe_events", O_WRONLY | O_APPEND | O_CLOEXEC));
    if (events) return {};
    return tl::make_unexpected(
        Error{fmt::format("fetch arguments need tracefs with uprobe_events: {}", std::strerror(errno)),
              {},
              {},
              0,
              kUnavailable});
}

} // namespace trapline::judge
