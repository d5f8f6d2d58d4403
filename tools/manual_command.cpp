// `trapline manual`: the man pages, made of what the subcommands say of themselves.
#include "scenarios/text.hpp"
#include "tools/manual/describe.hpp"
#include "tools/manual/man_page.hpp"
#include "tools/options.hpp"

#include <fmt/format.h>

namespace trapline {
namespace {

constexpr const char* kFooter =
    "Without SUBCOMMAND it is the overview, trapline(1). `meson install` puts all pages where man finds\n"
    "them.\n"
    "\n"
    "Example: trapline manual run | man -l -\n";

} // namespace

int manual_command(const Arguments& arguments) {
    std::vector<std::string> what;
    CommandLine line("manual", "[SUBCOMMAND]", "Prints a page of the manual, as man(1) reads it.", kFooter);
    std::vector<std::string> names;
    for (const Subcommand& command : subcommands())
        if (command.run != nullptr) names.emplace_back(command.name);
    line.values("SUBCOMMAND", what, "whose page", "");
    line.choices("SUBCOMMAND", names);
    if (const auto over = line.parse(arguments, exit_status::misuse)) return *over;
    if (what.size() > 1 || arguments.program) {
        complain({"manual prints one page at a time", "name one subcommand, or none for the overview", {}, 0});
        return exit_status::misuse;
    }
    if (what.empty()) {
        fmt::print("{}", overview_page(subcommands()));
        return exit_status::done;
    }
    for (const CommandDescription& command : describe_subcommands()) {
        if (command.name != what.front()) continue;
        fmt::print("{}", command_page(command));
        return exit_status::done;
    }
    complain({fmt::format("there is no subcommand {}", text::quoted(what.front())),
              text::suggest(what.front(), names),
              {},
              0});
    return exit_status::misuse;
}

} // namespace trapline
