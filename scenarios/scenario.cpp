// The only file that knows toml++. Everything leaves it as the plain structs of scenarios/scenario.hpp.
#include "scenarios/scenario.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <initializer_list>
#include <limits>
#include <toml++/toml.h>

#include "probes/mutation.hpp"
#include "scenarios/text.hpp"

namespace trapline {

using namespace text;

namespace {

constexpr std::uint64_t kAnyNumber = std::numeric_limits<std::int64_t>::max(); // TOML's integers end there

std::string_view type_name(const toml::node& node) {
    switch (node.type()) {
    case toml::node_type::string:
        return "a string";
    case toml::node_type::integer:
        return "an integer";
    case toml::node_type::floating_point:
        return "a floating-point number";
    case toml::node_type::boolean:
        return "a boolean";
    case toml::node_type::array:
        return "an array";
    case toml::node_type::table:
        return "a table";
    default:
        return "a date or time";
    }
}

int line_of(const toml::node& node) { return static_cast<int>(node.source().begin.line); }

/// Keeps the error that stands first in the file, so that the reader below can go on without asking after each value.
class Problems {
  public:
    void add(int line, std::string what, std::string hint) {
        if (!first_ || line < first_->line) first_ = Error{std::move(what), std::move(hint), {}, line};
    }
    void add(int line, const Error& error) { add(line, error.what, error.hint); }
    [[nodiscard]] const std::optional<Error>& first() const { return first_; }

  private:
    std::optional<Error> first_;
};

/// One table of the file. Every key that is asked for becomes known; `finish` refuses the rest.
class Section {
  public:
    Section(Problems& problems, const toml::table& table, std::string name)
        : problems_(problems), table_(table), name_(std::move(name)) {}

    [[nodiscard]] int line() const { return line_of(table_); }
    [[nodiscard]] int line(std::string_view key) const {
        const toml::node* node = table_.get(key);
        return node == nullptr ? line() : line_of(*node);
    }
    [[nodiscard]] bool has(std::string_view key) const { return table_.get(key) != nullptr; }

    const toml::node* find(std::string_view key) {
        asked_.emplace_back(key);
        return table_.get(key);
    }
    void wrong(std::string_view key, std::string_view what, std::string hint) {
        problems_.add(line(key), fmt::format("'{}' in {} {}", key, name_, what), std::move(hint));
    }
    void wrong_type(std::string_view key, const toml::node& node, std::string_view wanted) {
        problems_.add(line_of(node), fmt::format("'{}' in {} is {}, not {}", key, name_, type_name(node), wanted), {});
    }
    void require(std::string_view key, std::string hint) {
        if (!has(key)) problems_.add(line(), fmt::format("{} has no '{}'", name_, key), std::move(hint));
    }

