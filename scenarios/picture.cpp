#include "scenarios/picture.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace trapline {
namespace {

using Byte = TextState::Byte;

constexpr std::size_t kWidth = 100;
constexpr std::size_t kMostColumns = 5; // more threads than that share the last column
constexpr std::size_t kLead = 20;       // lines shown before the first miss of a long run

/// A record that is shown, with the byte at the probe point after it.
struct Line {
    const Record* record;
    std::string text;
    std::string byte; ///< "int3", "original", or empty: not known
    bool changed = false;
};

struct Lines {
    std::vector<Line> lines;
    std::vector<std::string> tasks; ///< in order of appearance
    std::string place;              ///< the probe point; empty when there are several
    std::size_t left_out = 0;
    std::uint64_t next = 0; ///< event at which what was left out behind the lines begins; 0: nothing was
};

bool concerns_probes(const Record& r) {
    if (r.kind == Record::Kind::miss) return true;
    return r.step != Step::syscall && r.step != Step::fault && r.step != Step::woken;
}

/// The probe point that a record is about, 0 for none.
Addr place_of(const Record& r) {
    if (r.kind == Record::Kind::miss) return r.object;
    switch (r.step) {
    case Step::trap:
    case Step::lookup:
    case Step::handler:
    case Step::restarted:
    case Step::text_armed:
    case Step::text_restored:
    case Step::slot_waiting:
    case Step::aborted:
        return r.object;
    case Step::slot_taken:
    case Step::slot_written:
        return r.value;
    default:
        return 0;
    }
}

std::string_view name_of(Byte byte) { return byte == Byte::breakpoint ? "int3" : "original"; }

std::string printable(std::string text) {
    std::replace_if(
        text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    return text;
}

Lines select(std::span<const Record> records, const PictureOptions& options) {
    Lines out;
    std::vector<Addr> places;
    for (const Record& r : records)
        if (const Addr a = TextState::written(r) || r.kind == Record::Kind::miss ? place_of(r) : 0; a != 0)
            if (std::find(places.begin(), places.end(), a) == places.end()) places.push_back(a);
    if (places.size() == 1) out.place = place_name(options.names, places.front());

    TextState state;
    std::uint32_t space = 0;
    std::vector<Line> all;
    for (const Record& r : records) {
        state.apply(r);
        if (r.space != 0) space = r.space;
        if (r.number < options.from || r.number > options.to) continue;
        if (!options.everything && !concerns_probes(r)) continue;
        Line line{&r, printable(describe(r, options.names)), {}, TextState::written(r).has_value()};
        const Addr where = places.size() == 1 ? places.front() : place_of(r);
        if (const auto* p = state.at(space, where)) line.byte = name_of(p->byte);
        if (places.size() > 1 && !line.byte.empty()) line.byte += " " + place_name(options.names, where);
        all.push_back(std::move(line));
    }
    std::size_t first = 0;
    if (all.size() > options.most) {
        const auto miss =
            std::find_if(all.begin(), all.end(), [](const Line& l) { return l.record->kind == Record::Kind::miss; });
        if (miss != all.end()) first = static_cast<std::size_t>(miss - all.begin());
        first = first > kLead ? first - kLead : 0;
    }
    const std::size_t last = std::min(all.size(), first + options.most);
    out.left_out = all.size() - (last - first);
    if (last < all.size()) out.next = all[last].record->number;
    for (std::size_t i = first; i < last; ++i) {
        const Record& r = *all[i].record;
        if (r.serial != 0 && std::find(out.tasks.begin(), out.tasks.end(), r.task) == out.tasks.end())
            out.tasks.push_back(r.task);
        out.lines.push_back(std::move(all[i]));
    }
    return out;
}

/// "t1, CPU 0" for a task that stays on one CPU in what is shown.
std::string title(const Lines& lines, const std::string& task) {
    int cpu = -1;
    for (const Line& l : lines.lines) {
        if (l.record->task != task || l.record->cpu < 0) continue;
        if (cpu >= 0 && cpu != l.record->cpu) return task;
        cpu = l.record->cpu;
    }
    return cpu < 0 ? task : fmt::format("{}, CPU {}", task, cpu);
}

std::string left_out_note(const Lines& lines) {
    if (lines.left_out == 0) return {};
    std::string text = fmt::format("{} more lines are not shown", lines.left_out);
    if (lines.next != 0) text += fmt::format("; they go on at event {}", lines.next);
    return text;
}

std::string cut(std::string text, std::size_t width) {
    if (text.size() > width) text = text.substr(0, width - 2) + "..";
    return text;
}

} // namespace

std::string describe(const Record& r, const PlaceNames& names) {
    if (r.kind == Record::Kind::miss) return fmt::format("MISSED: executes {} bare", place_name(names, r.object));
    const std::string name(step_info(r.step).name);
    switch (r.step) {
    case Step::trap:
        return name + ": int3 was fetched";
    case Step::lookup:
        return r.value == 0 ? name + ": no probe here" : name;
    case Step::handler:
        return fmt::format("{}: hit {}", name, r.value);
    case Step::resumed:
        return fmt::format("{} at {}", name, place_name(names, r.object));
    case Step::slot_taken:
        return fmt::format("{} {}", name, r.object);
    case Step::syscall:
        if (!r.call.empty()) return fmt::format("{} {}", name, r.call);
        [[fallthrough]];
    case Step::signal:
    case Step::tracer:
        return r.text.empty() ? name : fmt::format("{} {}", name, r.text);
    case Step::fault:
        return fmt::format("{} at {}", name, place_name(names, r.object));
    default:
        return name;
    }
}

std::string columns(std::span<const Record> records, const PictureOptions& options) {
    const Lines lines = select(records, options);
    const std::size_t shown = std::min(lines.tasks.size(), kMostColumns);
    std::vector<std::string> titles;
    for (std::size_t i = 0; i < shown; ++i) titles.push_back(title(lines, lines.tasks[i]));
    const bool shared = lines.tasks.size() > kMostColumns;
    if (shared) titles.back() = "others";

    const std::string byte_title = lines.place.empty() ? "byte" : "byte at " + lines.place;
    constexpr std::size_t kNumber = 7; // with the gap behind it
    std::size_t byte_width = std::min<std::size_t>(byte_title.size(), 24);
    for (const Line& l : lines.lines) byte_width = std::min<std::size_t>(std::max(byte_width, l.byte.size() + 2), 24);
    const std::size_t width =
        shown == 0 ? 0 : std::min<std::size_t>((kWidth - kNumber - byte_width - 2) / shown - 2, 40);

    // The byte stands behind the first column.
    const auto row = [&](const std::string& number, std::size_t column, const std::string& text,
                         const std::string& byte, const std::vector<std::string>* all) {
        std::string out = fmt::format("{:>5}  ", number);
        for (std::size_t i = 0; i < shown; ++i) {
            const std::string cell = all != nullptr ? (*all)[i] : i == column ? text : std::string();
            out += fmt::format("{:<{}}  ", cut(cell, width), width);
            if (i == 0) out += fmt::format("{:<{}}  ", cut(byte, byte_width), byte_width);
        }
        return out.substr(0, out.find_last_not_of(' ') + 1) + "\n";
    };
    std::string out = row("event", 0, {}, byte_title, &titles);
    for (const Line& l : lines.lines) {
        const Record& r = *l.record;
        const std::string byte = l.byte.empty() ? "" : (l.changed ? "> " : "  ") + l.byte;
        const std::string number = r.kind == Record::Kind::miss ? "." : std::to_string(r.number);
        if (r.serial == 0 || shown == 0) {
            out += fmt::format("{:>5}  ({}: {})\n", number, r.task, cut(l.text, kWidth - kNumber - 12));
            continue;
        }
        const auto column =
            static_cast<std::size_t>(std::find(lines.tasks.begin(), lines.tasks.end(), r.task) - lines.tasks.begin());
        const bool others = shared && column >= shown - 1;
        out += row(number, std::min(column, shown - 1), others ? r.task + ": " + l.text : l.text, byte, nullptr);
    }
    if (const std::string note = left_out_note(lines); !note.empty()) out += "(" + note + ")\n";
    return out;
}

std::string calls(std::span<const Record> records, const PictureOptions& options) {
    std::string text;
    for (const Record& r : records)
        if (r.step == Step::syscall && r.kind == Record::Kind::event && r.number >= options.from &&
            r.number <= options.to)
            text += fmt::format("{:>8} {:<8} {}\n", r.number, r.task, printable(r.call.empty() ? r.text : r.call));
    return text;
}

std::string mermaid(std::span<const Record> records, const PictureOptions& options) {
    const Lines lines = select(records, options);
    // In Mermaid ';' ends a statement and '#' begins a character's name.
    const auto clean = [](std::string text) {
        std::replace_if(
            text.begin(), text.end(), [](char c) { return c == ';' || c == '#' || c == '%'; }, ',');
        return text;
    };
    const auto id = [](std::string task) {
        std::replace(task.begin(), task.end(), '.', '_');
        return task;
    };
    std::string out = "sequenceDiagram\n";
    const auto participant = [&](const std::string& task) {
        out += fmt::format("    participant {} as {}\n", id(task), clean(title(lines, task)));
    };
    const std::string text_name = lines.place.empty() ? "the probed text" : "the byte at " + lines.place;
    if (!lines.tasks.empty()) participant(lines.tasks.front());
    out += fmt::format("    participant text as {}\n", clean(text_name));
    for (std::size_t i = 1; i < lines.tasks.size(); ++i) participant(lines.tasks[i]);
    for (const Line& l : lines.lines) {
        const Record& r = *l.record;
        const std::string text = clean(l.text);
        if (r.kind == Record::Kind::miss)
            out += fmt::format("    {0}->>text: fetches the original byte\n    Note over {0}: {1}\n", id(r.task), text);
        else if (r.serial == 0)
            out += fmt::format("    Note over text: {}\n", text);
        else if (l.changed || r.step == Step::trap)
            out += fmt::format("    {}->>text: {}\n", id(r.task), text);
        else
            out += fmt::format("    Note over {}: {}\n", id(r.task), text);
    }
    if (const std::string note = left_out_note(lines); !note.empty())
        out += fmt::format("    Note over text: {}\n", clean(note));
    return out;
}

} // namespace trapline
