// POSIX message queues: mq_open and its family. Errors and their order are those of ipc/mqueue.c.
#include "loader/files/message_queue.hpp"

#include "loader/process_state.hpp"
#include "loader/syscalls/clock.hpp"
#include "loader/syscalls/file_support.hpp"

#include <algorithm>
#include <limits.h>
#include <signal.h>
#include <sys/resource.h>

namespace trapline {
namespace {

struct Attributes {
    std::int64_t flags = 0, most = 0, longest = 0, now = 0, reserved[4] = {};
};
static_assert(sizeof(Attributes) == 64);

/// struct sigevent.
struct Event {
    std::uint64_t value;
    std::int32_t signo, notify;
    std::int32_t pad[12];
};
static_assert(sizeof(Event) == 64);

using Queues = std::map<std::string, std::shared_ptr<MessageQueue>>;

/// A name without its slash, which the C library has taken off.
OrErrno<std::string> name_at(Call& c) {
    auto name = path_at(c, c.args[0]);
    if (!name) return name;
    if (name->empty()) return refuse(ENOENT);
    if (name->find('/') != name->npos) return refuse(EACCES);
    if (name->size() > NAME_MAX) return refuse(ENAMETOOLONG);
    return name;
}

/// RLIMIT_MSGQUEUE, which counts what all queues could hold.
bool too_much(Call& c, const MessageQueue& fresh) {
    constexpr std::uint64_t kPerMessage = 128; // struct msg_msg and a node of the tree
    const auto bytes = [](const MessageQueue& q) {
        return static_cast<std::uint64_t>(q.most) * (static_cast<std::uint64_t>(q.longest) + kPerMessage);
    };
    std::uint64_t all = bytes(fresh);
    for (const auto& [name, q] : files_of(c).shared->queues) all += bytes(*q);
    return all > state_of(c.process()).limits[RLIMIT_MSGQUEUE].soft;
}

OrErrno<std::shared_ptr<MessageQueue>> make_queue(Call& c) {
    constexpr std::int64_t kMost = 65536, kLongest = 16 << 20; // HARD_MSGMAX, HARD_MSGSIZEMAX
    auto queue = std::make_shared<MessageQueue>();
    if (c.args[3] != 0) {
        Attributes a;
        if (!c.mm().get(c.args[3], a)) return refuse(EFAULT);
        if (a.most <= 0 || a.longest <= 0 || a.most > kMost || a.longest > kLongest) return refuse(EINVAL);
        queue->most = a.most;
        queue->longest = a.longest;
    }
    if (too_much(c, *queue)) return refuse(EMFILE);
    queue->mode = static_cast<mode_t>(c.args[2]) & 0777 & ~files_of(c).umask;
    queue->number = ++files_of(c).shared->last_number;
    return queue;
}

long sys_mq_open(Call& c) {
    const int flags = c.fd(1);
    FileTable& files = files_of(c);
    Queues& all = files.shared->queues;
    auto name = name_at(c);
    if (!name) return name.error();
    if (const int fd = files.free_number(descriptor_limit(c)); fd < 0) return fd;
    auto at = all.find(*name);
    if (at != all.end() && (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) return -EEXIST;
    if (at == all.end() && (flags & O_CREAT) == 0) return -ENOENT;
    if ((flags & O_ACCMODE) == O_ACCMODE) return -EINVAL;
    if (at == all.end()) {
        auto queue = make_queue(c);
        if (!queue) return queue.error();
        at = all.emplace(std::move(*name), std::move(*queue)).first;
    }
    auto file = std::make_shared<MessageQueueFile>(at->second, flags & (O_ACCMODE | O_NONBLOCK));
    return files.add(std::move(file), true, descriptor_limit(c)); // always O_CLOEXEC
}

long sys_mq_unlink(Call& c) {
    auto name = name_at(c);
    if (!name) return name.error();
    return files_of(c).shared->queues.erase(*name) != 0 ? 0 : -ENOENT;
}

OrErrno<std::shared_ptr<MessageQueueFile>> queue_at(Call& c) {
    auto file = std::dynamic_pointer_cast<MessageQueueFile>(files_of(c).use(c.fd(0)));
    if (file == nullptr) return refuse(EBADF);
    return file;
}

/// The absolute time of CLOCK_REALTIME at `at`, null: never.
OrErrno<Cycles> deadline(Call& c, Addr at) {
    if (at == 0) return kNever;
    GuestTime time;
    if (!c.mm().get(at, time)) return refuse(EFAULT);
    const auto ns = from_timespec(time);
    if (!ns) return refuse(EINVAL);
    return deadline_at(c.kernel, CLOCK_REALTIME, *ns);
}

/// A message has come to the empty queue, and nobody was waiting for it.
void notify(Call& c, MessageQueue& q) {
    if (Process* p = c.kernel.process(q.listener_pid); p != nullptr && q.signal.signo != 0) {
        SigInfo info = q.signal;
        info.code = SI_MESGQ;
        info.pid = c.process().pid;
        c.kernel.send(*p, info);
    }
    q.listener = nullptr;
    q.listener_pid = 0;
    q.signal = {};
}

Path<long> sys_mq_timedsend(Call& c) {
    const auto priority = static_cast<std::uint32_t>(c.args[3]);
    if (priority >= 32768) co_return -EINVAL; // MQ_PRIO_MAX
    const auto until = deadline(c, c.args[4]);
    if (!until) co_return until.error();
    const auto file = queue_at(c);
    if (!file || !(*file)->writable()) co_return -EBADF;
    MessageQueue& q = (*file)->queue();
    if (c.args[2] > static_cast<std::uint64_t>(q.longest)) co_return -EMSGSIZE;
    MessageQueue::Message message{priority, std::vector<std::uint8_t>(c.args[2])};
    if (!c.mm().read(c.args[1], message.bytes.data(), message.bytes.size())) co_return -EFAULT;
    while (static_cast<std::int64_t>(q.messages.size()) >= q.most) {
        if (((*file)->flags & O_NONBLOCK) != 0) co_return -EAGAIN;
        const Wake w = co_await c.kernel.sleep(c.task, &q.readiness.queue, *until);
        if (w == Wake::timeout) co_return -ETIMEDOUT;
        if (w == Wake::signal) co_return c.interrupted();
    }
    const bool news = q.messages.empty() && q.readers == 0;
    q.put(std::move(message));
    if (news && q.listener != nullptr) notify(c, q);
    q.readiness.changed(c.kernel);
    co_return 0;
}

Path<long> sys_mq_timedreceive(Call& c) {
    const auto until = deadline(c, c.args[4]);
    if (!until) co_return until.error();
    const auto file = queue_at(c);
    if (!file || !(*file)->readable()) co_return -EBADF;
    MessageQueue& q = (*file)->queue();
    if (c.args[2] < static_cast<std::uint64_t>(q.longest)) co_return -EMSGSIZE;
    while (q.messages.empty()) {
        if (((*file)->flags & O_NONBLOCK) != 0) co_return -EAGAIN;
        ++q.readers;
        const Wake w = co_await c.kernel.sleep(c.task, &q.readiness.queue, *until);
        --q.readers;
        if (w == Wake::timeout) co_return -ETIMEDOUT;
        if (w == Wake::signal) co_return c.interrupted();
    }
    const MessageQueue::Message message = std::move(q.messages.front());
    q.messages.pop_front();
    q.readiness.changed(c.kernel);
    if (c.args[3] != 0 && !c.mm().put(c.args[3], message.priority)) co_return -EFAULT;
    if (!c.mm().write(c.args[1], message.bytes.data(), message.bytes.size())) co_return -EFAULT;
    co_return static_cast<long>(message.bytes.size());
}

long sys_mq_notify(Call& c) {
    Event event{};
    const bool wanted = c.args[1] != 0;
    if (wanted) {
        if (!c.mm().get(c.args[1], event)) return -EFAULT;
        // SIGEV_THREAD needs a netlink socket, and there are none.
        if (event.notify != SIGEV_NONE && event.notify != SIGEV_SIGNAL) return -EINVAL;
        if (event.notify == SIGEV_SIGNAL && static_cast<std::uint32_t>(event.signo) > sig::count) return -EINVAL;
    }
    const auto file = queue_at(c);
    if (!file) return file.error();
    MessageQueue& q = (*file)->queue();
    const FileTable* own = &files_of(c);
    if (!wanted) {
        (*file)->flush(*own);
        return 0;
    }
    if (q.listener != nullptr) return -EBUSY;
    q.listener = own;
    q.listener_pid = c.process().pid;
    if (event.notify == SIGEV_SIGNAL) {
        q.signal.signo = event.signo;
        q.signal.value = event.value;
    }
    return 0;
}

long sys_mq_getsetattr(Call& c) {
    Attributes fresh;
    if (c.args[1] != 0) {
        if (!c.mm().get(c.args[1], fresh)) return -EFAULT;
        if ((fresh.flags & ~std::int64_t{O_NONBLOCK}) != 0) return -EINVAL;
    }
    const auto file = queue_at(c);
    if (!file) return file.error();
    const MessageQueue& q = (*file)->queue();
    const Attributes old{
        (*file)->flags & O_NONBLOCK, q.most, q.longest, static_cast<std::int64_t>(q.messages.size()), {}};
    if (c.args[1] != 0) (*file)->flags = ((*file)->flags & ~O_NONBLOCK) | static_cast<int>(fresh.flags);
    return c.args[2] == 0 || c.mm().put(c.args[2], old) ? 0 : -EFAULT;
}

} // namespace

std::span<const SyscallInfo> message_queue_calls() {
    static constexpr SyscallInfo kCalls[] = {
        {240, "mq_open", "sOop", "full", sys_mq_open},
        {241, "mq_unlink", "s", "full", sys_mq_unlink},
        {242, "mq_timedsend", "fbuuT", "full", nullptr, sys_mq_timedsend},
        {243, "mq_timedreceive", "frupT", "full", nullptr, sys_mq_timedreceive},
        {244, "mq_notify", "fp", "partial: no SIGEV_THREAD", sys_mq_notify},
        {245, "mq_getsetattr", "fpp", "full", sys_mq_getsetattr},
    };
    return kCalls;
}

} // namespace trapline
