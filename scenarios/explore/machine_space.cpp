#include "scenarios/explore/machine_space.hpp"

#include "emu/check.hpp"
#include "emu/snapshot/arena.hpp"
#include "loader/syscalls/call.hpp"
#include "scenarios/explore/calls.hpp"

#include <algorithm>

namespace trapline {
namespace {

/// Instructions without an event after which a task counts as spinning.
constexpr std::uint64_t kLongStretch = 2'000'000;
/// A slot of the XOL area; and more than any strategy patches at one place.
constexpr std::uint64_t kSlotBytes = 128, kUnknownBytes = 64;

constexpr std::size_t kFetchPoint = static_cast<std::size_t>(Step::count_), kOtherPoint = kFetchPoint + 1;

/// Where slots are shared by hits, or in a kernel with a defect on purpose, whoever writes one may look at others.
bool has_own_slots(const RunRequest& request) {
    constexpr std::array<std::string_view, 8> kStrategies = {"xol",  "xol-page", "xol-int3", "emulate",
                                                             "nop5", "nop10",    "stack",    "fasttrap"};
    return request.mutation.empty() &&
           std::find(kStrategies.begin(), kStrategies.end(), request.strategy) != kStrategies.end();
}

std::size_t count_ready(Scheduler& s) {
    return s.queue().size() + static_cast<std::size_t>(std::count_if(s.cpus().begin(), s.cpus().end(),
                                                                     [](auto& c) { return c.current != nullptr; }));
}

} // namespace

/// Addresses that are watched because a probe is there. Lies in the arena: it is put back with the watches themselves.
struct MachineSpace::Watched {
    std::vector<std::pair<std::uint32_t, Addr>> sites;
};

/// The policy of the machine: who was told to runs, up to the next scheduling point. And the one who writes down what a
/// stretch touched.
class MachineSpace::Director final : public Policy, public AccessSink {
  public:
    Director(const ExploreSection& section, std::array<std::uint64_t, kPoints>& points)
        : section_(section), points_(points) {}

    // While the machine runs to the start.
    bool reached = false;

    // While it is searched.
    bool searching = false;
    bool tracers = false;         // somebody registers or unregisters while the program runs
    Task* next = nullptr;         // nobody: only time passes
    bool debug_registers = false; // the strategy deals them out: four, to whoever comes first
    bool own_slots = false;       // a slot is one hit's from slot-taken to slot-freed, and nobody else looks at it
    bool xol_slots = false;       // and they are those of the XOL area
    bool freed = false;           // the stretch gave one back
    Stretch* record = nullptr;
    Mm* mm = nullptr; // of `next`
    Kernel* kernel = nullptr;
    bool spins = false;                           // what the stretch did was no progress
    std::array<std::string_view, 64> calls{};     // the system call that a task is in, by serial number
    std::array<std::string_view, 64> first_calls; // at the start of the search

    Choice pick(Scheduler& s) override {
        const Arena::Off off;
        if (!searching) return base_.pick(s);
        if (next == nullptr) return {};
        return {next, section_.grain == ExploreSection::Grain::instructions ? 1 : kLongStretch};
    }

    bool switch_after_step(Scheduler& s, const Task&, const Event& e) override {
        const Arena::Off off;
        if (e.step == Step::syscall && e.task < calls.size()) calls[e.task] = e.text;
        if (!searching) return reached = reached || is_start(s, e);
        ++points_[static_cast<std::size_t>(e.step)];
        spins = e.step == Step::restarted || (e.step == Step::syscall && e.text == "sched_yield");
        if (record != nullptr) note(e);
        return true;
    }

    bool switch_before_fetch(Scheduler&, const Task&, Addr) override {
        if (searching) ++points_[kFetchPoint];
        return searching;
    }

    void budget_used(Scheduler& s, const Task& t) override {
        const Arena::Off off;
        if (!searching) return base_.budget_used(s, t);
        ++points_[kOtherPoint];
        spins = section_.grain == ExploreSection::Grain::probe_events;
    }

