// Tasks and processes: how they come and how they go.
#include "emu/check.hpp"
#include "emu/kernel/kernel.hpp"

#include <algorithm>

namespace trapline {

void Kernel::attach(KernelObserver* observer) {
    observer_ = observer;
    mm_observer_ = observer;
}

std::shared_ptr<Mm> Kernel::create_mm() {
    return std::make_shared<Mm>(*frames_, *cpu_, ++mms_, config_.layout, mm_observer_);
}

Process& Kernel::create_process(Process* parent) {
    auto p = std::make_unique<Process>();
    p->pid = fresh_pid();
    p->number = ++process_numbers_;
    p->parent = parent;
    p->group = parent != nullptr ? parent->group : p->pid;
    p->session = parent != nullptr ? parent->session : p->pid;
    if (parent != nullptr) parent->children.push_back(p.get());
    if (first_ == nullptr && !first_gone_) first_ = p.get();
    return *processes_.emplace(p->pid, std::move(p)).first->second;
}

Task& Kernel::create_task(Process& p) {
    auto t = std::make_unique<Task>();
    t->serial = ++serials_;
    ++user_tasks_;
    t->process = &p;
    t->tid = p.created_tasks == 0 ? p.pid : fresh_pid();
    ++p.created_tasks;
    t->name = p.number == 1 ? "t" + std::to_string(p.created_tasks)
                            : "p" + std::to_string(p.number) + ".t" + std::to_string(p.created_tasks);
    t->context = cpu_->new_context();
    t->state = Task::State::blocked;
    p.tasks.push_back(t.get());
    tasks_.push_back(std::move(t));
    return *tasks_.back();
}

Task& Kernel::create_tracer() {
    auto t = std::make_unique<Task>();
    t->serial = ++serials_;
    t->name = "k" + std::to_string(++tracers_);
    t->is_tracer = true;
    t->state = Task::State::blocked;
    tasks_.push_back(std::move(t));
    return *tasks_.back();
}

void Kernel::start(Task& t) {
    make_ready(t);
    note(t, Step::created, static_cast<std::uint64_t>(t.tid));
}

void Kernel::start_child(Task& parent, Task& child) {
    if (observer_ != nullptr) observer_->task_created(parent, child);
    start(child);
}

void Kernel::start(Task& tracer, Path<bool> path) {
    tracer.path = std::move(path);
    tracer.resume_point = tracer.path.handle();
    start(tracer);
}

void Kernel::copy_registers(Task& from, Task& to) {
    if (&from == loaded_) cpu_->save(*from.context);
    to.context->copy_from(*from.context);
}

Process* Kernel::process(int pid) const {
    auto it = processes_.find(pid);
    return it == processes_.end() ? nullptr : it->second.get();
}

Task* Kernel::task(int tid) const {
    for (const auto& t : tasks_)
        if (t->tid == tid && t->alive() && t->process != nullptr) return t.get();
    return nullptr;
}

Task* Kernel::task_named(std::string_view name) const {
    for (const auto& t : tasks_)
        if (t->alive() &&
            (t->name == name || (t->process != nullptr && t->process->number == 1 && "p1." + t->name == name)))
            return t.get();
    return nullptr;
}

void Kernel::exit(Task& t, int status, bool everybody) {
    t.exiting = true;
    t.exit_status = status;
    if (!everybody || t.process->group_exit) return;
    Process& p = *t.process;
    p.group_exit = true;
    p.exit_status = status;
    const std::vector<Task*> others = p.tasks;
    for (Task* o : others)
        if (o != &t) bury(*o);
}

/// Ends a task: everything it held goes back. Its record stays until the scheduler's loop has let go of it.
void Kernel::bury(Task& t) {
    if (!t.alive()) return;
    if (t.state == Task::State::ready || t.state == Task::State::stopped) scheduler_.leave(t);
    if (t.queue != nullptr) t.queue->remove(t);
    if (t.timer != 0) timers().cancel(t.timer);
    t.queue = nullptr;
    t.timer = 0;
    t.resume_point = nullptr;
    t.path = {}; // first: what it waits for must not wake it any more
    switch_wanted_ |= &t == current_;
    if (WaitQueue* others = std::exchange(t.held, nullptr)) wake(*others);
    if (!t.is_tracer) {
        if (syscalls_ != nullptr) syscalls_->task_exit(t);
        if (observer_ != nullptr) observer_->task_exit(t);
    }
    t.state = Task::State::dead;
    buried_ = true;
    if (loaded_ == &t) loaded_ = nullptr;
    note(t, Step::exited, static_cast<std::uint64_t>(t.tid), static_cast<std::uint64_t>(t.exit_status));
    if (t.is_tracer) return;
    Process& p = *t.process;
    std::erase(p.tasks, &t);
    if (p.tasks.empty()) {
        if (!p.group_exit) p.exit_status = t.exit_status;
        bury_process(p);
    }
}

void Kernel::bury_process(Process& p) {
    if (syscalls_ != nullptr) syscalls_->process_exit(p);
    p.mm.reset();
    p.files.reset();
    leave_groups(p);
    if (p.vfork_waiter != nullptr) wake(*std::exchange(p.vfork_waiter, nullptr));
    // Orphans go to nobody: the guest has no init, so they are waited for at once when they end.
    for (Process* c : std::vector<Process*>(p.children)) {
        c->parent = nullptr;
        if (c->zombie) reap(*c);
    }
    p.children.clear();
    if (&p == first_) {
        first_status_ = p.exit_status;
        first_gone_ = true;
        first_ = nullptr;
    }
    if (p.parent == nullptr) return reap(p);
    const SigAction& a = p.parent->actions[sig::chld];
    const bool nobody_waits = a.handler == sig::handler_ignore || (a.flags & sig::sa_nocldwait) != 0;
    if (p.exit_signal != 0) {
        SigInfo info;
        info.signo = p.exit_signal;
        info.code = (p.exit_status & 0x7f) == 0 ? sig::cld_exited : sig::cld_killed;
        info.pid = p.pid;
        info.status = (p.exit_status & 0x7f) == 0 ? p.exit_status >> 8 : p.exit_status & 0x7f;
        send(*p.parent, info);
    }
    if (nobody_waits) reap(p);
    wake(child_queue_);
}

void Kernel::reap(Process& p) {
    if (p.parent != nullptr) std::erase(p.parent->children, &p);
    processes_.erase(p.pid);
}

void Kernel::executed(Task& t, std::shared_ptr<Mm> mm) {
    Process& p = *t.process;
    for (Task* o : std::vector<Task*>(p.tasks))
        if (o != &t) {
            o->exiting = true;
            bury(*o);
        }
    t.tid = p.pid; // a thread that execs becomes the process
    if (observer_ != nullptr) observer_->task_exit(t);
    p.mm = std::move(mm);
    p.mm->activate();
    t.context = cpu_->new_context();
    if (loaded_ == &t) cpu_->load(*t.context);
    for (SigAction& a : p.actions)
        if (a.handler != sig::handler_ignore) a = SigAction{};
    t.owes_step = false;
    t.alt_stack = {};
    t.clear_child_tid = 0;
    t.robust_list = 0;
    if (p.vfork_waiter != nullptr) wake(*std::exchange(p.vfork_waiter, nullptr));
    if (observer_ != nullptr) observer_->executed(t);
}

} // namespace trapline
