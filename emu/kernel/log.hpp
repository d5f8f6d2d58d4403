// emu/kernel/log.hpp: the event log and its running hash.
//
// Everything that happens in the machine is an Event, in one total order. Each is folded into a 64-bit hash; the same
// inputs give the same events and so the same hash, on any machine. A writer may be attached to put the events into a
// file; without one the log costs a few nanoseconds an event. Events carry names and numbers only: no host address, no
// host time.
#pragma once

#include "emu/kernel/step.hpp"
#include "emu/types.hpp"

#include <functional>
#include <string_view>

namespace trapline {

struct Event {
    std::uint64_t number = 0; ///< position in the total order, from 1
    Cycles time = 0;          ///< virtual time of the CPU it happened on
    std::uint32_t task = 0;   ///< serial number of the task, from 1 in order of creation; 0: the machine
    std::uint16_t cpu = 0;
    Step step{};
    std::uint64_t object = 0; ///< what the step was done to: an address, a slot, a system call's number
    std::uint64_t value = 0;  ///< a second number: a result, a frame, a signal's address
    std::string_view text;    ///< a name where a number says too little: a system call, a signal, written bytes' digest
    // Not part of the hash, for those who draw pictures:
    Cycles cost = 0;         ///< what the step was charged with: it began at `time - cost`
    std::uint32_t space = 0; ///< Mm::id of the address space it concerns; 0: the task's own
};

/// An execution of a probed instruction that no handler run preceded (probes/truth.cpp). It is no event: nobody is
/// scheduled at it, it has no number and is not hashed. It is known for certain only when the thread is next seen
/// elsewhere, so it says itself where in the order of events it belongs.
struct Miss {
    std::uint64_t after = 0;   ///< number of the event that it follows
    std::uint64_t retired = 0; ///< instructions that the machine had retired
    Cycles time = 0;           ///< virtual time of the CPU when the instruction was entered
    std::uint32_t task = 0;
    std::uint16_t cpu = 0;
    std::uint32_t space = 0; ///< Mm::id
    Addr address = 0;        ///< of the probe point
};

/// What a system call was asked for, or has answered, in words. No event either; only made when somebody listens.
struct CallNote {
    std::uint64_t call = 0; ///< number of the event by which it was entered
    bool returned = false;
    Cycles time = 0; ///< virtual time of the CPU
    std::uint32_t task = 0;
    std::uint16_t cpu = 0;
    std::string_view text; ///< `read(3, 0x1000, 5)`, and when it has returned `read(3, "hello", 5) = 5`
};

class Log {
  public:
    /// The next event in the order, with what the hash takes of it. Who has a writer tells it afterwards: most runs
    /// have none, and an Event that nobody reads is not worth its stores.
    void count(Cycles time, std::uint32_t task, std::uint16_t cpu, Step step, std::uint64_t object,
               std::uint64_t value) {
        ++count_;
        const std::uint64_t who =
            std::uint64_t{task} << 32 | std::uint64_t{cpu} << 16 | static_cast<std::uint64_t>(step);
        // The second product does not depend on the hash so far: the two multiplications run at the same time.
        hash_ = fold(hash_ ^ time, who ^ 0x9e3779b97f4a7c15) ^
                fold(object ^ 0xa0761d6478bd642f, value ^ 0xe7037ed1a0b428db);
    }
    /// The event that was counted last has a text, too.
    void add(std::string_view text) {
        for (char c : text) mix(static_cast<unsigned char>(c));
    }
    [[nodiscard]] bool has_writer() const { return static_cast<bool>(writer_); }
    /// Tells the writer, if there is one, of the event that was counted last.
    void write(const Event& e) const {
        if (writer_) writer_(e);
    }
    void record(const Miss& m) {
        if (miss_writer_) miss_writer_(m);
    }
    void record(const CallNote& n) {
        if (call_writer_) call_writer_(n);
    }
    [[nodiscard]] bool wants_calls() const { return static_cast<bool>(call_writer_); }
    /// Folds bytes that enter or leave the machine into the hash: input read, output written.
    void bytes(const void* data, std::size_t n);

    [[nodiscard]] std::uint64_t hash() const { return hash_; }
    [[nodiscard]] std::uint64_t count() const { return count_; }
    void set_writer(std::function<void(const Event&)> w) { writer_ = std::move(w); }
    void set_miss_writer(std::function<void(const Miss&)> w) { miss_writer_ = std::move(w); }
    void set_call_writer(std::function<void(const CallNote&)> w) { call_writer_ = std::move(w); }

  private:
    // One multiplication to 128 bits, folded: the mixing step of wyhash and its family.
    static std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
        __extension__ using Wide = unsigned __int128;
        const Wide p = static_cast<Wide>(a) * b;
        return static_cast<std::uint64_t>(p) ^ static_cast<std::uint64_t>(p >> 64);
    }
    void mix(std::uint64_t v) { hash_ = fold(hash_ ^ v ^ 0x9e3779b97f4a7c15, 0xd6e8feb86659fd93); }
    std::uint64_t hash_ = 0x7472617069696e65;
    std::uint64_t count_ = 0;
    std::function<void(const Event&)> writer_;
    std::function<void(const Miss&)> miss_writer_;
    std::function<void(const CallNote&)> call_writer_;
};

} // namespace trapline
