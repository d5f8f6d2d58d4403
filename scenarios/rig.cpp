#include "scenarios/rig.hpp"

#include "boost/catalogue.hpp"
#include "emu/check.hpp"
#include "emu/kernel/cost_file.hpp"
#include "loader/process_state.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace trapline {
std::unique_ptr<Policy> Rig::make_policy() {
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
std::optional<Addr> Rig::resolve(const ProbePlace& place, const Task& t) {
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

Progress Rig::progress() const {
    Progress p;
    p.instructions = kernel_->cpu().retired();
    p.nanoseconds = kernel_->nanoseconds(kernel_->latest());
    if (uprobes_)
        for (const auto& u : uprobes_->all()) p.hits += u->truth.hits;
    return p;
}

Result<void> Rig::set_up(Policy* policy) {
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
    config.start_time = request_.start_time;
    config.layout = request_.layout;
    config.cost = &cost_;
    config.watcher = request_.watcher;
    config.poll = [this] {
        if (request_.progress) request_.progress(progress());
        return request_.interrupted != nullptr && *request_.interrupted;
    };
    if (policy == nullptr) policy = (policy_ = make_policy()).get();
    kernel_ = std::make_unique<Kernel>(config, *policy);
    if (follower_ != nullptr) follower_->attach(*kernel_);
    frames_before_ = kernel_->frames().in_use();
    if (request_.log || request_.invariants)
        kernel_->log().set_writer([this](const Event& e) {
            if (request_.log) request_.log(e, *kernel_);
            // What runs in one piece need not be right in between.
            if (request_.invariants && broken_.empty() && !kernel_->atomic() && uprobes_ != nullptr)
                broken_ = uprobes_->broken();
        });
    kernel_->log().set_miss_writer(request_.missed ? [this](const Miss& m) { request_.missed(m, *kernel_); }
                                                   : std::function<void(const Miss&)>());
    kernel_->log().set_call_writer(request_.called ? [this](const CallNote& n) { request_.called(n, *kernel_); }
                                                   : std::function<void(const CallNote&)>());

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
    sandbox->host_order = request_.host_order;
    system_ = std::make_unique<System>(*kernel_, std::move(*sandbox), request_.standard, directory);
    if (request_.capture_output)
        system_->output = [this](int stream, std::span<const std::uint8_t> bytes) {
            (stream == 2 ? err_ : out_).append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        };
    uprobes_ = std::make_unique<Uprobes>(*kernel_, *dialect_, *strategy_);
    if (request_.slots) uprobes_->limit_slots(*request_.slots);
    if (!request_.mutation.empty()) {
        const std::optional<Mutation> m = mutation_by_name(request_.mutation);
        if (!m) return fail(fmt::format("{} is no mutation", request_.mutation), "probes/mutations.inc has them all");
        uprobes_->mutate(*m);
    }

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
    if (const auto* given = std::get_if<Token>(&request_.schedule))
        if (std::optional<Error> e = token_mismatch(*given, guest8_, kModelVersion)) return tl::make_unexpected(*e);
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
Result<void> Rig::hash_guest() {
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

Result<void> Rig::locate_probes() {
    for (const ScenarioProbe& p : request_.probes) {
        Result<Fetch> fetch = Fetch::compile(p.spec.args, p.spec.text);
        if (!fetch) return tl::make_unexpected(fetch.error());
        Result<Located> place = locator_->locate(p.spec, p.spec.text);
        if (!place) return tl::make_unexpected(place.error());
        if (!place->warning.empty()) warnings_.push_back(place->warning);
        Armed& a = probes_.emplace_back();
        a.asked = &p;
        a.place = std::move(*place);
        a.consumer.on_entry = !p.spec.is_return;
        a.consumer.on_return = p.spec.is_return;
        a.consumer.counter_offset = p.spec.counter_offset;
        a.fetch = std::move(*fetch);
        if (!a.fetch.empty()) a.consumer.handler = [this, &a](HitContext& hit) { this->fetch(a, hit); };
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

void Rig::register_probe(Armed& a) {
    if (dialect_->per_process && kernel_->first_process() != nullptr) a.consumer.pid = kernel_->first_process()->pid;
    a.error = uprobes_->add_now(a.consumer, a.place.inode, a.place.offset);
    if (a.consumer.uprobe != nullptr) a.uprobe = a.consumer.uprobe;
}

/// What a tracer would write down at this hit: it is kept, shown, and part of the event.
void Rig::fetch(Armed& a, HitContext& hit) {
    const Task& t = hit.task();
    Fetched f;
    f.probe = static_cast<std::size_t>(a.asked - request_.probes.data());
    f.task = t.name;
    f.command = thread_name(t);
    f.tid = t.tid;
    f.cpu = t.cpu;
    f.nanoseconds = kernel_->nanoseconds(kernel_->now(t));
    f.address = hit.address;
    if (hit.returning) f.returns_to = hit.get(Reg::rip);
    f.values = a.fetch.text(hit, hit.address - a.place.offset, dialect_->shows_faults);
    hit.text += f.values;
    if (request_.fetched) request_.fetched(f);
    if (a.fetched.size() < request_.keeps_fetched)
        a.fetched.push_back(std::move(f));
    else
        ++a.not_kept;
}

Path<bool> Rig::tracer(Task& self, const ScenarioTracer& what) {
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

Token Rig::token() const { return token(follower_ != nullptr ? follower_->switches() : std::vector<TokenSwitch>()); }

Token Rig::token(std::vector<TokenSwitch> switches) const {
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
    t.switches = std::move(switches);
    return t;
}

std::string Rig::who_waits() const {
    std::string text;
    for (const auto& t : kernel_->tasks())
        if (t->alive()) text += (text.empty() ? "" : ", ") + t->name;
    return "every thread waits for something that cannot happen: " + text;
}

std::vector<ProbeReport> Rig::probes() const {
    std::vector<ProbeReport> all;
    for (const Armed& a : probes_) {
        ProbeReport p;
        p.spec = a.asked->spec.text;
        p.is_return = a.asked->spec.is_return;
        p.file = a.place.path;
        p.offset = a.place.offset;
        if (a.uprobe != nullptr) {
            p.address = a.uprobe->first_address;
            p.truth = p.is_return ? a.uprobe->returned : a.uprobe->truth;
            p.truth.hits = p.is_return ? a.consumer.returns : a.consumer.hits;
        }
        const int error = a.error != 0 ? a.error : a.uprobe != nullptr ? a.uprobe->error : 0;
        p.error_number = -error;
        p.state = error != 0       ? ProbeReport::State::refused
                  : p.address != 0 ? ProbeReport::State::armed
                                   : ProbeReport::State::pending;
        p.fetched = a.fetched;
        p.not_kept = a.not_kept;
        all.push_back(std::move(p));
    }
    return all;
}

RunReport Rig::report(const Outcome& outcome) {
    uprobes_->settle();
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
    r.standard_output = out_;
    r.standard_error = err_;
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
    r.probes = probes();
    r.counters = uprobes_->counters;
    r.warnings = warnings_;
    r.broken = broken_;
    return r;
}

std::uint64_t Rig::fingerprint(const Outcome& outcome) {
    uprobes_->settle();
    Log digest;
    const auto add = [&](const auto&... values) { (digest.bytes(&values, sizeof values), ...); };
    add(outcome.kind, outcome.status, system_->calls(), kernel_->frames().in_use());
    digest.bytes(out_.data(), out_.size());
    digest.bytes(broken_.data(), broken_.size());
    for (const Armed& a : probes_) {
        add(a.error, a.consumer.hits, a.consumer.returns);
        if (a.uprobe == nullptr) continue;
        add(a.uprobe->error, a.uprobe->first_address);
        for (const Truth& t : {a.uprobe->truth, a.uprobe->returned}) add(t.executions, t.hits, t.missed, t.repeated);
    }
    add(uprobes_->counters);
    return digest.hash();
}

std::uint32_t Rig::take_down() {
    probes_.clear();
    places_.clear();
    locator_.reset();
    uprobes_.reset();
    system_.reset();
    return kernel_->frames().in_use() - frames_before_;
}

Result<RunReport> run_program(const RunRequest& request) {
    Rig rig(request);
    if (Result<void> r = rig.set_up(); !r) return tl::make_unexpected(r.error());
    check_context().token = [&rig] { return to_string(rig.token()); };
    const Outcome outcome = rig.kernel().run();
    RunReport r = rig.report(outcome);
    check_context().token = nullptr;
    const std::uint32_t leaked = rig.take_down();
    if (outcome.kind == Outcome::Kind::exited) r.leaked_frames = leaked;
    return r;
}

} // namespace trapline
