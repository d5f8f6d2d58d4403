// Waiting for files: poll and select, with timeouts in virtual time.
#include "loader/syscalls/clock.hpp"
#include "loader/syscalls/file_support.hpp"

#include <algorithm>
#include <array>
#include <poll.h>

namespace trapline {
namespace {

/// How long a call may wait.
struct Patience {
    bool none = false; ///< a timeout of zero: look once
    Cycles deadline = kNever;
};

Patience wait_for(Call& c, std::uint64_t ns) { return {ns == 0, deadline_in(c.kernel, c.task, ns)}; }

/// The timeout at `address`; a null pointer means for ever. `micro`: struct timeval.
OrErrno<Patience> patience_at(Call& c, Addr address, bool micro) {
    // A call that a signal interrupted and that starts again waits for what was left.
    const Cycles left = std::exchange(c.task.restart_deadline, 0);
    if (address == 0) return Patience{};
    GuestTime time;
    if (!c.mm().get(address, time)) return refuse(EFAULT);
    if (micro && time.fraction >= 1'000'000) { // select accepts what is too large for the fraction and carries it over
        time.seconds += time.fraction / 1'000'000;
        time.fraction %= 1'000'000;
    }
    const auto ns = micro ? from_timeval(time) : from_timespec(time);
    if (!ns) return refuse(EINVAL);
    if (left != 0) return Patience{false, left};
    return wait_for(c, *ns);
}

/// Linux tells select, pselect6 and ppoll how much of the time was left.
void put_rest(Call& c, Addr address, bool micro, const Patience& p) {
    if (address == 0 || p.deadline == kNever) return;
    const Cycles now = c.kernel.now(c.task);
    const std::uint64_t ns = p.none || p.deadline <= now ? 0 : c.kernel.nanoseconds(p.deadline - now);
    (void)c.mm().put(address, micro ? to_timeval(ns) : to_timespec(ns)); // read-only memory is no error (fs/select.c)
}

/// Looks at all files; sets revents; returns how many are ready.
long look(Call& c, std::vector<pollfd>& fds, Poller* poller) {
    Io io = io_of(c);
    long ready = 0;
    for (pollfd& p : fds) {
        p.revents = 0;
        if (p.fd < 0) continue;
        const auto file = files_of(c).use(p.fd);
        if (file == nullptr) {
            p.revents = POLLNVAL;
        } else {
            if (poller != nullptr) poller->watch(file);
            p.revents = static_cast<short>(file->poll(io) & (p.events | POLLERR | POLLHUP));
        }
        ready += p.revents != 0 ? 1 : 0;
    }
    return ready;
}

Path<long> poll_files(Call& c, std::vector<pollfd>& fds, Patience patience) {
    for (;;) {
        Poller poller;
        const long ready = look(c, fds, patience.none ? nullptr : &poller);
        if (ready != 0 || patience.none) co_return ready;
        const Wake w = co_await c.kernel.sleep(c.task, &poller.queue, patience.deadline);
        if (w == Wake::timeout) patience.none = true;
        if (w == Wake::signal) co_return c.interrupted_for_good(patience.deadline == kNever ? 0 : patience.deadline);
    }
}

/// ppoll and pselect6 block other signals while they wait.
OrErrno<bool> use_mask(Call& c, Addr mask, std::uint64_t bytes) {
    if (mask == 0) return false;
    if (bytes != sizeof(std::uint64_t)) return refuse(EINVAL);
    std::uint64_t set = 0;
    if (!c.mm().get(mask, set)) return refuse(EFAULT);
    if (!c.task.restore_mask) c.task.saved_mask = c.task.blocked_signals;
    c.task.restore_mask = true;
    c.task.blocked_signals = set & ~sig::unblockable;
    return true;
}

/// If a signal ended the call, its delivery restores the mask.
void leave_mask(Call& c, bool masked, long result) {
    if (!masked || result == -EINTR) return;
    c.task.restore_mask = false;
    c.task.blocked_signals = c.task.saved_mask;
}

OrErrno<std::vector<pollfd>> read_pollfds(Call& c) {
    if (c.args[1] > descriptor_limit(c)) return refuse(EINVAL);
    std::vector<pollfd> fds(c.args[1]);
    if (!c.mm().read(c.args[0], fds.data(), fds.size() * sizeof(pollfd))) return refuse(EFAULT);
    return fds;
}

long write_revents(Call& c, const std::vector<pollfd>& fds, long result) {
    if (result < 0) return result;
    for (std::size_t i = 0; i < fds.size(); ++i)
        if (!c.mm().put(c.args[0] + i * sizeof(pollfd) + offsetof(pollfd, revents), fds[i].revents)) return -EFAULT;
    return result;
}

Path<long> sys_poll(Call& c) {
    auto fds = read_pollfds(c);
    if (!fds) co_return fds.error();
    const auto ms = static_cast<std::int32_t>(c.args[2]);
    Patience patience;
    const Cycles left = std::exchange(c.task.restart_deadline, 0);
    if (ms >= 0) patience = left != 0 ? Patience{false, left} : wait_for(c, static_cast<std::uint64_t>(ms) * 1'000'000);
    const long r = co_await poll_files(c, *fds, patience);
    co_return write_revents(c, *fds, r);
}

Path<long> sys_ppoll(Call& c) {
    auto fds = read_pollfds(c);
    if (!fds) co_return fds.error();
    auto patience = patience_at(c, c.args[2], false);
    if (!patience) co_return patience.error();
    auto masked = use_mask(c, c.args[3], c.args[4]);
    if (!masked) co_return masked.error();
    const long r = co_await poll_files(c, *fds, *patience);
    leave_mask(c, *masked, r);
    put_rest(c, c.args[2], false, *patience);
    co_return write_revents(c, *fds, r);
}

/// The three sets of select; one word holds 64 descriptors.
struct Sets {
    static constexpr std::array<short, 3> kAsked = {POLLIN | POLLRDNORM | POLLRDBAND, POLLOUT | POLLWRNORM | POLLWRBAND,
                                                    POLLPRI};
    // What makes select report a descriptor is wider: an end or an error lets a read or write return at once.
    static constexpr std::array<short, 3> kReported = {kAsked[0] | POLLHUP | POLLERR, kAsked[1] | POLLERR, kAsked[2]};
    std::size_t words = 0;
    std::array<std::vector<std::uint64_t>, 3> bits;
    std::vector<pollfd> fds;
};

/// Reads the sets at args[1..3]. -EBADF for a descriptor that is not open.
OrErrno<Sets> read_sets(Call& c) {
    const auto n = static_cast<std::int32_t>(c.args[0]);
    if (n < 0) return refuse(EINVAL);
    Sets s;
    const auto count = std::min(static_cast<std::size_t>(n), std::max<std::size_t>(files_of(c).all().size(), 64));
    s.words = (count + 63) / 64;
    for (std::size_t k = 0; k < 3; ++k) {
        s.bits[k].resize(s.words);
        if (c.args[1 + k] != 0 && !c.mm().read(c.args[1 + k], s.bits[k].data(), s.words * 8)) return refuse(EFAULT);
    }
    for (std::size_t fd = 0; fd < count; ++fd) {
        short events = 0;
        for (std::size_t k = 0; k < 3; ++k)
            if ((s.bits[k][fd / 64] >> (fd % 64) & 1) != 0) events |= Sets::kAsked[k];
        if (events == 0) continue;
        if (files_of(c).use(static_cast<int>(fd)) == nullptr) return refuse(EBADF);
        s.fds.push_back({static_cast<int>(fd), events, 0});
    }
    return s;
}

long write_sets(Call& c, Sets& s, long result) {
    if (result < 0) return result;
    long count = 0;
    for (std::size_t k = 0; k < 3; ++k) {
        std::vector<std::uint64_t> out(s.words);
        for (const pollfd& p : s.fds) {
            const auto fd = static_cast<std::size_t>(p.fd);
            const bool asked = (s.bits[k][fd / 64] >> (fd % 64) & 1) != 0;
            if (!asked || (p.revents & Sets::kReported[k]) == 0) continue;
            out[fd / 64] |= std::uint64_t{1} << (fd % 64);
            ++count;
        }
        if (c.args[1 + k] != 0 && !c.mm().write(c.args[1 + k], out.data(), s.words * 8)) return -EFAULT;
    }
    return count;
}

Path<long> select_files(Call& c, bool micro, Addr mask, std::uint64_t mask_bytes) {
    auto patience = patience_at(c, c.args[4], micro);
    if (!patience) co_return patience.error();
    auto sets = read_sets(c);
    if (!sets) co_return sets.error();
    auto masked = use_mask(c, mask, mask_bytes);
    if (!masked) co_return masked.error();
    const long r = co_await poll_files(c, sets->fds, *patience);
    leave_mask(c, *masked, r);
    put_rest(c, c.args[4], micro, *patience);
    co_return write_sets(c, *sets, r);
}

Path<long> sys_select(Call& c) { return select_files(c, true, 0, 0); }

Path<long> sys_pselect6(Call& c) {
    std::array<std::uint64_t, 2> mask{}; // address and size
    if (c.args[5] != 0 && !c.mm().get(c.args[5], mask)) co_return -EFAULT;
    co_return co_await select_files(c, false, mask[0], mask[1]);
}

} // namespace

std::span<const SyscallInfo> poll_calls() {
    static constexpr SyscallInfo kCalls[] = {
        {7, "poll", "pui", "full", nullptr, sys_poll},
        {23, "select", "ipppp", "full", nullptr, sys_select},
        {270, "pselect6", "ipppTp", "full", nullptr, sys_pselect6},
        {271, "ppoll", "puTpu", "full", nullptr, sys_ppoll},
    };
    return kCalls;
}

} // namespace trapline
