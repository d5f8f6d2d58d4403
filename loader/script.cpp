// The `#!` line, split like the kernel's fs/binfmt_script.c does.
#include "loader/byte_source.hpp"
#include "loader/elf.hpp"

#include <algorithm>
#include <string_view>

namespace trapline {
namespace {

constexpr std::size_t kProgramBufferSize = 256; // BINPRM_BUF_SIZE
constexpr std::string_view kBlank = " \t";

Result<std::optional<ScriptLine>> split(const ByteSource& file, const std::string& name) {
    std::string buffer(static_cast<std::size_t>(std::min<std::uint64_t>(file.size(), kProgramBufferSize)), '\0');
    if (!file.read(0, buffer.data(), buffer.size())) return fail("cannot be read", {}, name);
    if (buffer.rfind("#!", 0) != 0) return std::nullopt;
    std::string_view line = std::string_view(buffer).substr(2);
    bool whole = buffer.size() < kProgramBufferSize; // the file itself ends in the buffer
    if (auto end = line.find_first_of(std::string_view("\n\0", 2)); end != line.npos) {
        line = line.substr(0, end);
        whole = true;
    }
    line.remove_prefix(std::min(line.find_first_not_of(kBlank), line.size()));
    if (line.empty()) return fail("names no interpreter after #!", {}, name);
    auto word_end = line.find_first_of(kBlank);
    // A path that runs out of the buffer would start some other program: refused since Linux 5.0.
    if (word_end == line.npos && !whole)
        return fail("names an interpreter that does not end within 256 bytes", {}, name);
    ScriptLine script{std::string(line.substr(0, word_end)), std::nullopt};
    if (word_end == line.npos) return script;
    auto from = line.find_first_not_of(kBlank, word_end);
    if (from == line.npos) return script;
    script.argument = std::string(line.substr(from, line.find_last_not_of(kBlank) - from + 1));
    return script;
}

} // namespace

Result<std::optional<ScriptLine>> read_script_line(std::span<const std::uint8_t> file, const std::string& name) {
    return split(ByteSource(file), name);
}

Result<std::optional<ScriptLine>> read_script_line(int fd, const std::string& name) {
    return split(ByteSource(fd), name);
}

} // namespace trapline
