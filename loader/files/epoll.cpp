#include "loader/files/epoll.hpp"

#include <algorithm>
#include <sys/epoll.h>

namespace trapline {

long Epoll::control(Io& io, int operation, int fd, const std::shared_ptr<File>& file, Event event) {
    if (file->readiness() == nullptr && file->seekable())
        return -EPERM; // regular files and directories are always ready
    if (dynamic_cast<Epoll*>(file.get()) != nullptr) return -EINVAL;
    std::erase_if(entries_, [](const Entry& e) { return e.file.expired(); });
    auto at = std::find_if(entries_.begin(), entries_.end(),
                           [&](const Entry& e) { return e.fd == fd && e.file.lock() == file; });
    const bool there = at != entries_.end();
    switch (operation) {
    case EPOLL_CTL_ADD:
        if (there) return -EEXIST;
        entries_.push_back({fd, file, event, 0});
        break;
    case EPOLL_CTL_MOD:
        if (!there) return -ENOENT;
        at->wanted = event;
        at->reported = 0;
        break;
    case EPOLL_CTL_DEL:
        if (!there) return -ENOENT;
        entries_.erase(at);
        break;
    default:
        return -EINVAL;
    }
    readiness_.changed(io.kernel);
    return 0;
}

std::uint32_t Epoll::ready(Io& io, const Entry& e, File& file) {
    const std::uint32_t wanted = e.wanted.events;
    if ((wanted & ~(EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE | EPOLLWAKEUP)) == 0)
        return 0; // one shot, and it was fired
    const Readiness* r = file.readiness();
    if ((wanted & EPOLLET) != 0 && e.reported != 0 && (r == nullptr || e.reported == r->changes() + 1)) return 0;
    return static_cast<std::uint16_t>(file.poll(io)) & (wanted | EPOLLERR | EPOLLHUP);
}

std::vector<Epoll::Event> Epoll::collect(Io& io, std::size_t most) {
    std::vector<Event> out;
    std::size_t last = entries_.size();
    for (std::size_t i = 0; i < entries_.size() && out.size() < most; ++i) {
        Entry& e = entries_[i];
        const std::shared_ptr<File> file = e.file.lock();
        if (file == nullptr) continue;
        const std::uint32_t now = ready(io, e, *file);
        if (now == 0) continue;
        out.push_back({now, e.wanted.data});
        const Readiness* r = file->readiness();
        e.reported = r != nullptr ? r->changes() + 1 : 1;
        if ((e.wanted.events & EPOLLONESHOT) != 0)
            e.wanted.events &= EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE | EPOLLWAKEUP;
        last = i;
    }
    // The next call starts behind what this one reported.
    if (out.size() == most && last + 1 < entries_.size())
        std::rotate(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(last) + 1, entries_.end());
    return out;
}

short Epoll::poll(Io& io) {
    for (const Entry& e : entries_)
        if (const std::shared_ptr<File> file = e.file.lock(); file != nullptr && ready(io, e, *file) != 0)
            return EPOLLIN | EPOLLRDNORM;
    return 0;
}

void Epoll::watch(Poller& poller) {
    poller.watch(readiness_);
    for (const Entry& e : entries_)
        if (const std::shared_ptr<File> file = e.file.lock()) poller.watch(file);
}

} // namespace trapline