    /// Bytes for the guest may hold anything; names, paths and arguments end at a zero byte for the kernel.
    std::optional<std::string> bytes(std::string_view key) {
        const toml::node* node = find(key);
        if (node == nullptr) return std::nullopt;
        if (const auto* value = node->as_string()) return value->get();
        wrong_type(key, *node, "a string");
        return std::nullopt;
    }
    std::optional<std::string> text(std::string_view key) {
        auto value = bytes(key);
        if (value && value->find('\0') != std::string::npos) wrong(key, "contains a zero byte", "leave it out");
        return value;
    }
    std::optional<std::uint64_t> number(std::string_view key, std::uint64_t least, std::uint64_t most = kAnyNumber) {
        const toml::node* node = find(key);
        if (node == nullptr) return std::nullopt;
        const auto* value = node->as_integer();
        if (value == nullptr) {
            wrong_type(key, *node, "an integer");
            return std::nullopt;
        }
        const std::int64_t got = value->get();
        if (got >= 0 && static_cast<std::uint64_t>(got) >= least && static_cast<std::uint64_t>(got) <= most)
            return static_cast<std::uint64_t>(got);
        const std::string range = most == kAnyNumber ? fmt::format("write a number from {} on", least)
                                                     : fmt::format("write a number from {} to {}", least, most);
        wrong(key, fmt::format("is {}, out of range", got), range);
        return std::nullopt;
    }
    bool boolean(std::string_view key, bool otherwise) {
        const toml::node* node = find(key);
        if (node == nullptr) return otherwise;
        if (const auto* value = node->as_boolean()) return value->get();
        wrong_type(key, *node, "true or false");
        return otherwise;
    }
    std::vector<std::string> strings(std::string_view key) {
        const toml::node* node = find(key);
        if (node == nullptr) return {};
        const auto* array = node->as_array();
        if (array == nullptr) {
            wrong_type(key, *node, "an array of strings");
            return {};
        }
        std::vector<std::string> out;
        for (const toml::node& element : *array) {
            const auto* value = element.as_string();
            if (value == nullptr)
                wrong_type(key, element, "a string, as all elements must be");
            else if (value->get().find('\0') != std::string::npos)
                wrong(key, "contains a zero byte", "leave it out");
            else
                out.push_back(value->get());
        }
        return out;
    }
    /// The index of the word among `words`; nothing when the key is absent or wrong.
    std::optional<std::size_t> choice(std::string_view key, std::initializer_list<const char*> words) {
        const auto value = text(key);
        if (!value) return std::nullopt;
        const auto found = std::find(words.begin(), words.end(), *value);
        if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
        const std::vector<std::string> known(words.begin(), words.end());
        wrong(key, fmt::format("is {}", quoted(*value)), suggest(*value, known));
        return std::nullopt;
    }
    /// Strategy, dialect and profile names; `known` may be empty, then only the shape is checked.
    void check_name(std::string_view key, const std::string& name, const std::vector<std::string>& known,
                    std::string_view kind) {
        if (!known.empty() && std::find(known.begin(), known.end(), name) == known.end())
            wrong(key, fmt::format("names {}, which is no {}", quoted(name), kind), suggest(name, known));
        else if (known.empty() &&
                 name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-._") != std::string::npos)
            wrong(key, fmt::format("names {}, which is no {}", quoted(name), kind),
                  "names are lower-case letters, digits and '-'");
        else if (name.empty())
            wrong(key, fmt::format("names no {}", kind), "leave the key out for the default");
    }
    std::vector<std::string> strategies(const std::vector<std::string>& known) {
        constexpr std::string_view kKey = "strategies";
        const toml::node* node = table_.get(kKey);
        std::vector<std::string> names;
        if (node != nullptr && node->is_string())
            names = {*text(kKey)};
        else
            names = strings(kKey);
        if (node != nullptr && node->is_array() && node->as_array()->empty())
            wrong(kKey, "is empty", "name at least one strategy, or leave the key out");
        for (std::size_t i = 0; i < names.size(); ++i) {
            if (names[i] != "all") check_name(kKey, names[i], known, "strategy");
            if (std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i), names[i]) !=
                names.begin() + static_cast<std::ptrdiff_t>(i))
                wrong(kKey, fmt::format("names '{}' twice", names[i]), "once is enough");
        }
        return names;
    }
    void finish() {
        for (const auto& [key, node] : table_) {
            if (std::find(asked_.begin(), asked_.end(), key.str()) != asked_.end()) continue;
            problems_.add(static_cast<int>(key.source().begin.line),
                          fmt::format("unknown key {} in {}", quoted(key.str()), name_), suggest(key.str(), asked_));
        }
    }

  private:
    Problems& problems_;
    const toml::table& table_;
    std::string name_;
    std::vector<std::string> asked_;
};

/// Reads the whole file; what is wrong goes to `problems`.
class FileReader {
  public:
    FileReader(std::string_view text, const Vocabulary& known) : text_(text), known_(known) {}

    Scenario scenario;
    Problems problems;

    void read(const toml::table& root) {
        Section top(problems, root, "the file");
        top.require("schema", "begin the file with: schema = 1");
        if (const auto schema = top.number("schema", 0); schema && *schema != 1)
            top.wrong("schema", fmt::format("is {}", *schema), "this version reads schema = 1");
        top.require("name", "add: name = \"what-it-shows\"");
        scenario.name = top.text("name").value_or("");
        if (top.has("name") && scenario.name.empty()) top.wrong("name", "is empty", "give the scenario a name");
        scenario.intent = top.text("intent").value_or("");
        scenario.source = top.text("source").value_or("");
        top.require("guest", "add a section [guest] with program = \"FILE\"");
        one(top, "guest", [&](Section s) { read_guest(s); });
        each(top, "probe", [&](Section s) { read_probe(s); });
        each(top, "tracer", [&](Section s) { read_tracer(s); });
        one(top, "run", [&](Section s) { read_run(s); });
        one(top, "explore", [&](Section s) { read_explore(s); });
        each(top, "expect", [&](Section s) { read_expectation(s); });
        top.finish();
    }

  private:
    std::string_view text_;
    const Vocabulary& known_;