    void memory(PhysAddr at, std::uint64_t bytes, bool write) override {
        const Arena::Off off;
        if (record != nullptr) record->footprint.memory(at, bytes, write);
    }
    void mapping(std::uint32_t space, Addr page, std::span<const FrameNo> frames) override {
        const Arena::Off off;
        if (record != nullptr) record->footprint.mapping(space, page, frames);
    }
    void code(Addr va, std::uint32_t bytes) override {
        const Arena::Off off;
        if (record != nullptr && mm != nullptr) record->footprint.code(mm->id(), va, bytes);
    }

  private:
    bool is_start(Scheduler& s, const Event& e) {
        if (std::holds_alternative<std::monostate>(section_.from)) return count_ready(s) >= 2;
        if (const auto* hit = std::get_if<std::uint64_t>(&section_.from))
            return e.step == Step::handler && ++seen_ == *hit;
        const auto& event = std::get<ScheduleEvent>(section_.from);
        const bool is = [&] {
            if (const auto* step = std::get_if<ScheduleEvent::Step>(&event.what))
                return step_info(e.step).name == step->name;
            if (const auto* call = std::get_if<ScheduleEvent::Syscall>(&event.what))
                return e.step == Step::syscall && e.text == call->name;
            return std::holds_alternative<ScheduleEvent::Exit>(event.what) && e.step == Step::exited;
        }();
        return is && ++seen_ == event.times;
    }

    /// Each address space that `space` stands for (0: all) in which `at` is mapped.
    template <class F> void each_mapping(std::uint32_t space, Addr at, F f) {
        for (const auto& [pid, process] : kernel->processes()) {
            Mm* of = process->mm.get();
            if (of == nullptr || (space != 0 && of->id() != space)) continue;
            if (const Vma* v = of->find(at); v != nullptr) f(*of, *v);
        }
    }

    /// Text was written there, in a page that shows another frame now: what executes it conflicts, and what reads the
    /// page as data.
    void text(std::uint32_t space, Addr from, std::uint64_t bytes) {
        record->footprint.text(space, from, bytes);
        each_mapping(space, from, [&](const Mm& of, const Vma& v) {
            const FrameNo file = v.inode ? v.inode->cached(v.file_offset(from) / kPageSize) : 0;
            record->footprint.mapping(of.id(), page_floor(from), std::array{of.frame_at(from), file});
        });
    }

    /// A copy was written into a page that stays where it is.
    void slot(std::uint32_t space, Addr from, std::uint64_t bytes) {
        record->footprint.text(space, from, bytes, true);
        each_mapping(space, from, [&](const Mm& of, const Vma&) {
            if (const FrameNo f = of.frame_at(from); f != 0)
                record->footprint.poke(frame_base(f) + (from & kPageMask), bytes);
        });
    }

    /// The lowest free slot is taken: it depends on those below it, and not on what becomes of those above.
    void slot_bits(std::uint32_t space, const Event& e) {
        constexpr PhysAddr kNowhere = 1ull << 56; // no memory of the machine
        const auto bit = [&](std::uint64_t slot) {
            return kNowhere + frame_base(space) + slot * sizeof(std::uint64_t);
        };
        const bool taken = e.step == Step::slot_taken;
        const std::uint64_t slot = taken ? e.object : (e.object & kPageMask) / XolArea::kSlotBytes;
        Footprint& f = record->footprint;
        f.kinds(footprint::slots, 0); // who finds none free writes
        for (std::uint64_t below = 1; taken && below < slot; ++below) f.memory(bit(below), 1, false);
        f.memory(bit(slot), 1, true);
        freed = freed || !taken;
    }

    /// Steps in whose stretches a hit takes a debug register or leaves it.
    static bool takes_register(Step s) {
        constexpr std::array kSteps = {Step::hwbp_set, Step::hwbp_cleared, Step::text_restored, Step::text_armed,
                                       Step::stepped,  Step::resumed,      Step::aborted};
        return std::find(kSteps.begin(), kSteps.end(), s) != kSteps.end();
    }

