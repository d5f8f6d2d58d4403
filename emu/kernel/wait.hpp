// emu/kernel/wait.hpp: a queue of sleeping tasks, and timers in virtual time.
#pragma once

#include "emu/types.hpp"

#include <deque>
#include <functional>
#include <map>

namespace trapline {

struct Task;

/// Tasks that wait for the same thing, woken in the order in which they came.
class WaitQueue {
  public:
    WaitQueue() = default;
    WaitQueue(const WaitQueue&) = delete;
    WaitQueue& operator=(const WaitQueue&) = delete;

    void add(Task& t) { waiters_.push_back(&t); }
    void remove(Task& t) { std::erase(waiters_, &t); }
    [[nodiscard]] bool empty() const { return waiters_.empty(); }
    [[nodiscard]] const std::deque<Task*>& waiters() const { return waiters_; }

  private:
    std::deque<Task*> waiters_;
};

/// Things to happen at a virtual time. Two at the same time happen in the order in which they were set.
class Timers {
  public:
    using Id = std::uint64_t;
    Id set(Cycles when, std::function<void()> action) {
        const Id id = ++last_;
        timers_.emplace(std::pair{when, id}, std::move(action));
        when_.emplace(id, when);
        return id;
    }
    void cancel(Id id) {
        auto it = when_.find(id);
        if (it == when_.end()) return;
        timers_.erase({it->second, id});
        when_.erase(it);
    }
    [[nodiscard]] bool empty() const { return timers_.empty(); }
    [[nodiscard]] Cycles next() const { return timers_.empty() ? ~0ull : timers_.begin()->first.first; }
    /// Runs everything that is due at `now`.
    void run(Cycles now) {
        while (!timers_.empty() && timers_.begin()->first.first <= now) {
            std::function<void()> action = std::move(timers_.begin()->second);
            when_.erase(timers_.begin()->first.second);
            timers_.erase(timers_.begin());
            action();
        }
    }

  private:
    std::map<std::pair<Cycles, Id>, std::function<void()>> timers_;
    std::map<Id, Cycles> when_;
    Id last_ = 0;
};

} // namespace trapline
