#include "tools/guest_input.hpp"

#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace trapline {

Result<GuestInput> GuestInput::holding(std::string_view bytes) {
    GuestInput input(::memfd_create("stdin", MFD_CLOEXEC), 0, true);
    while (input.fd_ >= 0 && !bytes.empty()) {
        const ssize_t n = ::write(input.fd_, bytes.data(), bytes.size());
        if (n < 0) break;
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    if (input.fd_ < 0 || !bytes.empty())
        return fail(fmt::format("the guest's standard input cannot be made: {}", std::strerror(errno)));
    return input;
}

Result<GuestInput> GuestInput::of_command() {
    struct stat status {};
    if (::fstat(STDIN_FILENO, &status) != 0 || !S_ISREG(status.st_mode)) return holding({});
    return GuestInput(STDIN_FILENO, ::lseek(STDIN_FILENO, 0, SEEK_CUR), false);
}

GuestInput::GuestInput(GuestInput&& other) noexcept
    : fd_(other.fd_), start_(other.start_), owned_(std::exchange(other.owned_, false)) {}

GuestInput::~GuestInput() {
    if (owned_ && fd_ >= 0) ::close(fd_);
}

int GuestInput::rewound() const {
    ::lseek(fd_, start_, SEEK_SET);
    return fd_;
}

} // namespace trapline
