// The handlers of a probe point's consumers: who is called, and when a consumer may leave.
//
// Handlers run newest registration first, as Linux's list has them. While a thread is in a probe point's handlers,
// which may sleep, no consumer is taken out of the list: it is marked, called no more, and goes when the last thread is
// out.
#include "probes/uprobes.hpp"

#include <algorithm>
#include <utility>

namespace trapline {

/// While it lives, a thread is in the handlers of a probe point. It also dies with the thread.
class Uprobes::Inside {
  public:
    Inside(Uprobes& layer, Uprobe& u) : layer_(layer), uprobe_(u) { ++uprobe_.running; }
    ~Inside() {
        if (layer_.closing_) return;
        called(nullptr);
        layer_.leave_handlers(uprobe_);
    }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;
    /// It is in this consumer's, or in none.
    void called(Consumer* c) {
        if (c != nullptr) ++c->running;
        if (Consumer* before = std::exchange(consumer_, c); before != nullptr) --before->running;
    }

  private:
    Uprobes& layer_;
    Uprobe& uprobe_;
    Consumer* consumer_ = nullptr;
};

bool Uprobe::wants(const Mm& m, const Process* p) const {
    if (!inode && mm != m.id()) return false;
    return std::any_of(consumers.begin(), consumers.end(), [&](const Consumer* c) {
        return c != nullptr && !c->leaving && (c->wants_all() || (p != nullptr && c->wants(*p)));
    });
}

/// The thread's next execution of the instruction is preceded by a handler run.
void Uprobes::owe(Task& t, Uprobe& u) {
    Utask& ut = utask(t);
    if (ut.owed != &u) settle_owed(ut);
    ut.owed = &u;
    ++ut.owed_runs;
    ++u.truth.hits;
}

Path<bool> Uprobes::run_handlers(Task& t, Uprobe& u, Addr va) {
    if (!u.plain) return run_handlers_at_length(t, u, va);
    bool any = false;
    {
        HitContext context(kernel_, t, va);
        Inside inside(*this, u);
        for (std::size_t i = u.consumers.size(); i-- > 0;) {
            Consumer* c = u.consumers[i];
            if (c == nullptr || c->leaving || (c->pid != 0 && c->pid != t.process->pid)) continue;
            any = true;
            ++c->hits;
            if (c->handler) c->handler(context);
        }
        if (!context.text.empty()) utask(t).text = std::move(context.text);
    }
    if (any) {
        owe(t, u);
        return {};
    }
    return run_handlers_at_length(t, u, va); // nobody is interested in this process: it gets its byte back
}

Path<bool> Uprobes::run_handlers_at_length(Task& t, Uprobe& u, Addr va) {
    bool any = false, returns = false;
    std::vector<std::uint64_t> ignoring;
    {
        Inside inside(*this, u);
        for (std::size_t i = u.consumers.size(); i-- > 0;) {
            Consumer* c = u.consumers[i];
            if (c == nullptr || c->leaving || !c->wants(*t.process)) continue;
            any = true;
            HitContext context(kernel_, t, va);
            if (c->on_entry) {
                ++c->hits;
                inside.called(c);
                if (c->handler) c->handler(context);
                if (c->sleeping_handler) co_await c->sleeping_handler(context);
                inside.called(nullptr);
                utask(t).text += context.text;
            }
            if (!c->on_return) continue;
            if (context.ignores_return)
                ignoring.push_back(c->number);
            else
                returns = true;
        }
    }
    if (any) owe(t, u);
    if (returns) {
        const Addr place = kernel_.get(t, Reg::rsp);
        const bool done = returns_.hijack(t, u, va, std::move(ignoring));
        co_await kernel_.step(t, done ? Step::return_hijacked : Step::return_omitted, place, u.number);
    }
    // Linux: every consumer has said that it does not want this process, which may be a forked child.
    Mm& mm = *t.process->mm;
    if (!dialect_.per_process && !u.locked && !u.consumers.empty() && !u.wants(mm, owner(mm))) co_await disarm(mm, va);
    co_return true;
}

Path<bool> Uprobes::run_return_handlers(Task& t, const PendingReturn& r) {
    Uprobe& u = *r.uprobe;
    bool any = false;
    Inside inside(*this, u);
    for (std::size_t i = u.consumers.size(); i-- > 0;) {
        Consumer* c = u.consumers[i];
        if (c == nullptr || c->leaving || !c->on_return || !c->wants(*t.process)) continue;
        if (c->number > r.newest && !dialect_.late_consumers) continue;
        if (std::find(r.ignoring.begin(), r.ignoring.end(), c->number) != r.ignoring.end()) continue;
        any = true;
        ++c->returns;
        HitContext context(kernel_, t, r.function, true);
        inside.called(c);
        if (c->handler) c->handler(context);
        if (c->sleeping_handler) co_await c->sleeping_handler(context);
        inside.called(nullptr);
        utask(t).text += context.text;
    }
    co_return any;
}

void Uprobes::leave_handlers(Uprobe& u) {
    if (--u.running == 0) std::erase(u.consumers, nullptr);
    if (!u.idle.empty()) kernel_.wake(u.idle);
    if (!leaving_.empty()) sweep();
}

/// Consumers that were unregistered while handlers ran, or while somebody else was registering, go now.
void Uprobes::sweep() {
    for (std::size_t i = 0; i < leaving_.size();) {
        Consumer* c = leaving_[i];
        if (c->uprobe != nullptr && (c->uprobe->running > 0 || c->uprobe->locked)) {
            ++i;
            continue;
        }
        leaving_.erase(leaving_.begin() + static_cast<std::ptrdiff_t>(i));
        kernel_.run_atomically(remove(*c));
    }
}

/// What the list of consumers comes to.
void Uprobes::refresh(Uprobe& u) {
    u.plain = true;
    u.returns = false;
    u.in_interrupt = false;
    for (const Consumer* c : u.consumers) {
        u.in_interrupt = u.in_interrupt || (c != nullptr && c->in_interrupt);
        if (c == nullptr || c->leaving) continue;
        u.plain = u.plain && c->on_entry && !c->on_return && !c->sleeping_handler && !c->filter;
        u.returns = u.returns || c->on_return;
    }
}

void Uprobes::detach(Consumer& c) {
    if (c.running > 0 && broken_.empty()) broken_ = "a consumer is gone, and a thread is in its handler";
    Uprobe& u = *std::exchange(c.uprobe, nullptr);
    c.leaving = false;
    std::replace(u.consumers.begin(), u.consumers.end(), &c, static_cast<Consumer*>(nullptr));
    if (u.running == 0) std::erase(u.consumers, nullptr);
    refresh(u);
}

} // namespace trapline
