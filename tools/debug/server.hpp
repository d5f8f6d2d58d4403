// tools/debug/server.hpp: gdb's remote protocol, spoken by a machine that can go back.
//
// gdb asks, the server answers from the session that is held; a request to go on ends the visit. Registers and memory
// are read and never written: a run that was changed would not be the one that its token repeats. All processes are one
// inferior for gdb, whose threads are p1.t1, p2.t1 …; memory is that of the thread that gdb has chosen. Read next:
// monitor.hpp, for what gdb has no words for.
#pragma once

#include "tools/debug/connection.hpp"
#include "tools/debug/files.hpp"
#include "tools/debug/monitor.hpp"
#include "tools/debug/session.hpp"

#include <map>
#include <set>

namespace trapline {

class Server final : public Visitor {
  public:
    Server(Connection& connection, const RunRequest& request) : connection_(connection), files_(request.root) {}

    Resume stopped(Session& session, const Stop& stop) override;
    bool wants_stop() override { return connection_.interrupted() || connection_.closed(); }
    void output(int stream, std::string_view bytes) override;
    void ended(const RunReport& report) override;

  private:
    std::optional<Resume> answer(std::string_view packet);
    std::optional<std::string> query(std::string_view packet);
    std::string transfer(std::string_view packet);
    std::string threads_xml();
    std::string stop_reply() const;
    std::string registers(std::string_view which);
    std::string memory(std::string_view range);
    void choose_thread(std::string_view packet);
    bool breakpoint(std::string_view packet);
    std::optional<Resume> resume(Resume::Kind kind, std::uint32_t thread, bool alone);
    std::optional<Resume> resume_threads(std::string_view actions);
    void announce(const Stop& stop);
    void say(std::string_view line);
    [[nodiscard]] Task* chosen() const;

    Connection& connection_;
    Monitor monitor_;
    GuestFiles files_;
    Session* session_ = nullptr;
    Stop stop_;
    bool waiting_ = false;      // gdb waits to be told of a stop
    std::uint32_t general_ = 0; // the thread that gdb asks about
    std::uint32_t moving_ = 0;  // the thread that gdb steps backwards
    std::set<Addr> lifted_;     // breakpoints that gdb took out since the stop
    std::string exit_reply_;    // how the program ended
};

} // namespace trapline
