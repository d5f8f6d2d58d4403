// loader/files/message_queue.hpp: POSIX message queues: mq_overview(7), ipc/mqueue.c.
//
// A queue has a name of its own kind, is kept by whoever has it open or by its name, and holds messages by priority,
// the oldest first. Nothing here sleeps; the system calls wait for the queue's Readiness, as with every file. Read
// next: loader/syscalls/message_queue.cpp.
#pragma once

#include "loader/files/file.hpp"

#include <deque>

namespace trapline {

struct MessageQueue {
    struct Message {
        std::uint32_t priority = 0;
        std::vector<std::uint8_t> bytes;
    };
    std::uint64_t number = 0; ///< st_ino
    mode_t mode = 0;
    std::int64_t most = 10, longest = 8192; ///< messages, and bytes of one
    std::deque<Message> messages;           ///< highest priority first
    unsigned readers = 0;                   ///< calls that wait for a message: nobody else is told of one then
    Readiness readiness;

    // mq_notify: who is told, once, when a message comes to the empty queue.
    const FileTable* listener = nullptr; ///< its process's table, which tells when it closes the queue
    int listener_pid = 0;
    SigInfo signal; ///< signo 0: only registered

    void put(Message message);
};

class MessageQueueFile final : public File {
  public:
    MessageQueueFile(std::shared_ptr<MessageQueue> queue, int status_flags)
        : File(status_flags), queue_(std::move(queue)) {}
    /// The text that says how the queue is.
    long read(Io& io, IoBuffer& to, std::uint64_t& at) override;
    short poll(Io& io) override;
    Readiness* readiness() override { return &queue_->readiness; }
    OrErrno<FileStat> stat(Io& io) override;
    [[nodiscard]] bool seekable() const override { return true; }
    std::string name() const override { return "/dev/mqueue"; }
    void flush(const FileTable& of) override;
    [[nodiscard]] MessageQueue& queue() const { return *queue_; }

  private:
    std::shared_ptr<MessageQueue> queue_;
};

} // namespace trapline
