// futex(2) and robust lists.
#include "loader/syscalls/futex.hpp"

#include "loader/syscalls/clock.hpp"
#include "loader/syscalls/families.hpp"

#include <algorithm>
#include <cerrno>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>

namespace trapline {

Futexes::Waiter::Waiter(Futexes& futexes, Task& task, const FutexKey& key, std::uint32_t bits)
    : futexes_(futexes), task_(task), key_(key), bits_(bits) {
    std::list<Waiter*>& queue = futexes_.queues_[key_];
    place_ = queue.insert(queue.end(), this);
}

void Futexes::Waiter::leave() {
    if (!waiting_) return;
    waiting_ = false;
    auto it = futexes_.queues_.find(key_);
    it->second.erase(place_);
    if (it->second.empty()) futexes_.queues_.erase(it);
}

FutexKey Futexes::key(Mm& mm, Addr a) {
    const Vma* v = mm.find(a);
    if (v != nullptr && v->shared && v->inode) return {true, v->inode->number, v->file_offset(a)};
    return {false, mm.id(), a};
}

unsigned Futexes::wake(const FutexKey& key, unsigned n, std::uint32_t bits) {
    auto it = queues_.find(key);
    if (it == queues_.end()) return 0;
    std::vector<Waiter*> chosen;
    for (Waiter* w : it->second) {
        if (chosen.size() == n) break;
        if ((w->bits_ & bits) != 0) chosen.push_back(w);
    }
    for (Waiter* w : chosen) {
        w->leave();
        kernel_.wake(w->task_);
    }
    return static_cast<unsigned>(chosen.size());
}

unsigned Futexes::requeue(const FutexKey& from, const FutexKey& to, unsigned n) {
    auto it = queues_.find(from);
    if (it == queues_.end() || from == to) return 0;
    std::list<Waiter*>& target = queues_[to];
    unsigned moved = 0;
    for (; moved < n && !it->second.empty(); ++moved) {
        it->second.front()->key_ = to;
        target.splice(target.end(), it->second, it->second.begin());
    }
    if (target.empty()) queues_.erase(to);
    if (it->second.empty()) queues_.erase(it);
    return moved;
}

namespace {

constexpr std::uint32_t kTidMask = FUTEX_TID_MASK;

/// The word at a futex's address: 0, -EINVAL or -EFAULT.
long read_word(Mm& mm, Addr a, std::uint32_t& value) {
    if ((a & 3) != 0) return -EINVAL;
    return mm.get(a, value) ? 0 : -EFAULT;
}

/// When a waiting call gives up: args[3] is a timespec, relative for FUTEX_WAIT only.
long read_deadline(const Call& c, int command, Cycles& out) {
    out = kNever;
    if (c.args[3] == 0) return 0;
    GuestTime time;
    if (!c.mm().get(c.args[3], time)) return -EFAULT;
    const auto ns = from_timespec(time);
    if (!ns) return -EINVAL;
    if (command == FUTEX_WAIT)
        out = deadline_in(c.kernel, c.task, *ns);
    else
        out = deadline_at(c.kernel,
                          (c.args[1] & FUTEX_CLOCK_REALTIME) != 0 || command == FUTEX_LOCK_PI ? CLOCK_REALTIME
                                                                                              : CLOCK_MONOTONIC,
                          *ns);
    return 0;
}

Path<long> wait(Call& c, int command, std::uint32_t bits) {
    const Addr at = c.args[0];
    if (bits == 0) co_return -EINVAL;
    Cycles deadline = kNever;
    if (c.task.restart_deadline != 0)
        deadline = std::exchange(c.task.restart_deadline, 0);
    else if (const long r = read_deadline(c, command, deadline); r != 0)
        co_return r;
    std::uint32_t value = 0;
    if (const long r = read_word(c.mm(), at, value); r != 0) co_return r;
    if (value != static_cast<std::uint32_t>(c.args[2])) co_return -EAGAIN;
    Futexes::Waiter waiter(c.system.futexes(), c.task, Futexes::key(c.mm(), at), bits);
    const Wake why = co_await c.kernel.sleep(c.task, nullptr, deadline);
    if (!waiter.waiting()) co_return 0;
    if (why == Wake::timeout) co_return -ETIMEDOUT;
    // Without a timeout the call starts again after a handler; with one, only if none runs.
    co_return deadline == kNever ? c.interrupted() : c.interrupted_for_good(deadline);
}

long wake_op(Call& c, unsigned first, unsigned second) {
    const Addr at = c.args[4];
    const auto code = static_cast<std::uint32_t>(c.args[5]);
    auto signed12 = [](std::uint32_t v) { return static_cast<std::int32_t>(v << 20) >> 20; };
    std::uint32_t operation = code >> 28 & 7, comparison = code >> 24 & 15;
    std::int32_t argument = signed12(code >> 12), compared = signed12(code);
    if ((code >> 28 & FUTEX_OP_OPARG_SHIFT) != 0) argument = static_cast<std::int32_t>(1u << (argument & 31));
    std::uint32_t old = 0;
    if (const long r = read_word(c.mm(), at, old); r != 0) return r;
    const auto operand = static_cast<std::uint32_t>(argument);
    std::uint32_t fresh = 0;
    switch (operation) {
    case FUTEX_OP_SET:
        fresh = operand;
        break;
    case FUTEX_OP_ADD:
        fresh = old + operand;
        break;
    case FUTEX_OP_OR:
        fresh = old | operand;
        break;
    case FUTEX_OP_ANDN:
        fresh = old & ~operand;
        break;
    case FUTEX_OP_XOR:
        fresh = old ^ operand;
        break;
    default:
        return -ENOSYS;
    }
    const auto before = static_cast<std::int32_t>(old);
    bool also = false;
    switch (comparison) {
    case FUTEX_OP_CMP_EQ:
        also = before == compared;
        break;
    case FUTEX_OP_CMP_NE:
        also = before != compared;
        break;
    case FUTEX_OP_CMP_LT:
        also = before < compared;
        break;
    case FUTEX_OP_CMP_LE:
        also = before <= compared;
        break;
    case FUTEX_OP_CMP_GT:
        also = before > compared;
        break;
    case FUTEX_OP_CMP_GE:
        also = before >= compared;
        break;
    default:
        return -ENOSYS;
    }
    if (!c.mm().put(at, fresh)) return -EFAULT;
    unsigned woken = c.system.futexes().wake(c.mm(), c.args[0], first);
    if (also) woken += c.system.futexes().wake(c.mm(), at, second);
    return woken;
}

long requeue(Call& c, bool compare) {
    const auto first = static_cast<std::int32_t>(c.args[2]), second = static_cast<std::int32_t>(c.args[3]);
    if (first < 0 || second < 0) return -EINVAL;
    std::uint32_t value = 0;
    if ((c.args[4] & 3) != 0) return -EINVAL;
    if (const long r = read_word(c.mm(), c.args[0], value); r != 0) return r;
    if (compare && value != static_cast<std::uint32_t>(c.args[5])) return -EAGAIN;
    Futexes& futexes = c.system.futexes();
    const FutexKey from = Futexes::key(c.mm(), c.args[0]), to = Futexes::key(c.mm(), c.args[4]);
    const unsigned woken = futexes.wake(from, static_cast<unsigned>(first));
    return static_cast<long>(woken) + futexes.requeue(from, to, static_cast<unsigned>(second));
}

/// Priority inheritance has no meaning where every task has the same priority: the lock protocol is all there is.
Path<long> lock_pi(Call& c, bool try_only) {
    const Addr at = c.args[0];
    const auto tid = static_cast<std::uint32_t>(c.task.tid);
    Cycles deadline = kNever;
    if (!try_only)
        if (const long r = read_deadline(c, FUTEX_LOCK_PI, deadline); r != 0) co_return r;
    for (;;) {
        std::uint32_t value = 0;
        if (const long r = read_word(c.mm(), at, value); r != 0) co_return r;
        if ((value & kTidMask) == tid) co_return -EDEADLK;
        if ((value & kTidMask) == 0) { // free, or its owner has died
            const std::uint32_t taken = tid | (value & (FUTEX_OWNER_DIED | FUTEX_WAITERS));
            co_return c.mm().put(at, taken) ? 0 : -EFAULT;
        }
        if (c.kernel.task(static_cast<int>(value & kTidMask)) == nullptr) co_return -ESRCH;
        if (try_only) co_return -EAGAIN;
        if (!c.mm().put(at, value | FUTEX_WAITERS)) co_return -EFAULT;
        Futexes::Waiter waiter(c.system.futexes(), c.task, Futexes::key(c.mm(), at), ~0u);
        const Wake why = co_await c.kernel.sleep(c.task, nullptr, deadline);
        if (!waiter.waiting()) continue;
        if (why == Wake::timeout) co_return -ETIMEDOUT;
        co_return c.interrupted();
    }
}

long unlock_pi(Call& c) {
    std::uint32_t value = 0;
    if (const long r = read_word(c.mm(), c.args[0], value); r != 0) return r;
    if ((value & kTidMask) != static_cast<std::uint32_t>(c.task.tid)) return -EPERM;
    if (!c.mm().put(c.args[0], std::uint32_t{0})) return -EFAULT;
    c.system.futexes().wake(c.mm(), c.args[0], ~0u); // whoever comes first takes it, the others mark it again
    return 0;
}

Path<long> futex(Call& c) {
    const int command = static_cast<int>(c.args[1]) & FUTEX_CMD_MASK;
    const auto count = static_cast<std::int32_t>(c.args[2]);
    const auto n = static_cast<unsigned>(std::max(count, 1)); // Linux wakes one for 0 and less
    const auto bits = static_cast<std::uint32_t>(c.args[5]);
    switch (command) {
    case FUTEX_WAIT:
        co_return co_await wait(c, command, FUTEX_BITSET_MATCH_ANY);
    case FUTEX_WAIT_BITSET:
        co_return co_await wait(c, command, bits);
    case FUTEX_WAKE:
    case FUTEX_WAKE_BITSET: {
        if ((c.args[0] & 3) != 0) co_return -EINVAL;
        const std::uint32_t mask = command == FUTEX_WAKE ? FUTEX_BITSET_MATCH_ANY : bits;
        if (mask == 0) co_return -EINVAL;
        co_return c.system.futexes().wake(Futexes::key(c.mm(), c.args[0]), n, mask);
    }
    case FUTEX_REQUEUE:
        co_return requeue(c, false);
    case FUTEX_CMP_REQUEUE:
        co_return requeue(c, true);
    case FUTEX_WAKE_OP:
        if ((c.args[0] & 3) != 0) co_return -EINVAL;
        co_return wake_op(c, n, static_cast<unsigned>(std::max(static_cast<std::int32_t>(c.args[3]), 1)));
    case FUTEX_LOCK_PI:
        co_return co_await lock_pi(c, false);
    case FUTEX_TRYLOCK_PI:
        co_return co_await lock_pi(c, true);
    case FUTEX_UNLOCK_PI:
        co_return unlock_pi(c);
    default:
        co_return -ENOSYS;
    }
}

constexpr std::uint64_t kHeadBytes = 24; // struct robust_list_head

long set_robust_list(Call& c) {
    if (c.args[1] != kHeadBytes) return -EINVAL;
    c.task.robust_list = c.args[0];
    return 0;
}

long get_robust_list(Call& c) {
    const Task* t = c.args[0] == 0 ? &c.task : c.kernel.task(static_cast<int>(c.args[0]));
    if (t == nullptr) return -ESRCH;
    if (!c.mm().put(c.args[1], t->robust_list) || !c.mm().put(c.args[2], kHeadBytes)) return -EFAULT;
    return 0;
}

void release_one(System& system, Task& t, Addr at) {
    Mm& mm = *t.process->mm;
    std::uint32_t value = 0;
    if (read_word(mm, at, value) != 0 || (value & kTidMask) != static_cast<std::uint32_t>(t.tid)) return;
    if (!mm.put(at, (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED)) return;
    if ((value & FUTEX_WAITERS) != 0) system.futexes().wake(mm, at, 1);
}

constexpr SyscallInfo kCalls[] = {
    {SYS_futex, "futex", "piixpx", "partial: priorities are not inherited; no FUTEX_FD, no requeueing to PI locks",
     nullptr, futex},
    {SYS_set_robust_list, "set_robust_list", "pu", "full", set_robust_list},
    {SYS_get_robust_list, "get_robust_list", "ipp", "full", get_robust_list},
};

} // namespace

void release_robust_futexes(System& system, Task& t) {
    if (t.robust_list == 0) return;
    struct Head {
        Addr next;
        std::int64_t offset;
        Addr pending;
    } head{};
    static_assert(sizeof(Head) == kHeadBytes);
    Mm& mm = *t.process->mm;
    const Addr start = std::exchange(t.robust_list, 0);
    if (!mm.get(start, head)) return;
    constexpr Addr kPi = 1; // the lowest bit of a pointer marks a PI lock
    auto word = [&](Addr entry) { return (entry & ~kPi) + static_cast<Addr>(head.offset); };
    constexpr int kMost = 2048; // ROBUST_LIST_LIMIT: the list is the guest's and may be a circle
    Addr entry = head.next;
    for (int i = 0; i < kMost && (entry & ~kPi) != start; ++i) {
        Addr next = 0;
        const bool more = mm.get(entry & ~kPi, next);
        if (entry != head.pending) release_one(system, t, word(entry));
        if (!more) break;
        entry = next;
    }
    if (head.pending != 0) release_one(system, t, word(head.pending));
}

std::span<const SyscallInfo> futex_calls() { return kCalls; }

} // namespace trapline
