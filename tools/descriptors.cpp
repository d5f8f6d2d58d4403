#include "tools/descriptors.hpp"

#include <array>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace trapline {
namespace {
std::array<int, 3> streams = {0, 1, 2};
}

void settle_descriptors() {
    for (int fd = 0; fd < 3; ++fd) {
        if (::fcntl(fd, F_GETFD) >= 0) continue;
        streams[static_cast<std::size_t>(fd)] = -1;
        // The lowest free number is this one: those below it are open by now.
        if (::open("/dev/null", O_RDWR) < 0) (void)::open("/", O_RDONLY | O_DIRECTORY);
    }
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &files);
    }
}

StandardFiles standard_files() { return {streams[0], streams[1], streams[2]}; }

} // namespace trapline
