// loader/host_fd.hpp: a descriptor of the host that closes itself, and the way the sandbox says no.
//
// What the guest does wrong is no Error of ours: it gets an errno. So everything under loader/sandbox.hpp returns, as
// the kernel does, a value or a negative errno.
#pragma once

#include <cerrno>
#include <cstdint>
#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace trapline {

/// A value or a negative errno.
template <class T> using OrErrno = tl::expected<T, int>;

/// `return refuse(EROFS)`: takes the errno as <errno.h> has it, returns it negated.
inline tl::unexpected<int> refuse(int error) { return tl::make_unexpected(-error); }

/// Owns one descriptor of the host, or none.
class HostFd {
  public:
    HostFd() = default;
    explicit HostFd(int fd);
    HostFd(HostFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    HostFd& operator=(HostFd&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~HostFd();

    [[nodiscard]] int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }

  private:
    int fd_ = -1;
};

/// openat2 with O_CLOEXEC. `resolve` holds RESOLVE_* bits: they bound the lookup inside the kernel, where nothing can
/// change between the check and the use.
OrErrno<HostFd> open_below(int directory, const std::string& path, std::uint64_t flags, std::uint64_t mode,
                           std::uint64_t resolve);

} // namespace trapline
