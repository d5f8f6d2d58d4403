#include "tools/manual/man_page.hpp"

#include "scenarios/text.hpp"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>

namespace trapline {
namespace {

/// Text that troff takes for text: no escapes, no requests at the start of a line, and hyphens that can be copied.
std::string escaped(std::string_view text) {
    std::string out;
    bool line_start = true;
    for (const char c : text) {
        if (line_start && (c == '.' || c == '\'')) out += "\\&";
        if (c == '\\')
            out += "\\e";
        else if (c == '-')
            out += "\\-";
        else
            out += c;
        line_start = c == '\n';
    }
    return out;
}

std::string heading(std::string_view name, std::string_view summary, std::string_view synopsis) {
    std::string title(name);
    std::transform(title.begin(), title.end(), title.begin(), [](unsigned char c) { return std::toupper(c); });
    return fmt::format(".TH {} 1 \"\" \"trapline {}\" \"trapline\"\n.SH NAME\n{} \\- {}\n.SH SYNOPSIS\n.nf\n{}\n.fi\n",
                       escaped(title), TRAPLINE_VERSION, escaped(name), escaped(summary), escaped(synopsis));
}

std::string section(std::string_view title, std::string_view text) {
    return fmt::format(".SH {}\n.nf\n{}\n.fi\n", title, escaped(text));
}

/// "Runs a program." becomes what stands behind a name: "runs a program".
std::string as_summary(std::string what) {
    what[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(what[0])));
    if (what.ends_with('.')) what.pop_back();
    return what;
}

std::string_view without_end(std::string_view text) {
    while (text.ends_with('\n')) text.remove_suffix(1);
    return text;
}

} // namespace

std::string overview_page(std::span<const Subcommand> commands) {
    std::string page = heading("trapline", "runs programs in an emulated machine and probes their instructions",
                               "trapline SUBCOMMAND [OPTIONS] ...\ntrapline SUBCOMMAND --help\ntrapline --version");
    page += ".SH DESCRIPTION\n"
            "The interleaving of the machine's CPUs is under control, and every fetch is seen: trapline knows which\n"
            "executions of a probed instruction were missed. Each subcommand has a page of its own.\n"
            ".SH SUBCOMMANDS\n";
    std::string see = ".SH SEE ALSO\n";
    for (const Subcommand& command : commands) {
        page += fmt::format(".TP\n.B trapline {} {}\n{}\n", escaped(command.name), escaped(command.usage),
                            escaped(command.summary));
        see += fmt::format("{}.BR trapline\\-{} (1)", see.ends_with("ALSO\n") ? "" : ",\n", escaped(command.name));
    }
    return page + see + "\n";
}

std::string command_page(const CommandDescription& command) {
    std::string page = heading("trapline-" + command.name, as_summary(command.what),
                               fmt::format("trapline {} {}", command.name, command.usage));
    page += fmt::format(".SH DESCRIPTION\n{}\n.SH OPTIONS\n", escaped(command.what));
    for (const CommandDescription::Option& option : command.options) {
        const std::string spelled = fmt::format("{}", fmt::join(option.spellings, ", "));
        const bool both = !spelled.empty() && !option.placeholder.empty();
        page += fmt::format(".TP\n.B {}{}{}\n{}\n", escaped(spelled), both ? " " : "", escaped(option.placeholder),
                            escaped(option.what));
    }
    return page + section("NOTES", without_end(command.footer)) + ".SH SEE ALSO\n.BR trapline (1)\n";
}

} // namespace trapline
