#include "scenarios/schedule.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <limits>

#include "scenarios/text.hpp"

namespace trapline {

using namespace text;

namespace {

constexpr std::string_view kItemHint = "write TASK until EVENT, as in `t1 until text-restored; t2 until :hot+3`";
constexpr std::string_view kEventHint =
    "an event is a step (text-restored, trap@:hot), a place (:hot+3, @0x401136), syscall NAME, exit, or N instructions";

using Words = std::span<const std::string_view>;

/// Overwrites comments with blanks, so that lines keep their numbers.
std::string without_comments(std::string_view text) {
    std::string out(text);
    bool comment = false;
    for (std::size_t i = 0; i < out.size(); ++i) {
        const char before = i == 0 ? ' ' : text[i - 1];
        if (text[i] == '#' && std::string_view(" \t\r\n;").find(before) != std::string_view::npos) comment = true;
        if (text[i] == '\n') comment = false;
        if (comment) out[i] = ' ';
    }
    return out;
}

Result<ScheduleEvent> parse_word_event(std::string_view word) {
    ScheduleEvent event;
    const std::size_t at = word.find('@');
    const std::string_view name = word.substr(0, at);
    if (is_kebab(name)) {
        ScheduleEvent::Step step{std::string(name), std::nullopt};
        if (at != std::string_view::npos) {
            auto place = parse_probe_place(word.substr(at + 1));
            if (!place) return tl::make_unexpected(place.error());
            step.at = std::move(*place);
        }
        event.what = std::move(step);
        return event;
    }
    if (word.find(':') == std::string_view::npos && at == std::string_view::npos)
        return fail(fmt::format("'{}' is not an event", word), std::string(kEventHint));
    auto place = parse_probe_place(word);
    if (!place) return tl::make_unexpected(place.error());
    event.what = std::move(*place);
    return event;
}

Result<ScheduleEvent> parse_event(Words words) {
    if (words.empty()) return fail("the event is missing", std::string(kEventHint));
    std::uint64_t times = 1;
    if (words.size() > 1 && words.back().starts_with('x')) {
        if (const auto count = parse_decimal(words.back().substr(1))) {
            if (*count == 0) return fail("x0 never happens", "count from x1, the first time");
            times = *count;
            words = words.first(words.size() - 1);
        }
    }
    Result<ScheduleEvent> event = ScheduleEvent{};
    const auto name_char = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
    if (words.size() == 2 && words[0] == "syscall") {
        if (!std::all_of(words[1].begin(), words[1].end(), name_char))
            return fail(fmt::format("'{}' is not the name of a system call", words[1]),
                        "as in `t1 until syscall futex`");
        event->what = ScheduleEvent::Syscall{std::string(words[1])};
    } else if (words.size() == 2 && (words[1] == "instructions" || words[1] == "instruction")) {
        const auto count = parse_decimal(words[0]);
        if (!count || *count == 0)
            return fail(fmt::format("'{}' is not a number of instructions", words[0]),
                        "as in `t1 until 100 instructions`");
        event->what = ScheduleEvent::Instructions{*count};
    } else if (words.size() == 1 && words[0] == "exit") {
        event->what = ScheduleEvent::Exit{};
    } else if (words.size() == 1 && words[0] == "syscall") {
        return fail("the name of the system call is missing", "as in `t1 until syscall futex`");
    } else if (words.size() == 1) {
        event = parse_word_event(words[0]);
    } else if (std::find(words.begin(), words.end(), "until") != words.end()) {
        return fail(fmt::format("'{}' holds a second 'until'", fmt::join(words, " ")), "put ';' between two items");
    } else {
        return fail(fmt::format("'{}' is not an event", fmt::join(words, " ")), std::string(kEventHint));
    }
    if (event) event->times = times;
    return event;
}

Result<ScheduleItem> parse_item(Words words) {
    ScheduleItem item;
    auto task = parse_task(words[0]);
    if (!task) return tl::make_unexpected(task.error());
    item.task = *task;
    if (words.size() < 2 || words[1] != "until")
        return fail(fmt::format("'until' must follow {}", words[0]), std::string(kItemHint));
    Words rest = words.subspan(2);
    for (;;) {
        const auto either = std::find(rest.begin(), rest.end(), "or");
        auto event = parse_event(rest.first(static_cast<std::size_t>(either - rest.begin())));
        if (!event) return tl::make_unexpected(event.error());
        item.until.push_back(std::move(*event));
        if (either == rest.end()) return item;
        rest = rest.subspan(static_cast<std::size_t>(either - rest.begin()) + 1);
    }
}

} // namespace

std::string to_string(const TaskRef& task) {
    if (task.kind == TaskRef::Kind::tracer) return fmt::format("k{}", task.number);
    if (task.process == 1) return fmt::format("t{}", task.number);
    return fmt::format("p{}.t{}", task.process, task.number);
}

Result<TaskRef> parse_task(std::string_view text) {
    const auto numbered = [](std::string_view part, char letter) -> std::uint32_t {
        if (!part.starts_with(letter)) return 0;
        const auto value = parse_decimal(part.substr(1));
        return value && *value <= std::numeric_limits<std::uint32_t>::max() ? static_cast<std::uint32_t>(*value) : 0;
    };
    TaskRef task;
    std::string_view thread = text;
    if (text.starts_with('k')) {
        task.kind = TaskRef::Kind::tracer;
        task.number = numbered(text, 'k');
    } else {
        if (const auto dot = text.find('.'); dot != std::string_view::npos) {
            task.process = numbered(text.substr(0, dot), 'p');
            thread = text.substr(dot + 1);
        }
        task.number = numbered(thread, 't');
    }
    if (task.number == 0 || task.process == 0)
        return fail(fmt::format("'{}' is not a task", text),
                    "t1 is the main thread, t2 the next; p2.t1 is the second process's; k1 is the first tracer");
    return task;
}

Result<ScheduleScript> parse_schedule_script(std::string_view text) {
    ScheduleScript script;
    script.text = text;
    const auto control = [](char c) {
        return static_cast<unsigned char>(c) < ' ' && c != '\n' && c != '\t' && c != '\r';
    };
    if (const auto at = std::find_if(text.begin(), text.end(), control); at != text.end())
        return fail("the schedule contains a control character", std::string(kItemHint), {},
                    1 + static_cast<int>(std::count(text.begin(), at, '\n')));
    const std::string clean = without_comments(text);
    const std::vector<std::string_view> parts = split(clean, ';');
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const std::vector<std::string_view> words = split_words(parts[i]);
        if (words.empty() && i + 1 == parts.size() && i > 0) break; // a ';' may end the script
        const char* const begin = words.empty() ? parts[i].data() : words.front().data();
        const int line = 1 + static_cast<int>(std::count(clean.data(), begin, '\n'));
        if (words.empty())
            return fail(parts.size() == 1 ? std::string("the schedule is empty")
                                          : fmt::format("schedule item {} is empty", i + 1),
                        std::string(kItemHint), {}, line);
        auto item = parse_item(words);
        std::string written = fmt::format("{}", fmt::join(words, " "));
        if (!item) {
            Error error = std::move(item.error());
            error.what = fmt::format("schedule item {} `{}`: {}", i + 1, written, error.what);
            error.line = line;
            return tl::make_unexpected(std::move(error));
        }
        item->number = i + 1;
        item->line = line;
        item->text = std::move(written);
        script.items.push_back(std::move(*item));
    }
    return script;
}