    void note(const Event& e) {
        Footprint& f = record->footprint;
        const std::uint32_t space = e.space != 0 ? e.space : mm != nullptr ? mm->id() : 0;
        if (debug_registers && takes_register(e.step)) f.kinds(footprint::slots, footprint::slots);
        switch (e.step) {
        case Step::syscall: // says that a call begins; what it does comes in the stretches that follow
        case Step::tracer:  // the same
        case Step::fault:   // user memory is reported by itself
        case Step::resumed:
        case Step::restarted:
        case Step::stepped:
        case Step::aborted:
        case Step::woken:
            return;
        case Step::trap:
        case Step::lookup:
            f.code(space, e.object, 1);
            return f.kinds(e.step == Step::lookup ? footprint::uprobes : 0u, 0);
        case Step::page_copied:
        case Step::text_armed:
        case Step::text_restored:
            return text(space, e.object, 1);
        case Step::slot_taken:
        case Step::slot_freed:
            if (xol_slots) return slot_bits(space, e);
            break;
        case Step::slot_written:
            if (!own_slots) f.kinds(footprint::slots, footprint::slots);
            return slot(space, e.object, kSlotBytes);
        case Step::threads_checked: // where they are is what every one of their stretches changes
        case Step::grace_period:
            return f.everything();
        case Step::handler: // consumers are counters, whose order is nobody's business; but the last handler to end may
                            // be what an unregistration waits for
            return f.kinds(footprint::uprobes, tracers ? footprint::uprobes : 0u);
        case Step::return_hijacked:
        case Step::returned: // whose return it is may be another thread's to know, and whether anybody wants it too
            return f.kinds(footprint::uprobes | kind::returns, kind::returns);
        case Step::exited: // one thread, by itself; anything else takes others with it
            if (e.task >= calls.size() || calls[e.task] != "exit") return f.everything();
            if (next == nullptr || next->serial != e.task) return f.everything();
            if (next->process != nullptr && next->process->tasks.size() <= 1) return f.everything();
            return;
        default:
            break;
        }
        // Steps that are not told apart here: by their footprint, wide.
        const StepInfo& info = step_info(e.step);
        if (info.reads == footprint::everything || info.writes == footprint::everything) return f.everything();
        constexpr std::uint32_t kByPlace = footprint::text | footprint::slot_text | footprint::memory |
                                           footprint::registers | footprint::frames | footprint::consumers;
        f.kinds(info.reads & ~kByPlace, info.writes & ~kByPlace);
        const bool place = e.object >= kPageSize && e.object < kTaskSize;
        const Addr from = place ? e.object : 0;
        const std::uint64_t bytes = place ? kUnknownBytes : kTaskSize;
        if ((info.writes & (footprint::text | footprint::slot_text)) != 0) text(space, from, bytes);
        if ((info.reads & footprint::text) != 0) f.code(space, from, bytes);
    }

