// `trapline completion`: what bash and zsh need to complete a line, made of what the subcommands say of themselves.
#include "scenarios/text.hpp"
#include "tools/manual/completion.hpp"
#include "tools/manual/describe.hpp"
#include "tools/options.hpp"

#include <fmt/format.h>

namespace trapline {
namespace {

constexpr const char* kFooter =
    "`meson install` puts both where the shells find them. Without it:\n"
    "  bash   source <(trapline completion bash)\n"
    "  zsh    trapline completion zsh > FOLDER/_trapline, with FOLDER in fpath before compinit\n"
    "\n"
    "Example: trapline completion bash\n";

} // namespace

int completion_command(const Arguments& arguments) {
    std::vector<std::string> shell;
    CommandLine line("completion", "bash|zsh", "Prints a script that completes trapline's command lines.", kFooter);
    line.values("SHELL", shell, "bash or zsh", "");
    line.choices("SHELL", {"bash", "zsh"});
    if (const auto over = line.parse(arguments, exit_status::misuse)) return *over;
    if (shell.size() == 1 && !arguments.program) {
        if (shell.front() == "bash") {
            fmt::print("{}", bash_completion(describe_subcommands()));
            return exit_status::done;
        }
        if (shell.front() == "zsh") {
            fmt::print("{}", zsh_completion(describe_subcommands()));
            return exit_status::done;
        }
    }
    complain({"completion needs the name of a shell", "bash or zsh", {}, 0});
    return exit_status::misuse;
}

} // namespace trapline