Result<ScheduleEvent> parse_schedule_event(std::string_view text) { return parse_event(split_words(text)); }

Result<SchedulePolicy> parse_schedule_policy(std::string_view text) {
    const std::string_view body = trim(text);
    if (body == "rr") return policy::RoundRobin{};
    if (split_words(body).size() == 1) {
        const std::vector<std::string_view> parts = split(body, ':');
        std::vector<std::uint64_t> numbers;
        for (const std::string_view part : std::span(parts).subspan(1)) {
            if (const auto value = parse_decimal(part)) numbers.push_back(*value);
        }
        const bool complete = numbers.size() + 1 == parts.size();
        if (parts[0] == "random") {
            if (complete && numbers.size() == 1) return policy::Random{numbers[0]};
            return fail(fmt::format("schedule '{}' has no usable seed", body), "write random:SEED, as in random:7");
        }
        if (parts[0] == "pct") {
            constexpr std::uint64_t kDeepest = 1000; // no known race needs more than a handful of constraints
            if (complete && numbers.size() == 2 && numbers[0] >= 1 && numbers[0] <= kDeepest)
                return policy::Pct{static_cast<std::uint32_t>(numbers[0]), numbers[1]};
            return fail(fmt::format("schedule '{}' has no usable depth and seed", body),
                        "write pct:DEPTH:SEED with a depth from 1 to 1000, as in pct:3:7");
        }
        if (!body.empty())
            return fail(fmt::format("'{}' is not a schedule", body),
                        "use rr, random:SEED, pct:DEPTH:SEED, or a script such as `t1 until text-restored`");
    }
    auto script = parse_schedule_script(text);
    if (!script) return tl::make_unexpected(script.error());
    return std::move(*script);
}

std::optional<Error> check_steps(const ScheduleScript& script, std::span<const std::string> steps) {
    for (const ScheduleItem& item : script.items) {
        for (const ScheduleEvent& event : item.until) {
            const auto* step = std::get_if<ScheduleEvent::Step>(&event.what);
            if (step == nullptr || std::find(steps.begin(), steps.end(), step->name) != steps.end()) continue;
            return Error{
                fmt::format("schedule item {} `{}`: no step is called '{}'", item.number, item.text, step->name),
                suggest(step->name, steps),
                {},
                item.line};
        }
    }
    return std::nullopt;
}

std::string diverged_text(const ScheduleItem& item, std::string_view why) {
    return fmt::format("diverged: item {} `{}`: {}", item.number, item.text, why);
}

} // namespace trapline
