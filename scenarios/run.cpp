#include "scenarios/run.hpp"

#include "boost/catalogue.hpp"
#include "emu/check.hpp"
#include "emu/kernel/cost_file.hpp"
#include "probes/locate.hpp"
#include "scenarios/follow.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace trapline {
namespace {

/// A probe of the request on its way into the machine.
struct Armed {
    const ScenarioProbe* asked = nullptr;
    Located place;
    Consumer consumer;
    Uprobe* uprobe = nullptr; // the last one it was registered as, for its truth
    int error = 0;            // negative errno of the last registration
};

/// The whole machine for one run, in the order in which its parts depend on each other.
class Run {
  public:
    explicit Run(const RunRequest& request) : request_(request) {}
    Result<RunReport> go();

  private:
    Result<void> set_up();
    Result<void> hash_guest();
    Result<void> locate_probes();
    void register_probe(Armed& a);
    Path<bool> tracer(Task& self, const ScenarioTracer& what);
    std::unique_ptr<Policy> make_policy();
    std::optional<Addr> resolve(const ProbePlace& place, const Task& t);
    Token token() const;
    RunReport report(const Outcome& outcome);
    std::string who_waits() const;

    const RunRequest& request_;
    const Dialect* dialect_ = nullptr;
    const StrategyInfo* strategy_ = nullptr;
    CostProfile cost_;
    std::unique_ptr<Policy> policy_;
    Follower* follower_ = nullptr; // the policy, when it follows a script or a token
    std::unique_ptr<Kernel> kernel_;
    std::uint32_t frames_before_ = 0;
    std::unique_ptr<System> system_;
    std::unique_ptr<Uprobes> uprobes_;
    std::unique_ptr<Locator> locator_;
    std::deque<Armed> probes_;
    std::map<std::string, Located> places_; // of the script, by their text
    std::vector<std::string> warnings_;
    std::string program_, guest8_, out_, err_;
};

std::unique_ptr<Policy> Run::make_policy() {
    auto follow = [&](std::unique_ptr<Follower> f) -> std::unique_ptr<Policy> {
        follower_ = f.get();
        return f;
    };
    if (const auto* t = std::get_if<Token>(&request_.schedule))
        return follow(std::make_unique<TokenPolicy>(*t, make_base_policy(t->base)));
    const auto& schedule = std::get<SchedulePolicy>(request_.schedule);
    if (const auto* script = std::get_if<ScheduleScript>(&schedule))
        return follow(
            std::make_unique<ScriptPolicy>(*script, std::make_unique<RoundRobin>(),
                                           [this](const ProbePlace& p, const Task& task) { return resolve(p, task); }));
    BasePolicy base;
    if (const auto* r = std::get_if<policy::Random>(&schedule)) base = *r;
    if (const auto* p = std::get_if<policy::Pct>(&schedule)) base = *p;
    return make_base_policy(base);
}

/// The address that a place has in the task's process now, if its file is mapped there.
std::optional<Addr> Run::resolve(const ProbePlace& place, const Task& t) {
    if (t.process == nullptr || !t.process->mm) return std::nullopt;
    auto it = places_.find(to_string(place));
    if (it == places_.end()) return std::nullopt;
    const Located& l = it->second;
    std::optional<Addr> readable;
    for (const auto& [start, v] : t.process->mm->vmas()) {
        if (!v.inode || v.inode->number != l.inode->number || l.offset < v.offset ||
            l.offset >= v.offset + (v.end - v.start))
            continue;
        const Addr at = v.start + (l.offset - v.offset);
        if ((v.prot & prot::exec) != 0) return at;
        if (!readable) readable = at;
    }
    return readable;
}

Result<void> Run::set_up() {
    dialect_ = dialect(request_.kernel);
    strategy_ = strategy_info(request_.strategy);
    if (dialect_ == nullptr)
        return fail(fmt::format("{} is no kernel dialect", request_.kernel), "see `trapline list dialects`");
    if (strategy_ == nullptr)
        return fail(fmt::format("{} is no strategy", request_.strategy), "see `trapline list strategies`");
    if (Result<CostProfile> cost = find_cost(request_.cost); cost)
        cost_ = std::move(*cost);
    else
        return tl::make_unexpected(cost.error());
    KernelConfig config;
    config.cpus = request_.cpus;
    config.seed = request_.seed;
    config.limit = request_.limit;
    config.cost = &cost_;
    config.poll = [this] {
        if (request_.progress) request_.progress(*kernel_);
        return request_.interrupted != nullptr && *request_.interrupted;
    };
    policy_ = make_policy();
    kernel_ = std::make_unique<Kernel>(config, *policy_);
    if (follower_ != nullptr) follower_->attach(*kernel_);
    frames_before_ = kernel_->frames().in_use();
    kernel_->log().set_writer(request_.log ? [this](const Event& e) { request_.log(e, *kernel_); }
                                           : std::function<void(const Event&)>());
    kernel_->log().set_miss_writer(request_.missed ? [this](const Miss& m) { request_.missed(m, *kernel_); }
                                                   : std::function<void(const Miss&)>());

    std::string directory = request_.working_directory;
    if (directory.empty()) {
        char host[4096];
        directory = request_.root == "/" && ::getcwd(host, sizeof host) != nullptr ? host : "/";
    }
    Result<Sandbox> sandbox = Sandbox::create(request_.root, request_.write_directories, [this] {
        const std::uint64_t ns = kernel_->nanoseconds(kernel_->latest());
        return timespec{static_cast<time_t>(kernel_->config().start_time + ns / 1'000'000'000),
                        static_cast<long>(ns % 1'000'000'000)};
    });
    if (!sandbox) return tl::make_unexpected(sandbox.error());
    system_ = std::make_unique<System>(*kernel_, std::move(*sandbox), request_.standard, directory);
    if (request_.capture_output)
        system_->output = [this](int stream, std::span<const std::uint8_t> bytes) {
            (stream == 2 ? err_ : out_).append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        };
    uprobes_ = std::make_unique<Uprobes>(*kernel_, *dialect_, *strategy_);

    std::vector<std::string> args = {request_.program};
    args.insert(args.end(), request_.args.begin(), request_.args.end());
    Result<Task*> task = system_->start(request_.program, args, request_.environment);
    if (!task) {
        Error e = task.error();
        e.code = system_->start_failure();
        return tl::make_unexpected(e);
    }
    // The program is loaded and has not run: probes go into it now, and into libraries when they are mapped.
    program_ = kernel_->first_process()->executable;
    locator_ = std::make_unique<Locator>(*system_, program_, directory);
    if (Result<void> r = hash_guest(); !r) return r;
    if (Result<void> r = locate_probes(); !r) return r;
    for (Armed& a : probes_)
        if (a.asked->registered) register_probe(a);
    for (const ScenarioTracer& t : request_.tracers) {
        Task& k = kernel_->create_tracer();
        kernel_->start(k, tracer(k, t));
    }
    return {};
}

/// What a token is bound to: the program file's bytes.
Result<void> Run::hash_guest() {
    OrErrno<Resolved> where = system_->sandbox().resolve("/", program_, LastLink::follow);
    OrErrno<OpenedFile> file = where ? system_->sandbox().open(*where, O_RDONLY, 0) : refuse(ENOENT);
    if (!file) return fail(fmt::format("{}: cannot be read", program_));
    Log digest;
    std::array<std::uint8_t, 1 << 16> bytes;
    for (ssize_t n = 0; (n = ::read(file->fd.get(), bytes.data(), bytes.size())) > 0;)
        digest.bytes(bytes.data(), static_cast<std::size_t>(n));
    guest8_ = fmt::format("{:08x}", digest.hash() >> 32);
    return {};
}

Result<void> Run::locate_probes() {
    for (const ScenarioProbe& p : request_.probes) {
        if (p.spec.is_return)
            return fail(fmt::format("{}: return probes are not in this version", p.spec.text),
                        "probe the function's entry");
        if (!p.spec.args.empty())
            return fail(fmt::format("{}: fetch arguments are not evaluated in this version", p.spec.text),
                        "leave them out");
        Result<Located> place = locator_->locate(p.spec, p.spec.text);
        if (!place) return tl::make_unexpected(place.error());
        if (!place->warning.empty()) warnings_.push_back(place->warning);
        Armed& a = probes_.emplace_back();
        a.asked = &p;
        a.place = std::move(*place);
    }
    const auto* schedule = std::get_if<SchedulePolicy>(&request_.schedule);
    const auto* script = schedule != nullptr ? std::get_if<ScheduleScript>(schedule) : nullptr;
    if (script == nullptr) return {};
    for (const ScheduleItem& item : script->items)
        for (const ScheduleEvent& e : item.until) {
            const ProbePlace* place = std::get_if<ProbePlace>(&e.what);
            if (const auto* step = std::get_if<ScheduleEvent::Step>(&e.what)) {
                if (!step_by_name(step->name))
                    return fail(
                        fmt::format("schedule item {} `{}`: there is no step {}", item.number, item.text, step->name),
                        "see `trapline list steps`");
                if (step->at) place = &*step->at;
            }
            if (place == nullptr) continue;
            Result<Located> l = locator_->locate(*place, item.text);
            if (!l) return tl::make_unexpected(l.error());
            places_.emplace(to_string(*place), std::move(*l));
        }
    return {};
}

void Run::register_probe(Armed& a) {
    if (dialect_->per_process && kernel_->first_process() != nullptr) a.consumer.pid = kernel_->first_process()->pid;
    a.error = uprobes_->add_now(a.consumer, a.place.inode, a.place.offset);
    if (a.consumer.uprobe != nullptr) a.uprobe = a.consumer.uprobe;
}

Path<bool> Run::tracer(Task& self, const ScenarioTracer& what) {
    for (const TracerStep& s : what.steps) {
        Armed& a = probes_[s.probe];
        co_await kernel_->step(self, Step::tracer, a.place.offset, s.registers ? 1 : 0, s.text);
        if (s.registers) {
            if (dialect_->per_process && kernel_->first_process() != nullptr)
                a.consumer.pid = kernel_->first_process()->pid;
            co_await uprobes_->add(a.consumer, a.place.inode, a.place.offset, &a.error);
            if (a.consumer.uprobe != nullptr) a.uprobe = a.consumer.uprobe;
        } else {
            co_await uprobes_->remove(a.consumer);
        }
    }
    co_return true;
}

Token Run::token() const {
    Token t;
    t.guest8 = guest8_;
    t.model = kModelVersion;
    t.strategy = request_.strategy;
    if (const auto* given = std::get_if<Token>(&request_.schedule)) {
        t.base = given->base;
    } else {
        const auto& schedule = std::get<SchedulePolicy>(request_.schedule);
        if (const auto* r = std::get_if<policy::Random>(&schedule)) t.base = *r;
        if (const auto* p = std::get_if<policy::Pct>(&schedule)) t.base = *p;
    }
    if (follower_ != nullptr) t.switches = follower_->switches();
    return t;
}

std::string Run::who_waits() const {
    std::string text;
    for (const auto& t : kernel_->tasks())
        if (t->alive()) text += (text.empty() ? "" : ", ") + t->name;
    return "every thread waits for something that cannot happen: " + text;
}

RunReport Run::report(const Outcome& outcome) {
    RunReport r;
    r.outcome = outcome.kind;
    if (outcome.kind == Outcome::Kind::exited) {
        r.signal = outcome.status & 0x7f;
        r.exit_code = r.signal == 0 ? outcome.status >> 8 & 0xff : 0;
    }
    if (outcome.kind == Outcome::Kind::deadlock) r.detail = who_waits();
    if (follower_ != nullptr && !follower_->diverged().empty()) {
        r.diverged = true;
        r.detail = follower_->diverged();
    }
    r.standard_output = std::move(out_);
    r.standard_error = std::move(err_);
    r.program = program_;
    r.token = to_string(token());
    r.log_hash = kernel_->log().hash();
    r.events = kernel_->log().count();
    r.virtual_cycles = kernel_->latest();
    r.instructions = kernel_->cpu().retired();
    r.threads = kernel_->created_tasks();
    r.processes = kernel_->created_processes();
    r.syscalls = system_->calls();
    if (follower_ != nullptr) r.preemptions = follower_->preemptions();
    for (Armed& a : probes_) {
        ProbeReport p;
        p.spec = a.asked->spec.text;
        if (a.uprobe != nullptr) {
            p.address = a.uprobe->first_address;
            p.truth = a.uprobe->truth;
            p.truth.hits = a.consumer.hits;
        }
        const int error = a.error != 0 ? a.error : a.uprobe != nullptr ? a.uprobe->error : 0;
        p.error_number = -error;
        p.state = error != 0       ? ProbeReport::State::refused
                  : p.address != 0 ? ProbeReport::State::armed
                                   : ProbeReport::State::pending;
        r.probes.push_back(p);
    }
    r.counters = uprobes_->counters;
    r.warnings = warnings_;
    return r;
}

Result<RunReport> Run::go() {
    if (Result<void> r = set_up(); !r) return tl::make_unexpected(r.error());
    if (const auto* given = std::get_if<Token>(&request_.schedule))
        if (std::optional<Error> e = token_mismatch(*given, guest8_, kModelVersion)) return tl::make_unexpected(*e);

    check_context().token = [this] { return to_string(token()); };
    const Outcome outcome = kernel_->run();
    uprobes_->settle();
    RunReport r = report(outcome);
    check_context().token = nullptr;

    // Nothing leaks when a program dies: what is still in use when everything has been taken down is a defect.
    probes_.clear();
    places_.clear();
    locator_.reset();
    uprobes_.reset();
    system_.reset();
    if (outcome.kind == Outcome::Kind::exited) r.leaked_frames = kernel_->frames().in_use() - frames_before_;
    return r;
}

} // namespace

Result<RunReport> run_program(const RunRequest& request) { return Run(request).go(); }

} // namespace trapline