    template <class Read> void one(Section& top, std::string_view key, Read read_section) {
        const toml::node* node = top.find(key);
        if (node == nullptr) return;
        if (const auto* table = node->as_table())
            read_section(Section(problems, *table, fmt::format("[{}]", key)));
        else
            top.wrong(key, fmt::format("is {}, not a section", type_name(*node)), fmt::format("write [{}]", key));
    }
    template <class Read> void each(Section& top, std::string_view key, Read read_section) {
        const toml::node* node = top.find(key);
        if (node == nullptr) return;
        const auto* array = node->as_array();
        if (array == nullptr ||
            !std::all_of(array->begin(), array->end(), [](const auto& n) { return n.is_table(); })) {
            top.wrong(key, "is not a list of sections", fmt::format("write [[{}]] before each", key));
            return;
        }
        for (const toml::node& element : *array)
            read_section(Section(problems, *element.as_table(), fmt::format("[[{}]]", key)));
    }

    void read_guest(Section& s) {
        GuestSection& guest = scenario.guest;
        s.require("program", "add: program = \"FILE\", an ELF file or one of the guests");
        guest.program = s.text("program").value_or("");
        if (s.has("program") && guest.program.empty()) s.wrong("program", "is empty", "name an ELF file");
        guest.args = s.strings("args");
        guest.env = s.strings("env");
        for (const std::string& entry : guest.env) {
            if (entry.find('=') == std::string::npos || entry.front() == '=')
                s.wrong("env", fmt::format("has {}", quoted(entry)), "write NAME=VALUE");
        }
        guest.standard_input = s.bytes("stdin").value_or("");
        constexpr std::uint64_t kMostCpus = 64;
        guest.cpus = static_cast<std::uint32_t>(s.number("cpus", 1, kMostCpus).value_or(guest.cpus));
        s.finish();
    }

    /// The probe of this file at the place that `at` names.
    std::optional<std::size_t> declared_probe(Section& s, std::string_view key, std::string_view at) {
        const auto spec = parse_probe_spec(at);
        if (!spec) {
            problems.add(s.line(key), spec.error());
            return std::nullopt;
        }
        // Several probes may be at one place, written in ways of their own.
        std::vector<std::string> names;
        std::vector<std::size_t> same_words, same_place;
        for (std::size_t i = 0; i < scenario.probes.size(); ++i) {
            const ProbeSpec& other = scenario.probes[i].spec;
            names.push_back(other.text);
            if (other.text == spec->text) same_words.push_back(i);
            if (other.is_return == spec->is_return && static_cast<const ProbePlace&>(other) == *spec)
                same_place.push_back(i);
        }
        const std::vector<std::size_t>& found = same_words.empty() ? same_place : same_words;
        if (found.size() == 1) return found.front();
        if (found.size() > 1) {
            s.wrong(key, fmt::format("names {}, and {} probes are there", quoted(at), found.size()),
                    "give them names, as in at = \"p:first :hot\", and use those");
            return std::nullopt;
        }
        s.wrong(key, fmt::format("names {}, which is no probe of this file", quoted(at)),
                names.empty() ? std::string("declare it first: [[probe]] with at = ...") : suggest(at, names));
        return std::nullopt;
    }

    void read_probe(Section& s) {
        s.require("at", "add: at = \":SYMBOL\"");
        ScenarioProbe probe;
        probe.line = s.line();
        probe.registered = s.boolean("registered", true);
        if (const auto at = s.text("at")) {
            auto spec = parse_probe_spec(*at);
            if (spec)
                probe.spec = std::move(*spec);
            else
                problems.add(s.line("at"), spec.error());
        }
        scenario.probes.push_back(std::move(probe));
        s.finish();
    }

    void read_tracer(Section& s) {
        s.require("do", "add: do = [\"unregister :hot\"]");
        ScenarioTracer tracer;
        tracer.line = s.line();
        for (const std::string& text : s.strings("do")) {
            const std::string_view operation = trim(text);
            const std::string_view verb = operation.substr(0, operation.find_first_of(" \t"));
            if (verb != "register" && verb != "unregister") {
                s.wrong("do", fmt::format("has {}", quoted(text)), "write \"register PROBE\" or \"unregister PROBE\"");
                continue;
            }
            if (const auto probe = declared_probe(s, "do", trim(operation.substr(verb.size()))))
                tracer.steps.push_back(TracerStep{verb == "register", *probe, std::string(operation)});
        }
        if (s.has("do") && tracer.steps.empty()) s.wrong("do", "does nothing", "list at least one operation");
        scenario.tracers.push_back(std::move(tracer));
        s.finish();
    }

