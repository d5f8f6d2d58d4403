// manual/completion.hpp: descriptions as completion scripts for bash and zsh.
//
// Both know the subcommands, each one's options, the names that an option's value can be, files and folders where they
// are meant; behind `--` they complete the program's line as the shell completes any command. The scripts hold all
// names themselves: completing starts no process.
#pragma once

#include "tools/command.hpp"

#include <span>
#include <string>

namespace trapline {

[[nodiscard]] std::string bash_completion(std::span<const CommandDescription> commands);
[[nodiscard]] std::string zsh_completion(std::span<const CommandDescription> commands);

} // namespace trapline
