#include "tools/manual/describe.hpp"

#include "emu/check.hpp"

namespace trapline {

std::vector<CommandDescription> describe_subcommands() {
    std::vector<CommandDescription> all;
    for (const Subcommand& command : subcommands()) {
        CommandDescription description;
        const int code = command.run({{}, {}, &description});
        TL_CHECK(code == exit_status::done && description.name == command.name, "{} does not describe itself",
                 command.name);
        all.push_back(std::move(description));
    }
    return all;
}

} // namespace trapline