    void read_run(Section& s) {
        RunSection& run = scenario.run;
        if (s.has("strategies"))
            run.strategies = s.strategies(known_.strategies);
        else
            (void)s.strategies(known_.strategies);
        if (const auto kernel = s.text("kernel")) {
            s.check_name("kernel", *kernel, known_.dialects, "dialect");
            run.kernel = *kernel;
        }
        if (const auto cost = s.text("cost")) {
            s.check_name("cost", *cost, known_.profiles, "cost profile");
            run.cost = *cost;
        }
        constexpr std::uint64_t kMostSlots = 31;
        if (const auto slots = s.number("slots", 1, kMostSlots)) run.slots = static_cast<std::uint32_t>(*slots);
        if (const auto mutation = s.text("mutation")) {
            if (!mutation_by_name(*mutation)) {
                std::vector<std::string> names;
                for (const MutationInfo& m : mutations()) names.emplace_back(m.name);
                s.wrong("mutation", fmt::format("is {}", quoted(*mutation)), suggest(*mutation, names));
            }
            run.mutation = *mutation;
        }
        run.seed = s.number("seed", 0).value_or(0);
        run.limit = s.number("limit", 1);
        if (const auto text = s.text("schedule")) {
            run.schedule_line = first_text_line(text_, s.line("schedule"));
            auto schedule = parse_schedule_policy(*text);
            const auto at = [&](const Error& error) { return run.schedule_line + std::max(0, error.line - 1); };
            if (!schedule) {
                problems.add(at(schedule.error()), schedule.error());
            } else {
                run.schedule = std::move(*schedule);
                const auto* script = std::get_if<ScheduleScript>(&run.schedule);
                if (script != nullptr && !known_.steps.empty()) {
                    if (const auto unknown = check_steps(*script, known_.steps)) problems.add(at(*unknown), *unknown);
                }
                if (script != nullptr) check_tracers(*script);
            }
        }
        s.finish();
    }

    void check_tracers(const ScheduleScript& script) {
        for (const ScheduleItem& item : script.items) {
            if (item.task.kind != TaskRef::Kind::tracer || item.task.number <= scenario.tracers.size()) continue;
            problems.add(scenario.run.schedule_line + item.line - 1,
                         fmt::format("schedule item {} `{}`: there is no tracer {}", item.number, item.text,
                                     to_string(item.task)),
                         "k1 is the first [[tracer]] of the file");
        }
    }

    void read_explore(Section& s) {
        ExploreSection explore;
        if (const auto method = s.choice("method", {"exhaustive", "pct", "pos", "random"}))
            explore.method = static_cast<ExploreSection::Method>(*method);
        if (const auto grain = s.choice("grain", {"probe-events", "instructions"}))
            explore.grain = static_cast<ExploreSection::Grain>(*grain);
        constexpr std::uint64_t kMost32 = std::numeric_limits<std::uint32_t>::max();
        if (const auto bound = s.number("preemptions", 0, kMost32))
            explore.preemptions = static_cast<std::uint32_t>(*bound);
        explore.schedules = s.number("schedules", 1).value_or(explore.schedules);
        explore.runs = s.number("runs", 1).value_or(0);
        explore.depth = static_cast<std::uint32_t>(s.number("depth", 1, 1000).value_or(explore.depth));
        explore.seed = s.number("seed", 0).value_or(0);
        if (explore.method == ExploreSection::Method::exhaustive) {
            if (s.has("runs"))
                s.wrong("runs", "is for sampling", "the budget of an exhaustive search is schedules = N");
        } else {
            s.require("runs", "a sampling method needs runs = N");
            s.require("seed", "a sampling method needs seed = N");
            if (s.has("schedules"))
                s.wrong("schedules", "is for exhaustive", "the budget of a sampling search is runs = N");
        }
        if (s.has("depth") && explore.method != ExploreSection::Method::pct)
            s.wrong("depth", "is for pct", "leave it out, or use method = \"pct\"");
        read_from(s, explore);
        s.finish();
        scenario.explore = std::move(explore);
    }

    void read_from(Section& s, ExploreSection& explore) {
        const toml::node* node = s.find("from");
        if (node == nullptr) return;
        if (node->is_integer()) {
            if (const auto hit = s.number("from", 1)) {
                explore.from = *hit;
                explore.from_text = std::to_string(*hit);
            }
        } else if (const auto text = s.text("from")) {
            auto event = parse_schedule_event(*text);
            if (!event) return s.wrong("from", fmt::format("is wrong: {}", event.error().what), event.error().hint);
            explore.from = std::move(*event);
            explore.from_text = *text;
        }
    }

