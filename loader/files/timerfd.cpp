#include "loader/files/timerfd.hpp"

#include <cstring>
#include <poll.h>

namespace trapline {

TimerFd::~TimerFd() {
    if (id_ != 0) kernel_.timers().cancel(id_);
}

void TimerFd::set(Cycles when, Cycles interval) {
    if (id_ != 0) kernel_.timers().cancel(id_);
    id_ = 0;
    expirations_ = 0;
    next_ = when;
    interval_ = interval;
    if (when != ~0ull) start();
}

void TimerFd::start() {
    id_ = kernel_.timers().set(next_, [this] { expire(); });
}

void TimerFd::expire() {
    id_ = 0;
    ++expirations_;
    next_ = interval_ != 0 ? next_ + interval_ : ~0ull;
    readiness_.changed(kernel_);
}

/// What is due has happened when somebody looks: the machine's timers run between two turns of its CPUs only.
void TimerFd::look() {
    if (id_ == 0 || kernel_.time() < next_) return;
    kernel_.timers().cancel(id_);
    expire();
}

/// A timer that rests since it expired counts what has passed, and goes on.
void TimerFd::catch_up() {
    look();
    if (id_ != 0 || next_ == ~0ull) return;
    if (const Cycles now = kernel_.time(); now >= next_) {
        const std::uint64_t passed = (now - next_) / interval_ + 1;
        expirations_ += passed;
        next_ += passed * interval_;
    }
    start();
}

Cycles TimerFd::left() {
    catch_up();
    return id_ == 0 ? 0 : next_ - kernel_.time();
}

long TimerFd::read(Io&, IoBuffer& to, std::uint64_t&) {
    std::uint64_t value = 0;
    if (to.left() < sizeof value) return -EINVAL;
    look();
    if (expirations_ == 0) return -EAGAIN;
    catch_up();
    value = std::exchange(expirations_, 0);
    std::uint8_t bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    return to.put(bytes, sizeof bytes) == sizeof bytes ? static_cast<long>(sizeof value) : -EFAULT;
}

short TimerFd::poll(Io&) {
    look();
    return expirations_ != 0 ? POLLIN | POLLRDNORM : 0;
}

} // namespace trapline
