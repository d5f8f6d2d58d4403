#include "tools/debug/session.hpp"

#include "tools/debug/memory.hpp"

#include <algorithm>
#include <sys/mman.h>
#include <tuple>
#include <unistd.h>

namespace trapline {
namespace {

constexpr std::size_t kRecent = 2000;
constexpr std::uint64_t kAnyCount = ~0ull; // of a moment that is known by its event alone

bool earlier(const Moment& a, const Moment& b) { return std::tie(a.events, a.retired) < std::tie(b.events, b.retired); }

/// Signals that gdb's users want to hear of: those that a fault of the program's own sends.
bool is_fault(std::uint64_t signo) {
    const auto n = static_cast<int>(signo);
    return n == sig::segv || n == sig::bus || n == sig::ill || n == sig::fpe || n == sig::abrt || n == sig::trap;
}

} // namespace

Session::Session(RunRequest request, const GuestInput& input, Visitor& visitor)
    : request_(std::move(request)), input_(input), visitor_(visitor) {
    request_.log = [this](const Event& e, const Kernel& k) { on_event(e, k); };
    request_.missed = [this](const Miss& m, const Kernel&) { on_miss(m); };
    request_.watcher = [this](Task& t, Addr va, bool again) { return on_instruction(t, va, again); };
    request_.progress = [this](const Progress&) {
        if (rig_ == nullptr || !visitor_.wants_stop()) return;
        interrupt_ = true;
        attend();
    };
    request_.capture_output = false;
}

Result<void> Session::build() {
    rig_.reset(); // before the next: a machine is large
    recent_.clear();
    text_ = {};
    spaces_.clear();
    created_ = 0;
    unwinding_ = false;
    for (Watchpoint& w : watchpoints_) w.value.clear();
    recorder_ = std::make_unique<Recorder>();
    for (HostFd& stream : streams_) {
        stream = HostFd(::memfd_create("guest output", MFD_CLOEXEC));
        if (!stream) return fail("no memory for the guest's output");
    }
    request_.standard = {input_.rewound(), streams_[0].get(), streams_[1].get()};
    rig_ = std::make_unique<Rig>(request_);
    if (Result<void> r = rig_->set_up(); !r) return r;
    attend();
    return {};
}

Result<RunReport> Session::go() {
    for (;;) {
        if (Result<void> r = build(); !r) return tl::make_unexpected(r.error());
        const Outcome outcome = kernel().run();
        show_output();
        if (killed_ || plan_.kind == Plan::Kind::finish) return rig_->report(outcome);
        prepare_next(outcome);
    }
}

Session::Plan Session::seek(const Stop& stop) {
    Plan plan;
    plan.kind = Plan::Kind::seek;
    plan.moment = stop.at;
    plan.stop = stop;
    return plan;
}

/// The machine has stopped for good: where to is the next one run?
void Session::prepare_next(const Outcome& outcome) {
    if (plan_.kind == Plan::Kind::search && plan_.over) {
        if (plan_.found) {
            const Stop stop = *plan_.found;
            plan_ = seek(stop);
        } else if (plan_.step != 0 && plan_.window != ~0ull) {
            plan_.window = plan_.window < 1'000'000 ? plan_.window * 256 : ~0ull;
            plan_.over = false;
        } else {
            Stop stop{Stop::Why::begin, start_, start_.serial};
            plan_ = seek(stop);
        }
        return;
    }
    if (unwinding_) return; // hold() has made the plan
    visitor_.ended(rig_->report(outcome));
    Stop stop{Stop::Why::end, last_event_, last_thread_};
    plan_ = seek(stop);
}

void Session::show_output() {
    for (int i = 0; i < 2; ++i) {
        char bytes[4096];
        for (ssize_t n = 0; (n = ::pread(streams_[i].get(), bytes, sizeof bytes, static_cast<off_t>(shown_[i]))) > 0;) {
            shown_[i] += static_cast<std::size_t>(n);
            visitor_.output(i + 1, {bytes, static_cast<std::size_t>(n)});
        }
    }
}

Moment Session::here(std::uint32_t serial) { return {kernel().log().count(), kernel().cpu().retired(), serial}; }

Task* Session::thread(std::uint32_t serial) {
    for (Task* t : threads())
        if (t->serial == serial) return t;
    return nullptr;
}

std::vector<Task*> Session::threads() {
    std::vector<Task*> all;
    for (const auto& t : kernel().tasks())
        if (t->alive() && t->process != nullptr && t->process->mm) all.push_back(t.get());
    return all;
}

void Session::on_event(const Event& event, const Kernel& kernel) {
    if (rig_ == nullptr || unwinding_) return;
    recent_.push_back(recorder_->record(event, kernel));
    text_.apply(recent_.back());
    if (recent_.size() > kRecent) recent_.pop_front();
    if (Task* t = thread(event.task); t != nullptr) {
        if (event.step != Step::exited) last_event_ = here(0);
        last_thread_ = t->serial;
        if (!spaces_.contains(t->process->mm->id())) watch_everywhere();
    }
    if (const std::uint32_t created = kernel.created_tasks(); created != created_) {
        created_ = created;
        watch_everywhere();
    }
    const Moment now = here(0);
    if (!started_ || now.events <= start_.events) return; // the machine is being made
    if (at_limit(now)) return;
    check_watchpoints(now);
    const auto matches = [&event](const EventCondition& c) {
        return c.step == event.step && (!c.object || *c.object == event.object);
    };
    if (std::any_of(event_conditions.begin(), event_conditions.end(), matches))
        consider({Stop::Why::event, now, last_thread_});
    else if (event.step == Step::signal && is_fault(event.object))
        consider({Stop::Why::signal, now, last_thread_, 0, static_cast<int>(event.object)});
}

/// True when nobody else wanted to know of it: then the rest of the machine hears nothing.
bool Session::on_instruction(Task& task, Addr va, bool again) {
    if (!unwinding_) at_instruction(task, va, again);
    Mm& mm = *task.process->mm;
    const bool ours = breakpoints_.contains(va) && spaces_.contains(mm.id());
    return mm.fetch().watchers(va) == (ours ? 1 : 0);
}

/// The kernel steps a probed instruction where it stands. The thread was here when it fetched the int3: for whoever
/// debugs the program it is the same instruction.
bool Session::in_place(Task& task, Addr va) {
    if (task.probe == nullptr) return false;
    const Utask& hit = rig_->uprobes().utask(task);
    return hit.active != nullptr && hit.address == va;
}

void Session::at_instruction(Task& task, Addr va, bool again) {
    last_thread_ = task.serial;
    if (!spaces_.contains(task.process->mm->id())) watch_everywhere();
    const Moment now = here(task.serial);
    if (!started_) {
        started_ = true;
        start_ = previous_ = now;
        return hold({Stop::Why::start, now, task.serial});
    }
    const bool over = at_limit(now);
    if (!over) check_watchpoints(now);
    previous_ = now;
    if (over || unwinding_ || again || in_place(task, va)) return;
    if (interrupt_) {
        interrupt_ = false;
        if (plan_.kind == Plan::Kind::forward) return hold({Stop::Why::interrupt, now, task.serial});
    }
    if (plan_.step == task.serial)
        consider({Stop::Why::step, now, task.serial});
    else if (breakpoints_.contains(va))
        consider({Stop::Why::breakpoint, now, task.serial, va});
}

/// It is known late: the thread is elsewhere already, and the moment lies behind.
void Session::on_miss(const Miss& miss) {
    if (rig_ == nullptr || unwinding_ || !stop_at_misses) return;
    const Stop stop{Stop::Why::missed, {miss.after, miss.retired, miss.task}, miss.task, miss.address};
    if (plan_.kind == Plan::Kind::search) return consider(stop);
    if (plan_.kind != Plan::Kind::forward || !earlier(resumed_at_, stop.at)) return;
    if (plan_.alone) return keep(stop);
    plan_ = seek(stop);
    unwind();
}

/// True when the plan ends here, whatever else is true of this moment.
bool Session::at_limit(const Moment& m) {
    if (plan_.kind == Plan::Kind::finish) return true;
    if (plan_.kind != Plan::Kind::seek && plan_.kind != Plan::Kind::search) return false;
    Moment limit = plan_.moment;
    if (limit.retired == kAnyCount) limit.retired = m.retired;
    // A moment that no callback shows is reached with the next that does.
    if (!(m == limit) && !earlier(limit, m)) return false;
    if (plan_.kind == Plan::Kind::seek) {
        Stop stop = plan_.stop;
        stop.at = m;
        if (m.serial == 0) stop.thread = last_thread_;
        hold(stop);
    } else {
        check_watchpoints(m); // the write just before is looked for, too
        plan_.over = true;
        unwind();
    }
    return true;
}

/// Something that one could stop for has happened.
void Session::consider(const Stop& stop) {
    if (plan_.kind == Plan::Kind::forward) return plan_.alone && stop.thread != plan_.step ? keep(stop) : hold(stop);
    if (plan_.kind != Plan::Kind::search || (plan_.step != 0 && stop.why != Stop::Why::step)) return;
    if (!plan_.found || !earlier(stop.at, plan_.found->at)) plan_.found = stop;
}

void Session::keep(const Stop& stop) {
    if (!kept_ || earlier(stop.at, kept_->at)) kept_ = stop;
}

void Session::hold(const Stop& stop) {
    show_output();
    const Resume resume = visitor_.stopped(*this, stop);
    resumed_at_ = stop.at;
    plan_ = {};
    for (Watchpoint& w : watchpoints_)
        if (Process* p = kernel().process(w.pid); p != nullptr && p->mm)
            w.value = peek_memory(*p->mm, w.address, w.bytes);
    const Moment now = stop.at;
    const std::optional<Stop> kept = std::exchange(kept_, std::nullopt);
    const std::optional<Moment> back_from = std::exchange(back_from_, std::nullopt);
    switch (resume.kind) {
    case Resume::Kind::forward:
    case Resume::Kind::step:
        if (kept && !resume.alone) {
            plan_ = seek(*kept);
            unwind();
        } else if (resume.kind == Resume::Kind::step) {
            plan_.step = resume.thread;
            plan_.alone = resume.alone;
            kept_ = kept;
        }
        break;
    case Resume::Kind::back:
        plan_.kind = Plan::Kind::search;
        plan_.moment = back_from.value_or(now);
        unwind();
        break;
    case Resume::Kind::step_back:
        plan_.kind = Plan::Kind::search;
        plan_.moment = now;
        plan_.step = resume.thread;
        plan_.window = 256;
        if (resume.alone) back_from_ = back_from.value_or(now);
        unwind();
        break;
    case Resume::Kind::go: {
        const Moment target{resume.event, kAnyCount, 0};
        plan_ = seek({Stop::Why::event, target, last_thread_});
        if (resume.event <= now.events) unwind();
        break;
    }
    case Resume::Kind::finish:
        plan_.kind = Plan::Kind::finish;
        break;
    case Resume::Kind::kill:
        killed_ = true;
        unwind();
        break;
    }
    attend();
}

/// This machine is of no use any more: it ends as soon as it can.
void Session::unwind() {
    unwinding_ = true;
    kernel().request_stop();
    kernel().cpu().watch_from(0);
}

/// Asks the CPU to report what the plan needs, and no more.
void Session::attend() {
    if (rig_ == nullptr || unwinding_) return;
    std::uint64_t from = ~0ull;
    const bool every = !started_ || interrupt_ || (!watchpoints_.empty() && plan_.kind != Plan::Kind::finish);
    switch (plan_.kind) {
    case Plan::Kind::forward:
        if (plan_.step != 0) from = 0;
        break;
    case Plan::Kind::seek:
        if (plan_.moment.serial != 0) from = plan_.moment.retired;
        break;
    case Plan::Kind::search:
        if (plan_.moment.serial != 0) from = plan_.moment.retired;
        if (plan_.step != 0) from = plan_.moment.retired - std::min(plan_.moment.retired, plan_.window);
        break;
    case Plan::Kind::finish:
        break;
    }
    kernel().cpu().watch_from(every && plan_.kind != Plan::Kind::seek ? 0 : from);
}

/// Address spaces that have come into being learn of the breakpoints.
void Session::watch_everywhere() {
    for (Task* t : threads())
        if (spaces_.insert(t->process->mm->id()).second)
            for (Addr a : breakpoints_) t->process->mm->fetch().watch(a);
}

void Session::set_breakpoint(Addr address, bool on) {
    watch_everywhere();
    if (on ? !breakpoints_.insert(address).second : breakpoints_.erase(address) == 0) return;
    std::set<std::uint32_t> done;
    for (Task* t : threads()) {
        Mm& mm = *t->process->mm;
        if (done.insert(mm.id()).second) on ? mm.fetch().watch(address) : mm.fetch().unwatch(address);
    }
}

void Session::set_watchpoint(int pid, Addr address, std::size_t bytes, bool on) {
    if (on)
        watchpoints_.push_back({pid, address, bytes, {}});
    else
        std::erase_if(watchpoints_, [&](const Watchpoint& w) { return w.address == address && w.bytes == bytes; });
}

/// Between two callbacks one instruction ran, that of the one before. Forwards the machine is held behind the write,
/// backwards before it.
void Session::check_watchpoints(const Moment& now) {
    for (Watchpoint& w : watchpoints_) {
        Process* p = kernel().process(w.pid);
        if (p == nullptr || !p->mm) continue;
        std::string value = peek_memory(*p->mm, w.address, w.bytes);
        const bool changed = !w.value.empty() && value != w.value;
        w.value = std::move(value);
        if (!changed) continue;
        const bool backwards = plan_.kind == Plan::Kind::search;
        consider({Stop::Why::watchpoint, backwards ? previous_ : now, previous_.serial, w.address});
        if (unwinding_) return;
    }
}

} // namespace trapline