    std::optional<Amount> read_amount(Section& s, std::string_view key) {
        const toml::node* node = s.find(key);
        if (node == nullptr) return std::nullopt;
        if (node->is_integer()) {
            const auto value = s.number(key, 0);
            return value ? std::optional<Amount>(*value) : std::nullopt;
        }
        if (!node->is_string()) {
            s.wrong_type(key, *node, "a number or one of never, sometimes, always");
            return std::nullopt;
        }
        const auto index = s.choice(key, {"never", "sometimes", "always"});
        return index ? std::optional<Amount>(static_cast<Quantifier>(*index)) : std::nullopt;
    }

    std::optional<int> read_signal(Section& s) {
        constexpr int kLast = 64;
        const toml::node* node = s.find("signal");
        if (node == nullptr) return std::nullopt;
        if (node->is_integer()) {
            const auto value = s.number("signal", 1, kLast);
            return value ? std::optional<int>(static_cast<int>(*value)) : std::nullopt;
        }
        const auto name = s.text("signal");
        if (!name) return std::nullopt;
        if (const auto number = signal_number(*name)) return number;
        s.wrong("signal", fmt::format("is {}", quoted(*name)), "write its number or its name, as in \"SIGSEGV\"");
        return std::nullopt;
    }

    void read_expectation(Section& s) {
        Expectation expect;
        expect.line = s.line();
        expect.strategies = s.strategies(known_.strategies);
        const std::vector<std::string>& tried = scenario.run.strategies;
        const auto is = [](std::string_view name) {
            return [name](const std::string& other) { return other == name; };
        };
        for (const std::string& name : expect.strategies) {
            if (name != "all" && std::none_of(tried.begin(), tried.end(), is(name)) &&
                std::none_of(tried.begin(), tried.end(), is("all")))
                s.wrong("strategies", fmt::format("names '{}', which [run] does not try", name),
                        "add it to the strategies of [run], or leave it out here");
        }
        if (const auto at = s.text("at")) expect.probe = declared_probe(s, "at", *at);
        bool checks_something = false;
        for (std::size_t i = 0; i < kMetricNames.size(); ++i) {
            expect.amounts[i] = read_amount(s, kMetricNames[i]);
            checks_something = checks_something || s.has(kMetricNames[i]);
            if (expect.amounts[i] && i >= kProbeMetrics && s.has("at"))
                s.wrong(kMetricNames[i], "is counted for the machine, not for a probe",
                        "put it in an [[expect]] without 'at'");
        }
        if (const auto code = s.number("exit", 0, 255)) expect.exit_code = static_cast<int>(*code);
        expect.signal = read_signal(s);
        if (s.has("exit") && s.has("signal")) s.wrong("signal", "stands beside 'exit'", "a process ends in one way");
        expect.standard_output = s.bytes("stdout");
        if (const auto status = s.choice("status", {"completed", "limit", "diverged", "deadlock"}))
            expect.status = static_cast<RunStatus>(*status);
        if (const auto number = s.number("errno", 0, 4095)) expect.error_number = static_cast<int>(*number);
        for (const char* key : {"exit", "signal", "stdout", "status", "errno"})
            checks_something = checks_something || s.has(key);
        s.finish();
        if (!checks_something)
            problems.add(s.line(), "this [[expect]] expects nothing",
                         "add missed = \"never\", hits = N, exit = 0, ...");
        scenario.expectations.push_back(std::move(expect));
    }
};

} // namespace

bool Expectation::applies_to(std::string_view strategy) const {
    return strategies.empty() || std::any_of(strategies.begin(), strategies.end(), [&](const std::string& name) {
               return name == strategy || name == "all";
           });
}

Result<Scenario> parse_scenario(std::string_view text, std::string file, const Vocabulary& known) {
    FileReader reader(text, known);
    try {
        reader.read(toml::parse(text, std::string_view(file)));
    } catch (const toml::parse_error& error) {
        return fail(fmt::format("not TOML: {}", error.description()), {}, file,
                    static_cast<int>(error.source().begin.line));
    }
    if (reader.problems.first()) {
        Error error = *reader.problems.first();
        error.file = std::move(file);
        return tl::make_unexpected(std::move(error));
    }
    reader.scenario.file = std::move(file);
    return std::move(reader.scenario);
}

} // namespace trapline
