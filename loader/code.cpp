#include "loader/code.hpp"

#include "loader/byte_source.hpp"
#include "loader/host_inode.hpp"

#include <algorithm>
#include <cstring>
#include <elf.h>
#include <optional>
#include <tuple>

namespace trapline {
namespace {

constexpr std::uint8_t pcrel_sdata4 = 0x1b; // DW_EH_PE_pcrel | DW_EH_PE_sdata4
constexpr std::size_t max_name = 4096;      // as long as a path; a table may let every name run on to its end

/// A whole section; empty when it does not lie in the file.
std::vector<std::uint8_t> bytes_of(const ByteSource& file, std::uint64_t offset, std::uint64_t size) {
    if (!file.contains(offset, size)) return {};
    std::vector<std::uint8_t> out(size);
    if (!file.read(offset, out.data(), out.size())) out.clear();
    return out;
}

/// Empty when there are none, or when they are not in the file.
std::vector<Elf64_Shdr> section_headers(const ByteSource& file) {
    Elf64_Ehdr header{};
    if (!file.read(0, &header, sizeof header) || header.e_shoff == 0 || header.e_shentsize != sizeof(Elf64_Shdr))
        return {};
    std::uint64_t count = header.e_shnum;
    if (count == 0) { // more than fit the field: the first header says how many
        Elf64_Shdr first{};
        if (!file.read(header.e_shoff, &first, sizeof first)) return {};
        count = first.sh_size;
    }
    if (count > file.size() / sizeof(Elf64_Shdr) || !file.contains(header.e_shoff, count * sizeof(Elf64_Shdr)))
        return {};
    std::vector<Elf64_Shdr> out(count);
    if (!file.read(header.e_shoff, out.data(), count * sizeof(Elf64_Shdr))) out.clear();
    return out;
}

/// Cuts what lies in an earlier one off, seen by `start`.
void clip(std::vector<CodeRange>& ranges, std::uint64_t CodeRange::*start) {
    std::sort(ranges.begin(), ranges.end(), [start](const CodeRange& a, const CodeRange& b) {
        return std::tuple(a.*start, b.size) < std::tuple(b.*start, a.size);
    });
    std::uint64_t end = 0;
    for (CodeRange& range : ranges) {
        const std::uint64_t cut = end > range.*start ? std::min(end - range.*start, range.size) : 0;
        range.address += cut;
        range.offset += cut;
        range.size -= cut;
        end = std::max(end, range.*start + range.size);
    }
    std::erase_if(ranges, [](const CodeRange& range) { return range.size == 0; });
}

std::vector<CodeRange> code_ranges(const ByteSource& file, const ElfHeaders& headers,
                                   const std::vector<Elf64_Shdr>& sections) {
    std::vector<CodeRange> out;
    for (const Elf64_Shdr& section : sections) {
        const bool code = (section.sh_flags & SHF_EXECINSTR) && section.sh_type != SHT_NOBITS;
        if (code && file.contains(section.sh_offset, section.sh_size) && section.sh_addr <= kTaskSize)
            out.push_back({section.sh_addr, section.sh_offset, section.sh_size});
    }
    if (out.empty())
        for (const LoadSegment& segment : headers.segments)
            if (segment.execute) out.push_back({segment.vaddr, segment.offset, segment.filesz});
    clip(out, &CodeRange::offset);
    clip(out, &CodeRange::address);
    return out;
}

/// Adds the functions of the first symbol table of `type`.
void add_symbols(const ByteSource& file, const std::vector<Elf64_Shdr>& sections, std::uint32_t type,
                 std::vector<CodeFunction>& out) {
    const auto table = std::find_if(sections.begin(), sections.end(),
                                    [type](const Elf64_Shdr& section) { return section.sh_type == type; });
    if (table == sections.end() || table->sh_entsize != sizeof(Elf64_Sym) || table->sh_link >= sections.size()) return;
    const auto symbols = bytes_of(file, table->sh_offset, table->sh_size);
    const auto names = bytes_of(file, sections[table->sh_link].sh_offset, sections[table->sh_link].sh_size);
    for (std::size_t at = 0; at + sizeof(Elf64_Sym) <= symbols.size(); at += sizeof(Elf64_Sym)) {
        Elf64_Sym symbol{};
        std::memcpy(&symbol, symbols.data() + at, sizeof symbol);
        const unsigned kind = ELF64_ST_TYPE(symbol.st_info);
        if ((kind != STT_FUNC && kind != STT_GNU_IFUNC) || symbol.st_shndx == SHN_UNDEF || symbol.st_size == 0)
            continue;
        if (symbol.st_value > kTaskSize || symbol.st_size > kTaskSize - symbol.st_value) continue;
        CodeFunction function{symbol.st_value, symbol.st_size, {}};
        if (symbol.st_name < names.size()) {
            const auto* start = reinterpret_cast<const char*>(names.data()) + symbol.st_name;
            function.name.assign(start, strnlen(start, std::min(names.size() - symbol.st_name, max_name)));
        }
        out.push_back(std::move(function));
    }
}

template <class T> std::optional<T> value_at(std::span<const std::uint8_t> bytes, std::uint64_t at) {
    T out;
    if (at > bytes.size() || bytes.size() - at < sizeof out) return {};
    std::memcpy(&out, bytes.data() + at, sizeof out);
    return out;
}

/// What lies at an address, to the end of its segment in the file.
struct Placed {
    Addr address = 0;
    std::vector<std::uint8_t> bytes;
};

/// .eh_frame: where .eh_frame_hdr points to, or the section of that name (static programs have no .eh_frame_hdr).
std::optional<Placed> unwind_records(const ByteSource& file, const ElfHeaders& headers,
                                     const std::vector<Elf64_Shdr>& sections) {
    for (std::uint16_t i = 0; i < headers.phnum; ++i) {
        Elf64_Phdr header{};
        if (!file.read(headers.phoff + std::uint64_t{i} * sizeof header, &header, sizeof header)) break;
        if (header.p_type != PT_GNU_EH_FRAME) continue;
        const auto table = bytes_of(file, header.p_offset, std::min<std::uint64_t>(header.p_filesz, 8));
        const auto distance = value_at<std::int32_t>(table, 4);
        if (!distance || table[0] != 1 || table[1] != pcrel_sdata4) continue;
        const Addr start = header.p_vaddr + 4 + static_cast<Addr>(std::int64_t{*distance});
        for (const LoadSegment& s : headers.segments)
            if (start >= s.vaddr && start - s.vaddr < s.filesz)
                return Placed{start, bytes_of(file, s.offset + (start - s.vaddr), s.filesz - (start - s.vaddr))};
    }
    Elf64_Ehdr header{};
    if (!file.read(0, &header, sizeof header) || header.e_shstrndx >= sections.size()) return {};
    constexpr char wanted[] = ".eh_frame";
    for (const Elf64_Shdr& section : sections) {
        char name[sizeof wanted] = {};
        const std::uint64_t at = sections[header.e_shstrndx].sh_offset;
        if (at > file.size() || !file.read(at + section.sh_name, name, sizeof name)) continue;
        if (std::memcmp(name, wanted, sizeof wanted) == 0)
            return Placed{section.sh_addr, bytes_of(file, section.sh_offset, section.sh_size)};
    }
    return {};
}

/// Does the CIE at `at` say that its FDEs start with an address and a size as compilers for x86-64 write them?
bool has_usual_addresses(std::span<const std::uint8_t> bytes, std::uint64_t at) {
    if (at + 9 >= bytes.size()) return false;
    const auto* augmentation = reinterpret_cast<const char*>(bytes.data()) + at + 9;
    const std::size_t length = strnlen(augmentation, bytes.size() - at - 9);
    // "zR", "zPLR", "zRS": z first, its size, then a byte or a pointer for each letter.
    if (length == 0 || length > 8 || augmentation[0] != 'z') return false;
    std::uint64_t next = at + 9 + length + 1;
    for (int number = 0; number < 4; ++number) { // alignments, return register, size: each a LEB128
        while (next < bytes.size() && (bytes[next] & 0x80)) ++next;
        ++next;
    }
    for (std::size_t i = 1; i < length; ++i) {
        const auto encoding = value_at<std::uint8_t>(bytes, next);
        if (!encoding) return false;
        if (augmentation[i] == 'R') return *encoding == pcrel_sdata4;
        if (augmentation[i] == 'P') next += 1 + ((*encoding & 0x0f) == 0x0b || (*encoding & 0x0f) == 0x03 ? 4 : 8);
        if (augmentation[i] == 'L') next += 1;
    }
    return false;
}

/// Adds the extents that the unwind records know. Source: Linux Standard Base, "Exception Frames".
void add_unwind_extents(const ByteSource& file, const ElfHeaders& headers, const std::vector<Elf64_Shdr>& sections,
                        std::vector<CodeFunction>& out) {
    const auto records = unwind_records(file, headers, sections);
    if (!records) return;
    const std::span<const std::uint8_t> bytes = records->bytes;
    std::uint64_t usual_cie = bytes.size(); // the last CIE that was asked, and found usual
    for (std::uint64_t at = 0;;) {
        const auto length = value_at<std::uint32_t>(bytes, at), id = value_at<std::uint32_t>(bytes, at + 4);
        if (!length || !id || *length == 0 || *length > bytes.size() - at) return; // the end, or 64-bit records
        const std::uint64_t next = at + 4 + *length;
        const auto begin = value_at<std::int32_t>(bytes, at + 8);
        const auto size = value_at<std::uint32_t>(bytes, at + 12);
        const std::uint64_t cie = at + 4 - *id;
        if (*id != 0 && *id <= at + 4 && begin && size && (cie == usual_cie || has_usual_addresses(bytes, cie))) {
            usual_cie = cie;
            const Addr start = records->address + at + 8 + static_cast<Addr>(std::int64_t{*begin});
            if (*size != 0 && start <= kTaskSize && *size <= kTaskSize - start) out.push_back({start, *size, {}});
        }
        at = next;
    }
}

/// One function for each place, the longest there, and none inside another.
void settle(std::vector<CodeFunction>& functions) {
    std::sort(functions.begin(), functions.end(), [](const CodeFunction& a, const CodeFunction& b) {
        return std::tuple(a.address, b.size, std::string_view(a.name)) <
               std::tuple(b.address, a.size, std::string_view(b.name));
    });
    Addr end = 0;
    std::erase_if(functions, [&end](const CodeFunction& f) {
        if (f.address < end) return true;
        end = f.address + f.size;
        return false;
    });
}

/// Adds the `more` that overlap none of `functions`; both are settled.
void add_apart(std::vector<CodeFunction>& functions, std::vector<CodeFunction> more) {
    std::size_t at = 0;
    const std::size_t known = functions.size();
    for (CodeFunction& f : more) {
        while (at < known && functions[at].address + functions[at].size <= f.address) ++at;
        if (at == known || functions[at].address >= f.address + f.size) functions.push_back(std::move(f));
    }
    std::inplace_merge(functions.begin(), functions.begin() + static_cast<std::ptrdiff_t>(known), functions.end(),
                       [](const CodeFunction& a, const CodeFunction& b) { return a.address < b.address; });
}

} // namespace

Result<CodeMap> read_code(int fd, const std::string& name) {
    auto headers = read_elf(fd, name);
    if (!headers) return tl::make_unexpected(headers.error());
    const ByteSource file(fd);
    const auto sections = section_headers(file);
    CodeMap out;
    out.ranges = code_ranges(file, *headers, sections);
    add_symbols(file, sections, SHT_SYMTAB, out.functions);
    add_symbols(file, sections, SHT_DYNSYM, out.functions);
    settle(out.functions);
    std::vector<CodeFunction> unnamed;
    add_unwind_extents(file, *headers, sections, unnamed);
    settle(unnamed);
    add_apart(out.functions, std::move(unnamed));
    return out;
}

Result<CodeMap> read_code(const Inode& file) {
    const auto* of_host = dynamic_cast<const HostInode*>(&file);
    if (of_host == nullptr) return fail(file.name + ": is no file of the host's");
    return read_code(of_host->descriptor(), file.name);
}

} // namespace trapline
