#include "probes/locate.hpp"

#include "decoder/outline.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace trapline {
namespace {

constexpr std::array kFolders = {"/lib/x86_64-linux-gnu",
                                 "/usr/lib/x86_64-linux-gnu",
                                 "/lib64",
                                 "/lib",
                                 "/usr/lib",
                                 "/usr/local/lib",
                                 "/usr/local/bin",
                                 "/usr/bin",
                                 "/bin",
                                 "/usr/sbin"};

std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

} // namespace

Locator::Locator(System& system, std::string program, std::string directory)
    : system_(system), program_(std::move(program)), directory_(std::move(directory)) {}

Result<Locator::File*> Locator::open(const std::string& typed) {
    auto known = files_.find(typed);
    if (known != files_.end()) return &known->second;
    std::vector<std::string> candidates;
    if (typed.empty())
        candidates.push_back(program_);
    else if (typed.find('/') != std::string::npos)
        candidates.push_back(typed);
    else {
        candidates.push_back(folder_of(program_) + "/" + typed);
        for (const char* folder : kFolders) candidates.push_back(std::string(folder) + "/" + typed);
    }
    int refused = ENOENT; // as Linux answers (create_local_trace_uprobe, uprobe_register)
    for (const std::string& path : candidates) {
        OrErrno<Resolved> where = system_.sandbox().resolve(directory_, path, LastLink::follow);
        if (where && where->modelled) { // devices; and files of /proc and /sys, which have no pages
            refused = where->path.starts_with("/dev/") ? EINVAL : EIO;
            continue;
        }
        if (!where || !where->exists()) continue;
        if (!S_ISREG(where->st.st_mode)) {
            refused = EINVAL;
            continue;
        }
        OrErrno<OpenedFile> file = system_.sandbox().open(*where, O_RDONLY, 0);
        if (!file) continue;
        File f;
        f.path = where->path;
        f.inode = system_.inode_of(file->fd.get(), where->path);
        f.fd = std::move(file->fd);
        return &files_.emplace(typed, std::move(f)).first->second;
    }
    if (candidates.size() == 1) {
        const char* what = refused == ENOENT ? "there is no such file to probe"
                           : refused == EIO  ? "a file without pages cannot be probed"
                                             : "is no regular file to probe";
        return tl::make_unexpected(Error{fmt::format("{}: {}", candidates.front(), what), {}, {}, 0, refused});
    }
    return fail(fmt::format("{}: there is no such file to probe", typed),
                "it was looked for beside the program and in the usual library and program folders; a path with a "
                "slash is taken as it is");
}

Result<const SymbolTable*> Locator::symbols(File& f) {
    if (!f.symbols) {
        Result<SymbolTable> t = SymbolTable::load(f.fd.get(), f.path);
        if (!t) return tl::make_unexpected(t.error());
        f.symbols = std::make_unique<SymbolTable>(std::move(*t));
    }
    return f.symbols.get();
}

/// A probe inside an instruction corrupts it; Linux accepts that and so do we, but not in silence.
std::string Locator::warning_for(File& f, std::uint64_t offset, const Symbol* named) {
    if (named != nullptr && named->kind == SymbolKind::ifunc)
        return fmt::format("{} is chosen at start: the probe is on the function that chooses, which runs once",
                           named->full_name());
    const Result<const SymbolTable*> table = symbols(f);
    if (!table) return {};
    const std::optional<Addr> address = (*table)->headers().address_of(offset);
    if (!address) return {};
    const std::optional<SymbolPlace> place = (*table)->symbol_at(*address);
    if (!place || place->distance == 0 || !place->symbol->offset) return {};
    // From the start of the symbol, instruction by instruction.
    std::uint64_t at = *place->symbol->offset;
    constexpr std::uint64_t kFarthest = 1u << 20; // data in a text section is not walked for ever
    while (at < offset && offset - at < kFarthest) {
        std::array<std::uint8_t, 15> bytes{};
        const ssize_t n = ::pread(f.fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(at));
        const std::optional<Outline> o = n > 0 ? outline({bytes.data(), static_cast<std::size_t>(n)}) : std::nullopt;
        if (!o) return {};
        if (at + o->length > offset)
            return fmt::format("{}+{:#x} is inside the instruction at +{:#x}: the breakpoint will corrupt it",
                               place->symbol->name, place->distance, at - *place->symbol->offset);
        at += o->length;
    }
    return {};
}

Result<Located> Locator::locate(const ProbePlace& place, const std::string& text) {
    Result<File*> opened = open(place.path);
    if (!opened) return tl::make_unexpected(opened.error());
    File& f = **opened;
    Located out;
    out.inode = f.inode;
    out.path = f.path;
    const Symbol* symbol = nullptr;
    if (const auto* named = std::get_if<ProbePlace::Symbol>(&place.place)) {
        Result<const SymbolTable*> table = symbols(f);
        if (!table) return tl::make_unexpected(table.error());
        symbol = (*table)->find(named->name);
        if (symbol == nullptr) {
            std::string hint;
            for (const std::string& n : (*table)->nearest(named->name, 3)) hint += (hint.empty() ? "" : ", ") + n;
            hint = hint.empty() ? "no symbol there resembles it; an offset in the file works without one: PATH:0xOFFSET"
                                : "nearest: " + hint;
            return fail(fmt::format("{}: no symbol {} in {}", text, named->name, f.path), hint);
        }
        if (!symbol->offset) return fail(fmt::format("{}: {} has no place in the file", text, named->name));
        out.offset = *symbol->offset + named->offset;
    } else if (const auto* offset = std::get_if<ProbePlace::FileOffset>(&place.place)) {
        out.offset = offset->value;
    } else {
        const Addr address = std::get<ProbePlace::VirtualAddress>(place.place).value;
        Result<ElfHeaders> headers = read_elf(f.fd.get(), f.path);
        if (!headers) return tl::make_unexpected(headers.error());
        const Addr bias = headers->kind == ElfKind::relocatable && address >= Layout{}.pie_base ? Layout{}.pie_base : 0;
        const std::optional<std::uint64_t> at = headers->offset_of(address - bias);
        if (!at)
            return fail(
                fmt::format("{}: address {:#x} is in no part of {} that is mapped from the file", text, address,
                            f.path),
                fmt::format("its text begins at {:#x}",
                            headers->lowest() + (headers->kind == ElfKind::relocatable ? Layout{}.pie_base : 0)));
        out.offset = *at;
    }
    // Looking for the instruction's start reads the symbols: only where the place may not be one.
    const bool plain =
        symbol != nullptr && std::get<ProbePlace::Symbol>(place.place).offset == 0 && symbol->kind != SymbolKind::ifunc;
    if (!plain) out.warning = warning_for(f, out.offset, symbol);
    return out;
}

} // namespace trapline
