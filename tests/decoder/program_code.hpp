// tests/decoder/program_code.hpp: the code of real programs, as material for tests.
//
// It reads ELF headers by itself: what the product makes of a file is another test's business.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <elf.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace trapline::test {

/// The executable segments of an x86-64 ELF file; none of another file.
inline std::vector<std::vector<uint8_t>> executable_segments(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    Elf64_Ehdr header{};
    std::vector<std::vector<uint8_t>> out;
    if (!file.read(reinterpret_cast<char*>(&header), sizeof header)) return out;
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_machine != EM_X86_64) return out;
    for (size_t i = 0; i < header.e_phnum; ++i) {
        Elf64_Phdr segment{};
        file.seekg(static_cast<std::streamoff>(header.e_phoff + i * sizeof segment));
        if (!file.read(reinterpret_cast<char*>(&segment), sizeof segment)) break;
        if (segment.p_type != PT_LOAD || !(segment.p_flags & PF_X)) continue;
        std::vector<uint8_t> bytes(segment.p_filesz);
        file.seekg(static_cast<std::streamoff>(segment.p_offset));
        if (!file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()))) break;
        out.push_back(std::move(bytes));
    }
    return out;
}

/// The files that `list` names, with colons between them, and those in its directories and below, each once.
inline std::vector<std::string> files_in(const std::string& list) {
    namespace fs = std::filesystem;
    std::vector<std::string> out;
    for (size_t at = 0, end = 0; at < list.size(); at = end + 1) {
        end = std::min(list.find(':', at), list.size());
        const std::string path = list.substr(at, end - at);
        std::error_code error;
        if (!fs::is_directory(path, error)) {
            if (fs::is_regular_file(path, error)) out.push_back(path);
            continue;
        }
        for (auto entry = fs::recursive_directory_iterator(path, fs::directory_options::skip_permission_denied, error);
             entry != fs::recursive_directory_iterator(); entry.increment(error))
            if (!entry->is_symlink(error) && entry->is_regular_file(error)) out.push_back(entry->path().string());
    }
    std::sort(out.begin(), out.end());
    return out;
}

} // namespace trapline::test
