#include "tools/manual/completion.hpp"

#include <fmt/format.h>

namespace trapline {
namespace {

using Option = CommandDescription::Option;

bool is_folder(const Option& option) { return option.placeholder == "DIR"; }

/// The name in the overview, for the list of subcommands.
std::string summary_of(std::string_view name) {
    for (const Subcommand& command : subcommands())
        if (command.name == name) return std::string(command.summary);
    return {};
}

/// Something between single quotes, in which a shell expands nothing.
std::string quoted(std::string_view text) {
    std::string out = "'";
    for (const char c : text) c == '\'' ? out += "'\\''" : out += c;
    return out + "'";
}

/// Characters that have a meaning in a specification of zsh's _arguments are escaped.
std::string for_arguments(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == ':' || c == '[' || c == ']' || c == '\\') out += '\\';
        out += c;
    }
    return out;
}

/// What zsh is to offer for a value.
std::string zsh_action(const Option& option) {
    if (!option.choices.empty()) return fmt::format("({})", fmt::join(option.choices, " "));
    return is_folder(option) ? "_files -/" : "_files";
}

std::string zsh_specification(const Option& option) {
    if (option.spellings.empty()) return quoted(fmt::format("*:{}:{}", option.placeholder, zsh_action(option)));
    const std::string value =
        option.placeholder.empty() ? "" : fmt::format(":{}:{}", option.placeholder, zsh_action(option));
    const std::string what = quoted(fmt::format("[{}]{}", for_arguments(option.what), value));
    // '*' lets an option come again; otherwise each spelling excludes the others.
    const std::string exclusion = option.repeated ? "*" : quoted(fmt::format("({})", fmt::join(option.spellings, " ")));
    if (option.spellings.size() == 1) return (option.repeated ? quoted("*") : "") + option.spellings[0] + what;
    return fmt::format("{}{{{}}}{}", option.repeated ? quoted("*") : exclusion, fmt::join(option.spellings, ","), what);
}

} // namespace

std::string bash_completion(std::span<const CommandDescription> commands) {
    std::string names;
    std::string cases;
    for (const CommandDescription& command : commands) {
        names += (names.empty() ? "" : " ") + command.name;
        std::string options;
        std::string operands;
        std::string values;
        for (const Option& option : command.options) {
            if (option.spellings.empty()) operands = fmt::format("{}", fmt::join(option.choices, " "));
            for (const std::string& spelling : option.spellings) options += (options.empty() ? "" : " ") + spelling;
            if (option.spellings.empty() || option.placeholder.empty()) continue;
            const std::string pattern = fmt::format("{}", fmt::join(option.spellings, "|"));
            if (!option.choices.empty())
                values += fmt::format("            {}) words={} ;;\n", pattern,
                                      quoted(fmt::format("{}", fmt::join(option.choices, " "))));
            else
                values += fmt::format("            {}) want={} ;;\n", pattern, is_folder(option) ? "folder" : "file");
        }
        cases += fmt::format(
            "    {})\n        options={}\n        operands={}\n        case $previous in\n{}        esac\n        ;;\n",
            command.name, quoted(options), quoted(operands), values);
    }
    return fmt::format(R"(# bash completion of trapline; made by `trapline completion bash`.
_trapline() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}}
    local commands='{}' options= operands= words= want= i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        [ "${{COMP_WORDS[i]}}" = -- ] || continue
        if ((i + 1 == COMP_CWORD)); then
            mapfile -t COMPREPLY < <(compgen -c -- "$current"; compgen -f -- "$current")
        else
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
        fi
        return
    done
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W "$commands --help --version" -- "$current")
        return
    fi
    case ${{COMP_WORDS[1]}} in
{}    esac
    if [ -n "$words" ]; then
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
    elif [ "$want" = folder ]; then
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
    elif [ -z "$want" ] && [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options --" -- "$current")
    elif [ -z "$want" ] && [ -n "$operands" ]; then
        mapfile -t COMPREPLY < <(compgen -W "$operands" -- "$current")
    else
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
    fi
}}
complete -o filenames -F _trapline trapline
)",
                       names, cases);
}

std::string zsh_completion(std::span<const CommandDescription> commands) {
    std::string names;
    std::string cases;
    for (const CommandDescription& command : commands) {
        names += fmt::format("        {}\n", quoted(command.name + ":" + for_arguments(summary_of(command.name))));
        cases += fmt::format("    {})\n        _arguments -s -S \\\n", command.name);
        for (const Option& option : command.options)
            cases += fmt::format("            {} \\\n", zsh_specification(option));
        cases += "            && return\n        ;;\n";
    }
    return fmt::format(R"(#compdef trapline
# zsh completion of trapline; made by `trapline completion zsh`.
_trapline() {{
    local -a subcommands # not `commands`: zsh keeps its own there
    local -i dashes
    subcommands=(
{}    )
    if (( CURRENT == 2 )); then
        _describe -t commands subcommand subcommands
        return
    fi
    # Behind -- is another command's line.
    dashes=${{words[(i)--]}}
    if (( dashes < CURRENT )); then
        shift dashes words
        (( CURRENT -= dashes ))
        _normal
        return
    fi
    shift words
    (( CURRENT-- ))
    case $words[1] in
{}    esac
}}
_trapline "$@"
)",
                       names, cases);
}

} // namespace trapline