    const ExploreSection& section_;
    std::array<std::uint64_t, kPoints>& points_;
    RoundRobin base_;
    std::uint64_t seen_ = 0;
};

MachineSpace::MachineSpace(const RunRequest& request, const ExploreSection& section)
    : request_(request), section_(section), director_(std::make_unique<Director>(section, points_)) {}

MachineSpace::~MachineSpace() {
    snapshot_.reset();
    if (rig_ != nullptr) rig_->kernel().cpu().set_access_sink(nullptr);
    delete watched_;
}

Result<std::unique_ptr<MachineSpace>> MachineSpace::build(const RunRequest& request, const ExploreSection& section) {
    (void)syscall_info(0); // tables that are made on first use belong to no machine
    std::unique_ptr<MachineSpace> space(new MachineSpace(request, section));
    if (Result<void> r = space->start(); !r) return tl::make_unexpected(r.error());
    return space;
}

Result<void> MachineSpace::start() {
    {
        const Arena::Use use;
        rig_ = std::make_unique<Rig>(request_);
        watched_ = new Watched;
        if (Result<void> r = rig_->set_up(director_.get()); !r) {
            const Arena::Off off;
            return tl::make_unexpected(Error(r.error()));
        }
    }
    const bool anywhere = std::holds_alternative<std::monostate>(section_.from);
    Scheduler& scheduler = rig_->kernel().scheduler();
    director_->reached = anywhere && count_ready(scheduler) >= 2; // a tracer is there before the program begins
    while (!director_->reached) {
        if (!(outcome_ = turn())) continue;
        if (anywhere) return {}; // there never were two threads that could run: the one order there is has been run
        return fail("the program ended before the search could start",
                    "[explore] from must name something that happens");
    }
    for (const VirtualCpu& c : scheduler.cpus())
        if (c.current != nullptr && c.current->serial < 64 && holder_ == 64) holder_ = c.current->serial;
    director_->searching = true;
    director_->kernel = &rig_->kernel();
    director_->tracers = !request_.tracers.empty();
    director_->own_slots = has_own_slots(request_);
    director_->xol_slots = director_->own_slots && request_.strategy != "stack" && request_.strategy != "fasttrap";
    director_->debug_registers = request_.strategy.starts_with("inline-hwbp");
    director_->first_calls = director_->calls;
    rig_->kernel().cpu().set_access_sink(director_.get());
    watch_sites();
    points_ = {};
    snapshot_ = std::make_unique<Snapshot>(rig_->kernel());
    return {};
}

std::optional<Outcome> MachineSpace::turn() {
    const Arena::Use use;
    return rig_->kernel().turn();
}

/// A probed instruction is a scheduling point, also where int3 stands and nothing else would be seen before the trap.
void MachineSpace::watch_sites() {
    rig_->uprobes().each_site([&](Mm& mm, const Site& s) {
        const std::pair key{mm.id(), s.address};
        if (std::find(watched_->sites.begin(), watched_->sites.end(), key) != watched_->sites.end()) return;
        const Arena::Use use;
        watched_->sites.push_back(key);
        mm.fetch().watch(s.address);
    });
}

void MachineSpace::restart() {
    if (snapshot_ == nullptr) return;
    snapshot_->restore();
    director_->calls = director_->first_calls;
    outcome_.reset();
    owed_ = {};
    switches_.clear();
    last_ = 64;
    idle_turns_ = 0;
}

TaskSet MachineSpace::ready_now() const {
    TaskSet tasks = 0;
    Scheduler& s = rig_->kernel().scheduler();
    const auto add = [&](const Task* t) {
        TL_CHECK(t->serial < 64, "a search of a program with more than 63 threads");
        tasks |= only(t->serial);
    };
    for (const VirtualCpu& c : s.cpus())
        if (c.current != nullptr) add(c.current);
    for (const Task* t : s.queue()) add(t);
    return tasks;
}

TaskSet MachineSpace::ready() {
    while (!outcome_) {
        const TaskSet now = ready_now();
        if (now == 0) {
            const bool sleeps = !rig_->kernel().timers().empty();
            director_->next = nullptr;
            director_->record = nullptr;
            const std::optional<Outcome> end = turn();
            if (end && !(sleeps && end->kind == Outcome::Kind::deadlock)) outcome_ = end;
            continue;
        }
        TaskSet fair = now;
        for (unsigned t = 0; t < 64; ++t)
            if ((now & only(t)) != 0 && (owed_[t] & now) != 0) fair &= ~only(t);
        return fair != 0 ? fair : now;
    }
    return 0;
}

void MachineSpace::note_switch(const Task& t) {
    if (t.serial == last_) return;
    last_ = t.serial;
    if (names_.size() <= last_) names_.resize(last_ + 1);
    auto& [name, ref] = names_[last_];
    if (name != t.name) {
        name = t.name;
        if (t.is_tracer)
            ref = {TaskRef::Kind::tracer, 1, static_cast<std::uint32_t>(std::stoul(name.substr(1)))};
        else
            ref = parse_task(name).value();
    }
    const auto [steps, instructions] = rig_->kernel().position();
    const TokenSwitch s{steps, instructions, idle_turns_, ref};
    if (!switches_.empty() && switches_.back().steps == steps && switches_.back().instructions == instructions &&
        switches_.back().idle_turns == idle_turns_)
        switches_.back() = s; // the one before did nothing that is seen
    else
        switches_.push_back(s);
}

bool MachineSpace::is_due(const TokenSwitch& s) const {
    const auto [steps, instructions] = rig_->kernel().position();
    return std::tuple{s.steps, s.instructions, s.idle_turns} <= std::tuple{steps, instructions, idle_turns_};
}

void MachineSpace::advance(unsigned task, Stretch* record) {
    Kernel& k = rig_->kernel();
    const auto find = [&]() -> Task* {
        for (const auto& t : k.tasks())
            if (t->serial == task) return t.get();
        return nullptr;
    };
    Task* t = find();
    if (t == nullptr || t->state != Task::State::ready) { // time has to pass before, as it did when this was asked
        (void)ready();
        t = find();
    }
    TL_CHECK(t != nullptr && t->state == Task::State::ready, "a search advances a task that cannot go on");
    note_switch(*t);

    Director& d = *director_;
    d.next = t;
    d.record = record;
    d.spins = d.freed = false;
    d.mm = t->process != nullptr ? t->process->mm.get() : nullptr;
    if (record != nullptr) {
        if (!k.timers().empty()) record->footprint.everything();
        const std::uint32_t tracers = footprint::uprobes | (d.debug_registers ? footprint::slots : 0u);
        if (t->is_tracer) record->footprint.kinds(tracers, tracers);
        if (t->path.valid() && !d.calls[task].empty()) {
            if (const std::optional<std::uint32_t> kinds = kinds_of_call(d.calls[task]))
                record->footprint.kinds(*kinds, *kinds);
            else
                record->footprint.everything();
        }
    }
    const auto position = k.position();
    const bool in_kernel = t->path.valid();
    const TaskSet could = record != nullptr ? ready_now() & ~only(task) : 0;
    if (const std::optional<Outcome> end = turn()) outcome_ = end;
    d.next = nullptr;
    d.record = nullptr;
    t = find(); // it may be gone
    if (position != k.position()) {
        idle_turns_ = 0;
    } else {
        // It sleeps, or has left the kernel for a place where others are asked first. Either may matter: a thread that
        // only begins to step says so to its strategy, and to nobody else.
        ++idle_turns_;
        const bool sleeps = t == nullptr || t->state != Task::State::ready;
        // What it looked at in the kernel before it went to sleep, or before its next operation, no step says.
        if (record != nullptr && in_kernel && d.calls[task].empty() && (sleeps || t->is_tracer))
            record->footprint.everything();
    }
    if (record != nullptr) {
        const TaskSet now = ready_now() & ~only(task);
        record->made_ready = now & ~could;
        if (d.freed && record->made_ready != 0) record->footprint.kinds(footprint::slots, footprint::slots);
        if ((could & ~now) != 0) record->footprint.everything(); // it has stopped somebody
        record->footprint.seal();
    }

    if (t == nullptr || !t->path.valid()) d.calls[task] = {};
    for (TaskSet& others : owed_) others &= ~only(task);
    owed_[task] = d.spins ? ready_now() & ~only(task) : 0;
    watch_sites();
}

RunReport MachineSpace::report() {
    RunReport r = rig_->report(*outcome_);
    if (snapshot_ == nullptr || outcome_->kind != Outcome::Kind::exited) return r;
    const Arena::Use use;
    r.leaked_frames = rig_->take_down();
    return r;
}

Token MachineSpace::token() const { return rig_->token(switches_); }

} // namespace trapline
