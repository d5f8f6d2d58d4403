// scenarios/explore/workers.hpp: processes that do parts of a search.
//
// The arena is one a process (emu/snapshot/arena.hpp), so parallel means processes: each is forked before there is a
// machine, builds its own, and does one part after the other. A part and its result go through a socket as JSON, with
// the number of runs done so far now and then in between. When the parent goes, so do they.
#pragma once

#include "scenarios/explore/part.hpp"

#include <deque>
#include <sys/types.h>

namespace trapline {

/// Processors of the host that this process may use: as many workers are of use.
[[nodiscard]] unsigned usable_processors();

class Workers {
  public:
    /// The process has no machine now. Both references must outlive the workers.
    Workers(unsigned count, const RunRequest& request, const ExploreSection& section);
    /// Ends them, whatever they do.
    ~Workers();
    Workers(const Workers&) = delete;
    Workers& operator=(const Workers&) = delete;

    [[nodiscard]] bool idle() const;
    [[nodiscard]] bool busy() const;
    /// Gives the part to an idle worker; `id` is how it is called in the answer.
    void start(std::size_t id, const Part& part);
    struct Answer {
        std::size_t id;
        PartResult result;
    };
    /// Waits for at most `milliseconds` for a part to be done.
    std::optional<Result<Answer>> wait(int milliseconds);
    /// Runs that have been made for parts which are not done.
    [[nodiscard]] std::uint64_t under_way() const;

  private:
    struct Worker {
        pid_t pid = -1;
        int socket = -1;
        std::optional<std::size_t> doing;
        std::uint64_t runs = 0;
        std::string received;
    };
    [[noreturn]] static void serve(int socket, const RunRequest& request, const ExploreSection& section);
    std::optional<Result<Answer>> message(Worker& w);

    std::deque<Worker> workers_;
};

} // namespace trapline
