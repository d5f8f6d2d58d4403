#include "loader/elf.hpp"

#include "loader/byte_source.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <elf.h>
#include <fmt/format.h>
#include <limits.h>

namespace trapline {
namespace {

// ELF_MIN_ALIGN in the kernel's load_elf_phdrs: a program header table larger than this is refused.
constexpr std::uint64_t kMaxProgramHeaderBytes = 65536;

/// The names that users know machines by; the architectures that Debian builds for, then the bare number.
std::string machine_name(std::uint16_t machine) {
    switch (machine) {
    case EM_386:
        return "32-bit x86";
    case EM_ARM:
        return "32-bit ARM";
    case EM_AARCH64:
        return "aarch64";
    case EM_RISCV:
        return "RISC-V";
    case EM_PPC64:
        return "PowerPC 64";
    case EM_PPC:
        return "PowerPC";
    case EM_S390:
        return "S/390";
    case EM_MIPS:
        return "MIPS";
    case EM_SPARCV9:
        return "SPARC V9";
    case EM_LOONGARCH:
        return "LoongArch";
    default:
        return fmt::format("machine {}", machine);
    }
}

tl::unexpected<Error> bad(const std::string& name, std::string what) { return fail(std::move(what), {}, name); }

/// Refuses what is not a little-endian 64-bit x86-64 program or library.
Result<Elf64_Ehdr> read_file_header(const ByteSource& file, const std::string& name) {
    unsigned char ident[EI_NIDENT] = {};
    std::size_t got = static_cast<std::size_t>(std::min<std::uint64_t>(file.size(), sizeof ident));
    if (!file.read(0, ident, got)) return bad(name, "cannot be read");
    if (got < SELFMAG || std::memcmp(ident, ELFMAG, SELFMAG) != 0) {
        if (got >= 2 && ident[0] == '#' && ident[1] == '!') return bad(name, "is a script, not an ELF file");
        return bad(name, "is not an ELF file");
    }
    if (got < sizeof ident) return bad(name, "is truncated: the ELF header is incomplete");
    if (ident[EI_DATA] == ELFDATA2MSB) return bad(name, "is a big-endian ELF file; trapline runs x86-64 programs");
    if (ident[EI_DATA] != ELFDATA2LSB) return bad(name, fmt::format("has an unknown byte order {}", ident[EI_DATA]));
    if (ident[EI_VERSION] != EV_CURRENT)
        return bad(name, fmt::format("has an unknown ELF version {}", ident[EI_VERSION]));
    // The class decides the header's layout, but e_machine is at the same place in both.
    std::uint16_t machine = EM_NONE;
    if (!file.read(offsetof(Elf64_Ehdr, e_machine), &machine, sizeof machine))
        return bad(name, "is truncated: the ELF header is incomplete");
    if (ident[EI_CLASS] == ELFCLASS32)
        return bad(name, machine == EM_X86_64 ? std::string("is an x32 program; trapline runs x86-64 programs")
                                              : fmt::format("is a 32-bit program for {}; trapline runs x86-64 programs",
                                                            machine_name(machine)));
    if (ident[EI_CLASS] != ELFCLASS64) return bad(name, fmt::format("has an unknown ELF class {}", ident[EI_CLASS]));
    if (machine != EM_X86_64)
        return bad(name, fmt::format("is for {}; trapline runs x86-64 programs", machine_name(machine)));
    Elf64_Ehdr header{};
    if (!file.read(0, &header, sizeof header)) return bad(name, "is truncated: the ELF header is incomplete");
    if (header.e_type == ET_REL) return bad(name, "is an object file; link it into a program first");
    if (header.e_type == ET_CORE) return bad(name, "is a core dump, not a program");
    if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
        return bad(name, fmt::format("has the unknown ELF type {}", header.e_type));
    return header;
}

Result<std::vector<Elf64_Phdr>> read_program_headers(const ByteSource& file, const Elf64_Ehdr& header,
                                                     const std::string& name) {
    std::uint64_t bytes = std::uint64_t{header.e_phnum} * sizeof(Elf64_Phdr);
    if (header.e_phnum == 0) return bad(name, "has no program headers");
    if (header.e_phentsize != sizeof(Elf64_Phdr))
        return bad(
            name, fmt::format("has program headers of {} bytes instead of {}", header.e_phentsize, sizeof(Elf64_Phdr)));
    if (bytes > kMaxProgramHeaderBytes) return bad(name, fmt::format("has {} program headers", header.e_phnum));
    std::vector<Elf64_Phdr> table(header.e_phnum);
    if (!file.read(header.e_phoff, table.data(), static_cast<std::size_t>(bytes)))
        return bad(name, fmt::format("is truncated: its program headers, {} bytes at offset {:#x}, are not in the file",
                                     bytes, header.e_phoff));
    return table;
}

Result<LoadSegment> read_segment(const ByteSource& file, const Elf64_Phdr& ph, const std::string& name) {
    std::string which = fmt::format("the segment at {:#x}", ph.p_vaddr);
    if (ph.p_filesz > ph.p_memsz) return bad(name, which + " has more bytes in the file than in memory");
    if (ph.p_memsz > kTaskSize || ph.p_vaddr > kTaskSize - ph.p_memsz)
        return bad(name, which + fmt::format(", {:#x} bytes long, leaves the user address space", ph.p_memsz));
    if (!file.contains(ph.p_offset, ph.p_filesz))
        return bad(name, fmt::format("is truncated: {} needs {:#x} bytes at offset {:#x}, the file has {:#x}", which,
                                     ph.p_filesz, ph.p_offset, file.size()));
    if (ph.p_filesz != 0 && (ph.p_vaddr & kPageMask) != (ph.p_offset & kPageMask))
        return bad(name, which + fmt::format(" cannot be mapped from offset {:#x}", ph.p_offset));
    // Like the kernel's maximum_alignment: what is no power of two is ignored.
    std::uint64_t align = std::has_single_bit(ph.p_align) ? std::max(ph.p_align, kPageSize) : kPageSize;
    return LoadSegment{ph.p_vaddr,
                       ph.p_memsz,
                       ph.p_offset,
                       ph.p_filesz,
                       align,
                       (ph.p_flags & PF_R) != 0,
                       (ph.p_flags & PF_W) != 0,
                       (ph.p_flags & PF_X) != 0};
}

Result<std::string> read_interpreter(const ByteSource& file, const Elf64_Phdr& ph, const std::string& name) {
    if (ph.p_filesz < 2 || ph.p_filesz > PATH_MAX)
        return bad(name, fmt::format("has an interpreter path of {} bytes", ph.p_filesz));
    std::string path(static_cast<std::size_t>(ph.p_filesz), '\0');
    if (!file.read(ph.p_offset, path.data(), path.size()))
        return bad(name, "is truncated: its interpreter path is not in the file");
    if (path.back() != '\0') return bad(name, "has an interpreter path that does not end");
    path.resize(path.find('\0'));
    if (path.empty()) return bad(name, "has an empty interpreter path");
    return path;
}

Result<void> refuse_overlaps(std::vector<LoadSegment> segments, const std::string& name) {
    std::sort(segments.begin(), segments.end(),
              [](const LoadSegment& a, const LoadSegment& b) { return a.vaddr < b.vaddr; });
    for (std::size_t i = 1; i < segments.size(); ++i)
        if (segments[i - 1].vaddr + segments[i - 1].memsz > segments[i].vaddr)
            return bad(name, fmt::format("has overlapping segments at {:#x} and {:#x}", segments[i - 1].vaddr,
                                         segments[i].vaddr));
    return {};
}

Result<ElfHeaders> read_headers(const ByteSource& file, const std::string& name) {
    auto header = read_file_header(file, name);
    if (!header) return tl::make_unexpected(header.error());
    auto table = read_program_headers(file, *header, name);
    if (!table) return tl::make_unexpected(table.error());

    ElfHeaders out;
    out.kind = header->e_type == ET_EXEC ? ElfKind::fixed : ElfKind::relocatable;
    out.entry = header->e_entry;
    out.phoff = header->e_phoff;
    out.phnum = header->e_phnum;
    out.phentsize = header->e_phentsize;
    for (const Elf64_Phdr& ph : *table) {
        if (ph.p_type == PT_INTERP && out.interpreter.empty()) { // the kernel takes the first as well
            auto path = read_interpreter(file, ph, name);
            if (!path) return tl::make_unexpected(path.error());
            out.interpreter = std::move(*path);
        } else if (ph.p_type == PT_GNU_STACK) {
            out.executable_stack = (ph.p_flags & PF_X) != 0;
        } else if (ph.p_type == PT_LOAD && (ph.p_memsz != 0 || ph.p_filesz != 0)) {
            auto segment = read_segment(file, ph, name);
            if (!segment) return tl::make_unexpected(segment.error());
            // AT_PHDR: wherever the segment puts the table that e_phoff points at.
            if (segment->offset <= out.phoff && out.phoff - segment->offset < segment->filesz)
                out.phdr_address = out.phoff - segment->offset + segment->vaddr;
            out.segments.push_back(*segment);
        }
    }
    if (out.segments.empty()) return bad(name, "has no loadable segment");
    if (auto ok = refuse_overlaps(out.segments, name); !ok) return tl::make_unexpected(ok.error());
    return out;
}

} // namespace

Addr ElfHeaders::lowest() const {
    auto least = std::min_element(segments.begin(), segments.end(),
                                  [](const LoadSegment& a, const LoadSegment& b) { return a.vaddr < b.vaddr; });
    return page_floor(least->vaddr);
}

Addr ElfHeaders::highest() const {
    Addr end = 0;
    for (const LoadSegment& s : segments) end = std::max(end, s.vaddr + s.memsz);
    return page_ceil(end);
}

std::uint64_t ElfHeaders::alignment() const {
    std::uint64_t most = kPageSize;
    for (const LoadSegment& s : segments) most = std::max(most, s.align);
    return most;
}

std::optional<std::uint64_t> ElfHeaders::offset_of(Addr address) const {
    for (const LoadSegment& s : segments)
        if (address >= s.vaddr && address - s.vaddr < s.filesz) return address - s.vaddr + s.offset;
    return std::nullopt;
}

std::optional<Addr> ElfHeaders::address_of(std::uint64_t offset) const {
    std::optional<Addr> found;
    for (const LoadSegment& s : segments) {
        if (offset < s.offset || offset - s.offset >= s.filesz) continue;
        Addr address = offset - s.offset + s.vaddr;
        if (s.execute) return address;
        if (!found) found = address;
    }
    return found;
}

Result<ElfHeaders> read_elf(std::span<const std::uint8_t> file, const std::string& name) {
    return read_headers(ByteSource(file), name);
}

Result<ElfHeaders> read_elf(int fd, const std::string& name) { return read_headers(ByteSource(fd), name); }

} // namespace trapline
