#include "tools/debug/server.hpp"

#include "scenarios/picture.hpp"
#include "tools/debug/memory.hpp"
#include "tools/debug/registers.hpp"

#include <fmt/format.h>

namespace trapline {
namespace {

constexpr std::size_t kPacket = 0x4000;
constexpr const char* kWrong = "E01";

bool take(std::string_view& text, std::string_view prefix) {
    if (!text.starts_with(prefix)) return false;
    text.remove_prefix(prefix.size());
    return true;
}

/// A thread as gdb names it: its serial number; -1 is all of them and 0 any.
std::uint32_t take_thread(std::string_view& text) {
    if (take(text, "-1")) return 0;
    return static_cast<std::uint32_t>(take_hex(text).value_or(0));
}

/// gdb numbers signals in its own way ("Stop Reply Packets").
int gdb_signal(int linux_signal) {
    switch (linux_signal) {
    case sig::bus:
        return 10;
    default:
        return linux_signal; // those that a fault sends, and Ctrl-C, have the same numbers otherwise
    }
}

} // namespace

Resume Server::stopped(Session& session, const Stop& stop) {
    session_ = &session;
    stop_ = stop;
    general_ = moving_ = stop.thread;
    if (waiting_) {
        announce(stop);
        connection_.send(stop_reply());
        waiting_ = false;
    }
    while (const std::optional<std::string> packet = connection_.receive())
        if (const std::optional<Resume> resume = answer(*packet)) return *resume;
    return {Resume::Kind::kill, 0, 0, false};
}

void Server::output(int, std::string_view bytes) {
    for (std::size_t at = 0; waiting_ && at < bytes.size(); at += kPacket / 4)
        connection_.send("O" + to_hex(bytes.substr(at, kPacket / 4)));
}

void Server::say(std::string_view line) { output(1, fmt::format("[trapline: {}]\n", line)); }

void Server::ended(const RunReport& report) {
    if (report.outcome != Outcome::Kind::exited || report.diverged)
        say(report.detail.empty() ? "the run ends here" : report.detail);
    else if (report.signal != 0)
        say(fmt::format("signal {} has killed the program", report.signal));
    else
        say(fmt::format("the program has exited with code {}", report.exit_code));
    say(fmt::format("log {:016x}, token {}", report.log_hash, report.token));
    say("reverse-continue goes back; continue once more ends the session");
    exit_reply_ = report.signal != 0 ? fmt::format("X{:02x}", gdb_signal(report.signal))
                                     : fmt::format("W{:02x}", report.exit_code);
}

/// What a stop reply has no words for.
void Server::announce(const Stop& stop) {
    if (stop.why == Stop::Why::event) {
        const Record& event = session_->recent().back();
        say(fmt::format("event {}: {}: {}", event.number, event.task, describe(event, monitor_.names(*session_))));
    }
    if (stop.why == Stop::Why::missed) say(monitor_.explain_miss(*session_, stop));
}

std::string Server::stop_reply() const {
    std::string_view reason;
    int signal = 5;
    switch (stop_.why) {
    case Stop::Why::breakpoint:
        reason = "swbreak:;";
        break;
    case Stop::Why::begin:
        reason = "replaylog:begin;";
        break;
    case Stop::Why::end:
        reason = "replaylog:end;";
        break;
    case Stop::Why::signal:
        signal = gdb_signal(stop_.signal);
        break;
    case Stop::Why::interrupt:
        signal = 2;
        break;
    case Stop::Why::event:
    case Stop::Why::missed:
        signal = 0; // nothing that the program could have noticed
        break;
    case Stop::Why::start:
    case Stop::Why::step:
    case Stop::Why::watchpoint:
        break;
    }
    const std::string watch = stop_.why == Stop::Why::watchpoint ? fmt::format("watch:{:x};", stop_.address) : "";
    return fmt::format("T{:02x}{}{}thread:{:x};", signal, reason, watch, stop_.thread);
}

Task* Server::chosen() const {
    if (Task* t = session_->thread(general_)) return t;
    if (Task* t = session_->thread(stop_.thread)) return t;
    const std::vector<Task*> all = session_->threads();
    return all.empty() ? nullptr : all.front();
}

/// Answers one packet; a Resume when gdb wants the machine to go on.
std::optional<Resume> Server::answer(std::string_view packet) {
    const auto reply = [this](std::string_view text) -> std::optional<Resume> {
        connection_.send(text);
        return std::nullopt;
    };
    const auto ok = [&] { return reply("OK"); };
    if (packet == "?") return reply(stop_reply());
    if (packet == "bc") return resume(Resume::Kind::back, 0, false);
    if (packet == "bs") return resume(Resume::Kind::step_back, moving_, !lifted_.empty());
    if (packet == "D" || packet.starts_with("D;") || packet == "k" || packet.starts_with("vKill")) {
        if (packet != "k") connection_.send("OK");
        return Resume{Resume::Kind::kill, 0, 0, false};
    }
    if (packet == "QStartNoAckMode") {
        connection_.send("OK");
        connection_.without_acknowledgements();
        return std::nullopt;
    }
    if (packet == "vCont?") return reply("vCont;c;C;s;S");
    if (take(packet, "vCont")) return resume_threads(packet);
    if (take(packet, "vFile:")) return reply(files_.answer(packet));
    if (packet.empty()) return reply("");
    const char kind = packet.front();
    const std::string_view rest = packet.substr(1);
    switch (kind) {
    case 'g':
        return reply(registers(""));
    case 'p':
        return reply(registers(rest));
    case 'm':
        return reply(memory(rest));
    case 'G':
    case 'P':
    case 'M':
    case 'X':
        return reply(kWrong); // a changed run would not be the one that its token repeats
    case 'H':
        choose_thread(rest);
        return ok();
    case 'T': {
        std::string_view id = rest;
        return reply(session_->thread(take_thread(id)) != nullptr ? "OK" : kWrong);
    }
    case 'c':
    case 'C':
        return resume(Resume::Kind::forward, 0, false);
    case 's':
    case 'S':
        return resume(Resume::Kind::step, moving_, false);
    case 'Z':
    case 'z':
        return reply(breakpoint(packet) ? "OK" : "");
    case 'q':
        return reply(query(rest).value_or(""));
    default:
        return reply("");
    }
}

void Server::choose_thread(std::string_view packet) {
    const bool moves = packet.starts_with('c');
    packet.remove_prefix(1);
    std::uint32_t serial = take_thread(packet);
    if (session_->thread(serial) == nullptr) serial = stop_.thread;
    (moves ? moving_ : general_) = serial;
}

std::optional<Resume> Server::resume_threads(std::string_view actions) {
    while (take(actions, ";")) {
        const char action = actions.empty() ? 'c' : actions.front();
        actions.remove_prefix(std::min<std::size_t>(1, actions.size()));
        if (action == 'C' || action == 'S') (void)take_hex(actions); // a signal: the machine sends its own
        std::uint32_t thread = 0;
        if (take(actions, ":")) thread = take_thread(actions);
        if (action == 's' || action == 'S')
            return resume(Resume::Kind::step, thread != 0 ? thread : moving_, thread != 0 && actions.empty());
    }
    return resume(Resume::Kind::forward, 0, false);
}

std::optional<Resume> Server::resume(Resume::Kind kind, std::uint32_t thread, bool alone) {
    const bool forwards = kind == Resume::Kind::forward || kind == Resume::Kind::step;
    if (stop_.why == Stop::Why::end && forwards && !monitor_.target()) {
        connection_.send(exit_reply_);
        return Resume{Resume::Kind::kill, 0, 0, false};
    }
    // Stepping one thread over its breakpoint, gdb takes that out. Others run meanwhile and shall not slip through.
    if (kind != Resume::Kind::step && kind != Resume::Kind::step_back)
        for (const Addr a : std::exchange(lifted_, {})) session_->set_breakpoint(a, false);
    waiting_ = true;
    if (const std::optional<std::uint64_t> event = monitor_.take_target())
        return Resume{Resume::Kind::go, 0, *event, false};
    return Resume{kind, thread, 0, alone};
}

/// Z0,address,kind and so on. False: a kind that there is not.
bool Server::breakpoint(std::string_view packet) {
    const bool on = packet.starts_with('Z');
    packet.remove_prefix(1);
    const char kind = packet.empty() ? '?' : packet.front();
    if (packet.size() < 2 || kind < '0' || kind > '2') return false; // reads cannot be watched
    packet.remove_prefix(2);
    const Addr address = take_hex(packet).value_or(0);
    take(packet, ",");
    const std::uint64_t bytes = take_hex(packet).value_or(1);
    if (kind == '2') {
        const Task* t = chosen();
        if (t != nullptr) session_->set_watchpoint(t->process->pid, address, bytes, on);
        return t != nullptr;
    }
    const Task* stepping = session_->thread(stop_.thread);
    if (on) {
        lifted_.erase(address);
        session_->set_breakpoint(address, true);
    } else if (stepping != nullptr && session_->kernel().get(*stepping, Reg::rip) == address) {
        lifted_.insert(address);
    } else {
        session_->set_breakpoint(address, false);
    }
    return true;
}

/// All registers, or the one with this number.
std::string Server::registers(std::string_view which) {
    const Task* t = chosen();
    if (t == nullptr) return kWrong;
    const std::string all = register_block(session_->kernel(), *t);
    if (which.empty()) return to_hex(all);
    const auto [at, bytes] = register_place(take_hex(which).value_or(~0ull));
    return bytes == 0 ? kWrong : to_hex(std::string_view(all).substr(at, bytes));
}

std::string Server::memory(std::string_view range) {
    const Addr address = take_hex(range).value_or(0);
    take(range, ",");
    const std::size_t bytes = std::min<std::size_t>(take_hex(range).value_or(0), kPacket / 2 - 8);
    Task* t = chosen();
    if (t == nullptr) return kWrong;
    Mm& mm = *t->process->mm;
    const std::string read = monitor_.shows_original() ? peek_original(session_->rig().uprobes(), mm, address, bytes)
                                                       : peek_memory(mm, address, bytes);
    return read.empty() && bytes > 0 ? "E0e" : to_hex(read); // EFAULT
}

std::optional<std::string> Server::query(std::string_view packet) {
    if (packet.starts_with("Supported"))
        return fmt::format("PacketSize={:x};QStartNoAckMode+;vContSupported+;swbreak+;ReverseStep+;ReverseContinue+;"
                           "qXfer:features:read+;qXfer:threads:read+;qXfer:auxv:read+;qXfer:exec-file:read+",
                           kPacket);
    if (packet == "C") return fmt::format("QC{:x}", stop_.thread);
    if (packet == "Attached") return "1";
    if (packet == "fThreadInfo") {
        std::string all;
        for (const Task* t : session_->threads()) all += fmt::format("{}{:x}", all.empty() ? "m" : ",", t->serial);
        return all;
    }
    if (packet == "sThreadInfo") return "l";
    if (take(packet, "Xfer:")) return transfer(packet);
    if (take(packet, "Rcmd,")) {
        Task* t = chosen();
        const std::string answer = monitor_.answer(*session_, t, from_hex(packet));
        return answer.empty() ? "OK" : to_hex(answer);
    }
    return std::nullopt;
}

/// object:read:annex:offset,length
std::string Server::transfer(std::string_view packet) {
    std::string whole;
    Task* t = chosen();
    if (packet.starts_with("features:read:target.xml:"))
        whole = target_description();
    else if (packet.starts_with("threads:read:"))
        whole = threads_xml();
    else if (packet.starts_with("auxv:read:") && t != nullptr)
        whole = peek_auxv(*t->process);
    else if (packet.starts_with("exec-file:read:") && t != nullptr)
        whole = t->process->executable;
    else
        return "E00";
    packet.remove_prefix(packet.rfind(':') + 1);
    const std::size_t offset = take_hex(packet).value_or(0);
    take(packet, ",");
    const std::size_t length = std::min<std::size_t>(take_hex(packet).value_or(0), kPacket / 2 - 8);
    if (offset >= whole.size()) return "l";
    return (offset + length < whole.size() ? "m" : "l") + whole.substr(offset, length);
}

std::string Server::threads_xml() {
    std::string out = "<?xml version=\"1.0\"?>\n<threads>\n";
    for (const Task* t : session_->threads()) {
        const std::string core = t->cpu >= 0 ? fmt::format(" core=\"{}\"", t->cpu) : "";
        out += fmt::format("<thread id=\"{:x}\"{} name=\"{}\"/>\n", t->serial, core, t->name);
    }
    return out + "</threads>\n";
}

} // namespace trapline
