#include "tools/options.hpp"

#include "boost/catalogue.hpp"
#include "emu/check.hpp"
#include "emu/kernel/cost_file.hpp"
#include "emu/kernel/step.hpp"
#include "probes/dialect.hpp"
#include "probes/mutation.hpp"
#include "scenarios/text.hpp"

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>

namespace trapline {
namespace {

template <class Items> std::vector<std::string> names_of(const Items& items) {
    std::vector<std::string> names;
    for (const auto& item : items) names.emplace_back(item.name);
    return names;
}

tl::unexpected<Error> unknown(std::string_view what, std::string_view name, const std::vector<std::string>& known) {
    return fail(fmt::format("unknown {} {}", what, text::quoted(name)), text::suggest(name, known));
}

Result<std::variant<SchedulePolicy, Token>> parse_schedule(const std::string& given) {
    if (given.starts_with("tl1:")) {
        auto token = parse_token(given);
        if (!token) return tl::make_unexpected(token.error());
        return std::variant<SchedulePolicy, Token>(*token);
    }
    auto policy = parse_schedule_policy(given);
    if (!policy) {
        Error error = policy.error();
        error.what = "--schedule: " + error.what;
        error.line = 0;
        return tl::make_unexpected(error);
    }
    if (const auto* script = std::get_if<ScheduleScript>(&*policy)) {
        if (auto error = check_steps(*script, names_of(all_steps()))) {
            error->what = "--schedule: " + error->what;
            error->line = 0;
            return tl::make_unexpected(*error);
        }
    }
    return std::variant<SchedulePolicy, Token>(*policy);
}

} // namespace

const char* const kProbeHelp = "Probes (PATH may be left out for the main program):\n"
                               "  -p PATH:SYMBOL[+OFFSET]      -p :main      -p libc.so.6:malloc\n"
                               "  -p PATH:0xFILE_OFFSET        -p /bin/ls:0x6b10\n"
                               "  -p @0xADDRESS                a virtual address in the program\n"
                               "  -p uprobe:PATH:SYMBOL        as bpftrace spells it\n"
                               "  -p 'p[:NAME] PATH:0xFILE_OFFSET'   as the kernel's uprobe_events has it\n"
                               "  -p 'p PLACE %di s=+0(%si):string'  with fetch arguments; r PLACE $retval\n";

void complain(const Error& error) { fmt::print(stderr, "{}\n", error.text()); }

CommandLine::CommandLine(std::string name, std::string usage, std::string what, std::string footer)
    : app_(what, "trapline " + name), description_{name, std::move(usage), what, footer, {}} {
    app_.footer("\n" + footer);
    auto formatter = std::make_shared<CLI::Formatter>();
    formatter->column_width(32);
    app_.formatter(formatter);
    app_.set_help_flag("-h,--help", "this text");
    describe("-h,--help", "", "this text", false);
}

void CommandLine::describe(const std::string& names, const std::string& placeholder, const std::string& what,
                           bool repeated) {
    CommandDescription::Option option{{}, placeholder, what, repeated};
    if (names[0] != '-')
        option.placeholder = names;
    else
        for (const std::string_view spelling : text::split(names, ',')) option.spellings.emplace_back(spelling);
    description_.options.push_back(std::move(option));
}

void CommandLine::choices(std::string_view spelling, std::vector<std::string> names) {
    for (CommandDescription::Option& option : description_.options) {
        const bool named =
            std::find(option.spellings.begin(), option.spellings.end(), spelling) != option.spellings.end();
        if (named || (option.spellings.empty() && option.placeholder == spelling)) {
            option.choices = std::move(names);
            return;
        }
    }
    TL_CHECK(false, "there is no option {}", spelling);
}

void CommandLine::value(const std::string& names, std::optional<std::string>& into, const std::string& what,
                        const std::string& placeholder) {
    describe(names, placeholder, what, false);
    app_.add_option_function<std::string>(
            names, [&into](const std::string& given) { into = given; }, what)
        ->type_name(placeholder);
}

void CommandLine::values(const std::string& names, std::vector<std::string>& into, const std::string& what,
                         const std::string& placeholder) {
    describe(names, placeholder, what, true);
    app_.add_option(names, into, what)->type_name(placeholder)->allow_extra_args(names[0] != '-');
}

void CommandLine::flag(const std::string& names, bool& into, const std::string& what) {
    describe(names, "", what, false);
    app_.add_flag_callback(
        names, [&into] { into = true; }, what);
}

std::optional<int> CommandLine::parse(const Arguments& arguments, int misuse) {
    if (arguments.describe != nullptr) {
        *arguments.describe = description_;
        return exit_status::done;
    }
    const std::string see = fmt::format("{} --help says more", app_.get_name());
    try {
        app_.parse(std::vector<std::string>(arguments.ours.rbegin(), arguments.ours.rend()));
    } catch (const CLI::CallForHelp&) {
        std::string help = app_.help();
        const std::string theirs = app_.get_name() + " [OPTIONS]";
        const std::size_t at = help.find(theirs);
        if (at != std::string::npos)
            help.replace(at, help.find('\n', at) - at, app_.get_name() + " " + description_.usage);
        fmt::print("{}", help);
        return exit_status::done;
    } catch (const CLI::ExtrasError&) {
        const std::string extra = app_.remaining().front();
        if (!extra.starts_with('-')) {
            complain({fmt::format("{} is one argument too many", text::quoted(extra)), see, {}, 0});
            return misuse;
        }
        const std::string name = extra.substr(0, extra.find('='));
        std::vector<std::string> known;
        for (const CLI::Option* option : app_.get_options())
            for (const std::string& spelling : option->get_lnames()) known.push_back("--" + spelling);
        const auto near = text::nearest(name, known);
        complain({fmt::format("unknown option {}", text::quoted(name)),
                  near ? fmt::format("did you mean {}?", *near) : see,
                  {},
                  0});
        return misuse;
    } catch (const CLI::ParseError& error) {
        complain({error.what(), see, {}, 0});
        return misuse;
    }
    return std::nullopt;
}

void MachineOptions::add_to(CommandLine& line) {
    line.values("-p,--probe", probes, "a probe, see below; may be repeated", "SPEC");
    line.value("--strategy", strategy, "how probed instructions run: `trapline list strategies`", "NAME");
    line.value("--cpus", cpus, "virtual CPUs (default 2)", "N");
    line.value("--kernel", kernel, "whose rules apply: `trapline list dialects` (linux-6.18)", "DIALECT");
    line.value("--schedule", schedule, "rr (default), random:SEED, pct:DEPTH:SEED, a script, a token", "HOW");
    line.value("--seed", seed, "for all the guest's randomness (default 0)", "N");
    line.value("--cost", cost, "prices: `trapline list profiles` (bare-metal), or a file", "PROFILE");
    line.value("--root", root, "what the guest sees as / (default /), read-only", "DIR");
    line.values("--write", write, "where the guest may write; may be repeated", "DIR");
    line.values("--env", environment, "add to the guest's environment; may be repeated", "NAME=VALUE");
    line.value("--limit", limit, "stop after that many instructions", "N");
    line.value("--mutation", mutation, "a defect of the virtual kernel, on purpose (docs/explore.md)", "NAME");
    line.choices("--strategy", names_of(strategies()));
    line.choices("--kernel", names_of(dialects()));
    line.choices("--cost", names_of(cost_profiles()));
    line.choices("--mutation", names_of(mutations()));
}

Result<void> MachineOptions::apply(RunRequest& request) const {
    for (const std::string& probe : probes) {
        auto spec = parse_probe_spec(probe);
        if (!spec) return tl::make_unexpected(spec.error());
        request.probes.push_back({std::move(*spec), true, 0});
    }
    for (const std::string& variable : environment) {
        const std::size_t equals = variable.find('=');
        if (equals == std::string::npos || equals == 0)
            return fail(fmt::format("--env {} is no NAME=VALUE", text::quoted(variable)),
                        "the guest has no part in the host's environment: write the value out");
        set_variable(request.environment, variable);
    }
    if (kernel) {
        if (dialect(*kernel) == nullptr) return unknown("kernel", *kernel, names_of(dialects()));
        request.kernel = *kernel;
    }
    if (mutation) {
        std::vector<std::string> known;
        for (const MutationInfo& m : mutations()) known.emplace_back(m.name);
        if (!mutation_by_name(*mutation)) return unknown("mutation", *mutation, known);
        request.mutation = *mutation;
    }
    if (cost) {
        if (const auto profile = find_cost(*cost); !profile) {
            if (!profile.error().file.empty()) return tl::make_unexpected(profile.error());
            return unknown("cost profile", *cost, names_of(cost_profiles()));
        }
        request.cost = *cost;
    }
    if (cpus) {
        constexpr std::uint64_t kMost = 64;
        const auto number = parse_number("--cpus", *cpus);
        if (!number) return tl::make_unexpected(number.error());
        if (*number < 1 || *number > kMost) return fail(fmt::format("--cpus {}: must be 1 to {}", *number, kMost));
        request.cpus = static_cast<unsigned>(*number);
    }
    if (seed) {
        const auto number = parse_number("--seed", *seed);
        if (!number) return tl::make_unexpected(number.error());
        request.seed = *number;
    }
    if (limit) {
        const auto number = parse_number("--limit", *limit);
        if (!number) return tl::make_unexpected(number.error());
        if (*number == 0) return fail("--limit 0 would run nothing");
        request.limit = *number;
    }
    if (schedule) {
        auto parsed = parse_schedule(*schedule);
        if (!parsed) return tl::make_unexpected(parsed.error());
        request.schedule = std::move(*parsed);
    }
    std::error_code ignored;
    const auto is_folder = [&](const std::string& path) { return std::filesystem::is_directory(path, ignored); };
    if (root) {
        if (!is_folder(*root)) return fail(fmt::format("--root {}: no such folder", text::quoted(*root)));
        request.root = *root;
    }
    for (const std::string& folder : write) {
        if (!is_folder(folder)) return fail(fmt::format("--write {}: no such folder", text::quoted(folder)));
        request.write_directories.push_back(folder);
    }
    return {};
}

Result<std::vector<std::string>> parse_strategies(std::string_view given) {
    const std::vector<std::string> known = names_of(strategies());
    if (given == "all") return known;
    std::vector<std::string> chosen;
    for (const std::string_view name : text::split(given, ',')) {
        if (strategy_info(name) == nullptr) return unknown("strategy", name, known);
        if (std::find(chosen.begin(), chosen.end(), name) == chosen.end()) chosen.emplace_back(name);
    }
    return chosen;
}

Result<std::uint64_t> parse_number(std::string_view name, std::string_view given) {
    const auto number = text::parse_decimal(given);
    if (!number) return fail(fmt::format("{} {}: must be a decimal number", name, text::quoted(given)));
    return *number;
}

Vocabulary vocabulary() {
    return {names_of(strategies()), names_of(dialects()), names_of(cost_profiles()), names_of(all_steps())};
}

std::string guests_directory(const std::optional<std::string>& option) {
    if (option) return *option;
    if (const char* named = std::getenv("TRAPLINE_GUESTS"); named != nullptr && *named != '\0') return named;
    // The build folder may be moved or mounted elsewhere: what counts is where the command is now.
    std::error_code ignored;
    const auto command = std::filesystem::read_symlink("/proc/self/exe", ignored);
    const auto built = (command.parent_path() / TRAPLINE_GUESTS_FROM_COMMAND).lexically_normal();
    const auto installed = (command.parent_path() / TRAPLINE_GUESTS_FROM_INSTALLED).lexically_normal();
    return (std::filesystem::is_directory(built, ignored) ? built : installed).string();
}

void set_variable(std::vector<std::string>& environment, const std::string& assignment) {
    const std::string prefix = assignment.substr(0, assignment.find('=') + 1);
    const auto same = [&](const std::string& other) { return other.starts_with(prefix); };
    const auto found = std::find_if(environment.begin(), environment.end(), same);
    if (found != environment.end())
        *found = assignment;
    else
        environment.push_back(assignment);
}

std::vector<std::string> default_environment() {
    return {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/"};
}

} // namespace trapline
