// loader/files/epoll.hpp: epoll: a set of files to wait for. man 7 epoll.
//
// Level- and edge-triggered and one-shot entries. An epoll file cannot be put into another one. Entries are reported in
// the order in which they were added, starting behind the one that was reported last, so that none is starved.
#pragma once

#include "loader/files/file.hpp"

namespace trapline {

class Epoll final : public File {
  public:
    /// struct epoll_event, which is packed on x86-64.
    struct [[gnu::packed]] Event {
        std::uint32_t events = 0;
        std::uint64_t data = 0;
    };

    Epoll(int status_flags, std::uint64_t inode) : File(status_flags), inode_(inode) {}
    /// epoll_ctl: 0 or a negative errno.
    long control(Io& io, int operation, int fd, const std::shared_ptr<File>& file, Event event);
    /// Up to `most` entries that are ready now.
    std::vector<Event> collect(Io& io, std::size_t most);

    short poll(Io& io) override;
    Readiness* readiness() override { return &readiness_; }
    void watch(Poller& poller) override;
    OrErrno<FileStat> stat(Io& io) override { return plain_stat(inode_, 0600, io.kernel); }
    std::string name() const override { return "anon_inode:[eventpoll]"; }

  private:
    struct Entry {
        int fd;
        std::weak_ptr<File> file; ///< an entry goes when the last descriptor of its file does
        Event wanted;
        std::uint64_t reported; ///< EPOLLET: changes of the file that were reported, plus one; 0: none yet
    };
    static std::uint32_t ready(Io& io, const Entry& e, File& file);
    std::vector<Entry> entries_;
    const std::uint64_t inode_;
    Readiness readiness_; ///< an entry was added or changed
};

} // namespace trapline
