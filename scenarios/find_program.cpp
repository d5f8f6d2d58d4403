// What of a scenario depends on the file system: reading the file and finding its program.
#include "scenarios/scenario.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <sstream>

#include "scenarios/text.hpp"

namespace trapline {

Result<Scenario> read_scenario(const std::string& file, const Vocabulary& known) {
    std::error_code ignored;
    if (std::filesystem::is_directory(file, ignored))
        return fail("this is a folder", "name the scenario files in it", file);
    errno = 0;
    std::ifstream in(file, std::ios::binary);
    std::ostringstream text;
    if (in) text << in.rdbuf();
    // An empty file sets the output's failbit, which is no problem here: the parser will name the missing keys.
    if (!in) return fail(fmt::format("cannot be read: {}", std::strerror(errno != 0 ? errno : EIO)), {}, file);
    return parse_scenario(text.str(), file, known);
}

Result<std::string> find_program(const Scenario& scenario, const std::string& guests) {
    namespace fs = std::filesystem;
    const fs::path program = scenario.guest.program;
    const std::array<fs::path, 3> candidates = {fs::path(scenario.file).parent_path() / program,
                                                fs::path(guests) / program, fs::path(guests) / program.filename()};
    for (const fs::path& candidate : candidates) {
        std::error_code ignored;
        if (fs::is_regular_file(candidate, ignored)) return candidate.string();
    }
    return fail(fmt::format("the program {} is neither beside the scenario nor among the guests",
                            text::quoted(program.string())),
                fmt::format("guests are looked for in '{}'; --guests DIR names another folder", guests), scenario.file);
}

} // namespace trapline
