#include "tools/debug/monitor.hpp"

#include "scenarios/picture.hpp"
#include "scenarios/text.hpp"
#include "tools/debug/memory.hpp"
#include "tools/options.hpp"
#include "tools/table.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace trapline {
namespace {

constexpr const char* kHelp =
    "monitor events [N]            the last N events (20)\n"
    "monitor catch STEP[@PLACE]    continue and reverse-continue stop at this kernel step; PLACE is a probe as it was\n"
    "                              given, or an address. `monitor catch missed`: at executions that a probe missed;\n"
    "                              `monitor catch none`: at nothing any more; `monitor catch`: what there is\n"
    "monitor goto N                the next continue goes to where event N has just happened, before or behind\n"
    "monitor uprobes               probe points: hits, misses, and the byte that stands there\n"
    "monitor slots                 the XOL area of the chosen thread's process\n"
    "monitor steps                 where every thread is: in the program, or behind which kernel step\n"
    "monitor vmas                  the memory map of the chosen thread's process\n"
    "monitor frames [ADDRESS]      physical memory; the frame that is mapped at an address\n"
    "monitor view original|program memory without what probes wrote to text, or as a CPU would fetch it, int3 "
    "included\n"
    "monitor token                 replays the run so far\n";

std::optional<std::uint64_t> parse_address(std::string_view text) {
    if (text.starts_with("0x")) text.remove_prefix(2);
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::string hex(std::string_view bytes) {
    std::string out;
    for (const char c : bytes) out += fmt::format("{}{:02x}", out.empty() ? "" : " ", static_cast<unsigned char>(c));
    return out;
}

std::string events(Session& session, std::string_view count) {
    const auto& all = session.recent();
    const std::size_t n = std::min<std::size_t>(text::parse_decimal(count).value_or(20), all.size());
    const PlaceNames names = Monitor::names(session);
    std::string out;
    for (auto e = all.end() - static_cast<std::ptrdiff_t>(n); e != all.end(); ++e)
        out += fmt::format("{:>8}  {:<8} {}\n", e->number, e->task, describe(*e, names));
    return out.empty() ? "nothing has happened yet\n" : out;
}

std::string uprobes(Session& session) {
    using Kind = Table::Kind;
    Table table({{"probe", Kind::shortened},
                 {"address"},
                 {"status"},
                 {"executions", Kind::number},
                 {"hits", Kind::number},
                 {"missed", Kind::number},
                 {"repeated", Kind::number}});
    std::string places;
    for (const ProbeReport& p : session.rig().probes()) {
        const std::string status = p.state == ProbeReport::State::refused   ? fmt::format("errno {}", p.error_number)
                                   : p.state == ProbeReport::State::pending ? "pending"
                                                                            : "armed";
        table.add({p.spec, p.address != 0 ? fmt::format("{:#x}", p.address) : "-", status,
                   std::to_string(p.truth.executions), std::to_string(p.truth.hits), std::to_string(p.truth.missed),
                   std::to_string(p.truth.repeated)});
    }
    const PlaceNames names = Monitor::names(session);
    for (const auto& [key, place] : session.text().places())
        places += fmt::format("{} in address space {}: {} since event {}, by {}\n", place_name(names, key.second),
                              key.first, place.byte == TextState::Byte::breakpoint ? "int3" : "the original byte",
                              place.since, place.by);
    return table.text() + places;
}

std::string slots(Session& session, Task& t) {
    Mm& mm = *t.process->mm;
    const auto& all = mm.vmas();
    const auto vma = std::find_if(all.begin(), all.end(), [](const auto& v) { return v.second.name == "[uprobes]"; });
    // Asking for an area that is not there would make one.
    XolArea* area = vma == all.end() ? nullptr : session.rig().uprobes().area(mm);
    if (area == nullptr) return "this process has no XOL area\n";
    std::string out =
        fmt::format("XOL area at {:#x}, {} slots of {} bytes\n", area->address, XolArea::kSlots, XolArea::kSlotBytes);
    for (int i = 0; i < XolArea::kSlots; ++i)
        if (area->taken(i))
            out += fmt::format("slot {:>2} at {:#x}, taken: {}\n", i, area->slot_address(i),
                               i == 0 ? "the return trampoline" : hex(peek_memory(mm, area->slot_address(i), 16)));
    return out;
}

std::string steps(Session& session) {
    const PlaceNames names = Monitor::names(session);
    std::string out;
    for (const auto& t : session.kernel().tasks()) {
        if (!t->alive()) continue;
        const auto& all = session.recent();
        const auto last =
            std::find_if(all.rbegin(), all.rend(), [&](const Record& r) { return r.serial == t->serial; });
        const bool in_kernel = t->is_tracer || t->path.valid();
        std::string where;
        if (!in_kernel)
            where = fmt::format("in the program at {}", place_name(names, session.kernel().get(*t, Reg::rip)));
        else
            where = last == all.rend()
                        ? "in the kernel"
                        : "in the kernel, behind event " + std::to_string(last->number) + ": " + describe(*last, names);
        if (t->state == Task::State::blocked) where += ", asleep";
        if (t->state == Task::State::stopped) where += ", stopped";
        out += fmt::format("{:<8} {:<7} {}\n", t->name, t->cpu >= 0 ? fmt::format("CPU {}", t->cpu) : "no CPU", where);
    }
    return out;
}

std::string vmas(const Mm& mm) {
    std::string out;
    for (const auto& [start, v] : mm.vmas())
        out += fmt::format("{:012x}-{:012x} {}{}{}{} {:08x} {}\n", start, v.end, (v.prot & prot::read) != 0 ? 'r' : '-',
                           (v.prot & prot::write) != 0 ? 'w' : '-', (v.prot & prot::exec) != 0 ? 'x' : '-',
                           v.shared ? 's' : 'p', v.inode ? v.offset : 0, v.label());
    return out;
}

std::string frames(Session& session, const Mm& mm, std::string_view argument) {
    const Frames& all = session.kernel().frames();
    if (argument.empty())
        return fmt::format("{} frames in use; {} pages of this process are mapped\n", all.in_use(), mm.resident());
    const auto address = parse_address(argument);
    if (!address) return "an address is a hexadecimal number\n";
    const FrameNo f = mm.frame_at(*address);
    if (f == 0) return fmt::format("nothing is mapped at {:#x} yet\n", *address);
    const Vma* v = mm.find(*address);
    const bool cached =
        v != nullptr && v->inode && v->inode->cached(v->file_offset(page_floor(*address)) / kPageSize) == f;
    return fmt::format("{:#x} is in frame {}, {} reference{}{}\n", *address, f, all.references(f),
                       all.references(f) == 1 ? "" : "s", cached ? ", the page cache's" : "");
}

} // namespace

PlaceNames Monitor::names(Session& session) {
    RunReport report;
    report.probes = session.rig().probes();
    return place_names(report);
}

std::string Monitor::explain_miss(Session& session, const Stop& stop) {
    Task* t = session.thread(stop.thread);
    std::string out = fmt::format("missed: {} executes {} and no handler has run", t != nullptr ? t->name : "a thread",
                                  place_name(names(session), stop.address));
    const TextState::Place* place = t != nullptr ? session.text().at(t->process->mm->id(), stop.address) : nullptr;
    if (place != nullptr && place->byte == TextState::Byte::original)
        out += fmt::format(": {} has put the original byte back (event {})", place->by, place->since);
    return out;
}

std::string Monitor::answer(Session& session, Task* t, std::string_view line) {
    const std::string_view trimmed = text::trim(line);
    const std::size_t blank = std::min(trimmed.find(' '), trimmed.size());
    const std::string_view command = trimmed.substr(0, blank), rest = text::trim(trimmed.substr(blank));
    if (command.empty() || command == "help") return kHelp;
    if (command == "events") return events(session, rest);
    if (command == "catch") return catch_events(session, rest);
    if (command == "goto") return go_to(rest);
    if (command == "uprobes") return uprobes(session);
    if (command == "steps") return steps(session);
    if (command == "view") return view(rest);
    if (command == "token") return to_string(session.rig().token()) + "\n";
    if (command != "slots" && command != "vmas" && command != "frames")
        return fmt::format("there is no monitor command {}: see `monitor help`\n", text::quoted(command));
    if (t == nullptr) return "there is no thread any more\n";
    if (command == "slots") return slots(session, *t);
    if (command == "vmas") return vmas(*t->process->mm);
    return frames(session, *t->process->mm, rest);
}

std::string Monitor::catch_events(Session& session, std::string_view what) {
    if (what == "none") {
        session.event_conditions.clear();
        session.stop_at_misses = false;
    } else if (what == "missed") {
        session.stop_at_misses = true;
    } else if (!what.empty()) {
        const std::size_t at = std::min(what.find('@'), what.size());
        const std::optional<Step> step = step_by_name(what.substr(0, at));
        if (!step) return fmt::format("{}\n", text::suggest(what.substr(0, at), vocabulary().steps));
        Session::EventCondition condition{*step, std::nullopt};
        if (at < what.size()) {
            const std::string_view place = what.substr(at + 1);
            for (const auto& [address, name] : names(session))
                if (name == place) condition.object = address;
            if (!condition.object) condition.object = parse_address(place);
            if (!condition.object) return fmt::format("{} is no probe and no address\n", text::quoted(place));
        }
        if (std::find(session.event_conditions.begin(), session.event_conditions.end(), condition) ==
            session.event_conditions.end())
            session.event_conditions.push_back(condition);
    }
    std::string out;
    if (session.stop_at_misses) out += "stops at missed\n";
    for (const Session::EventCondition& c : session.event_conditions)
        out += fmt::format("stops at {}{}\n", step_info(c.step).name,
                           c.object ? "@" + place_name(names(session), *c.object) : "");
    return out.empty() ? "stops at no event\n" : out;
}

std::string Monitor::go_to(std::string_view number) {
    const auto event = text::parse_decimal(number);
    if (!event || *event == 0) return "monitor goto N: the number of an event\n";
    target_ = event;
    return fmt::format("the next continue goes to event {}\n", *event);
}

std::string Monitor::view(std::string_view which) {
    if (which != "program" && which != "original") return "monitor view program, or monitor view original\n";
    original_ = which == "original";
    return "gdb keeps what it has read: `maintenance flush dcache` has it read again\n";
}

} // namespace trapline
