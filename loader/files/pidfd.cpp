#include "loader/files/pidfd.hpp"

#include <poll.h>

namespace trapline {

short PidFd::poll(Io& io) {
    const Process* p = io.kernel.process(pid_);
    return p == nullptr || p->zombie ? POLLIN | POLLRDNORM : 0;
}

} // namespace trapline
