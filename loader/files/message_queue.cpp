#include "loader/files/message_queue.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>

namespace trapline {

void MessageQueue::put(Message message) {
    const auto at =
        std::find_if(messages.begin(), messages.end(), [&](const Message& m) { return m.priority < message.priority; });
    messages.insert(at, std::move(message));
}

long MessageQueueFile::read(Io&, IoBuffer& to, std::uint64_t& at) {
    std::size_t bytes = 0;
    for (const auto& m : queue_->messages) bytes += m.bytes.size();
    const std::string text = fmt::format("QSIZE:{:<10} NOTIFY:{:<5} SIGNO:{:<5} NOTIFY_PID:{:<6}\n", bytes, 0,
                                         queue_->signal.signo, queue_->listener_pid);
    if (at >= text.size()) return 0;
    const std::size_t n = std::min<std::uint64_t>(text.size() - at, to.left());
    const std::size_t copied = to.put(reinterpret_cast<const std::uint8_t*>(text.data()) + at, n);
    at += copied;
    return copied == 0 && n != 0 ? -EFAULT : static_cast<long>(copied);
}

void MessageQueueFile::flush(const FileTable& of) {
    if (queue_->listener != &of) return;
    queue_->listener = nullptr;
    queue_->listener_pid = 0;
    queue_->signal = {};
}

short MessageQueueFile::poll(Io&) {
    short now = 0;
    if (!queue_->messages.empty()) now |= POLLIN | POLLRDNORM;
    if (static_cast<std::int64_t>(queue_->messages.size()) < queue_->most) now |= POLLOUT | POLLWRNORM;
    return now;
}

OrErrno<FileStat> MessageQueueFile::stat(Io& io) {
    FileStat st = plain_stat(queue_->number, S_IFREG | queue_->mode, io.kernel);
    st.view.size = 80; // FILENT_SIZE
    return st;
}

} // namespace trapline
