#include "loader/files/eventfd.hpp"

#include <array>
#include <cstring>
#include <poll.h>

namespace trapline {

long EventFd::read(Io& io, IoBuffer& to, std::uint64_t&) {
    if (to.left() < sizeof count_) return -EINVAL;
    if (count_ == 0) return -EAGAIN;
    const std::uint64_t value = semaphore_ ? 1 : count_;
    std::array<std::uint8_t, sizeof value> bytes;
    std::memcpy(bytes.data(), &value, sizeof value);
    count_ -= value;
    readiness_.changed(io.kernel);
    return to.put(bytes.data(), bytes.size()) == bytes.size() ? static_cast<long>(sizeof value) : -EFAULT;
}

long EventFd::write(Io& io, IoBuffer& from, std::uint64_t&) {
    std::uint64_t value = 0;
    if (from.left() != sizeof value) return -EINVAL; // exactly eight bytes, as Linux 6.18 has it
    std::array<std::uint8_t, sizeof value> bytes;
    if (from.take(bytes.data(), bytes.size()) < bytes.size()) return -EFAULT;
    std::memcpy(&value, bytes.data(), sizeof value);
    if (value == ~0ull) return -EINVAL;
    if (value > kMost - count_) return -EAGAIN;
    count_ += value;
    readiness_.changed(io.kernel);
    return sizeof value;
}

short EventFd::poll(Io&) {
    short now = 0;
    if (count_ > 0) now |= POLLIN | POLLRDNORM;
    if (count_ < kMost) now |= POLLOUT | POLLWRNORM;
    return now;
}

} // namespace trapline
