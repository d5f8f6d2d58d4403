#include "loader/symbols.hpp"

#include "loader/byte_source.hpp"
#include "loader/similar_names.hpp"
#include "loader/symbol_reader.hpp"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace trapline {
namespace {

std::size_t leading_underscores(const std::string& name) { return std::min(name.find_first_not_of('_'), name.size()); }

/// Of several names for one address, the one that a person would use comes first.
auto display_order(const Symbol& s) {
    return std::tuple(s.address, s.kind == SymbolKind::other, s.binding, leading_underscores(s.name),
                      std::string_view(s.name), !s.default_version, std::string_view(s.version), s.size, s.kind);
}

/// Of several symbols with one name, the one that is meant comes first.
auto meaning_order(const Symbol& s) {
    bool code = s.kind == SymbolKind::function || s.kind == SymbolKind::ifunc;
    return std::tuple(std::string_view(s.name), !s.default_version, !code, s.binding, s.address,
                      std::string_view(s.version));
}

/// .symtab and .dynsym both list what a library exports, the former without versions: one of each is enough.
void drop_duplicates(std::vector<Symbol>& symbols) {
    std::sort(symbols.begin(), symbols.end(), [](const Symbol& a, const Symbol& b) {
        return std::tie(a.address, a.name, b.version, a.default_version) <
               std::tie(b.address, b.name, a.version, b.default_version);
    });
    auto covered = [](const Symbol& kept, const Symbol& s) {
        bool same = kept.address == s.address && kept.name == s.name;
        return same && (s.version.empty() || (s.version == kept.version && s.default_version == kept.default_version));
    };
    symbols.erase(std::unique(symbols.begin(), symbols.end(), covered), symbols.end());
}

} // namespace

std::string Symbol::full_name() const {
    if (version.empty()) return name;
    return name + (default_version ? "@@" : "@") + version;
}

SymbolTable::SymbolTable(ElfHeaders headers, std::vector<Symbol> symbols)
    : headers_(std::move(headers)), symbols_(std::move(symbols)) {
    drop_duplicates(symbols_);
    std::sort(symbols_.begin(), symbols_.end(),
              [](const Symbol& a, const Symbol& b) { return display_order(a) < display_order(b); });
    Addr end = 0;
    for (const Symbol& s : symbols_) reach_.push_back(end = std::max(end, s.address + s.size));
    by_name_.resize(symbols_.size());
    std::iota(by_name_.begin(), by_name_.end(), std::size_t{0});
    std::sort(by_name_.begin(), by_name_.end(),
              [this](std::size_t a, std::size_t b) { return meaning_order(symbols_[a]) < meaning_order(symbols_[b]); });
}

Result<SymbolTable> SymbolTable::load(std::vector<std::uint8_t> file, const std::string& name) {
    auto headers = read_elf(file, name);
    if (!headers) return tl::make_unexpected(headers.error());
    auto symbols = read_symbols(file, *headers, name);
    if (!symbols) return tl::make_unexpected(symbols.error());
    return SymbolTable(std::move(*headers), std::move(*symbols));
}

Result<SymbolTable> SymbolTable::load(int fd, const std::string& name) {
    if (auto headers = read_elf(fd, name); !headers)
        return tl::make_unexpected(headers.error()); // before reading it all
    ByteSource source(fd);
    std::vector<std::uint8_t> file(static_cast<std::size_t>(source.size()));
    if (!source.read(0, file.data(), file.size())) return fail("cannot be read", {}, name);
    return load(std::move(file), name);
}

std::vector<const Symbol*> SymbolTable::find_all(std::string_view name) const {
    std::string_view plain = name.substr(0, name.find('@'));
    std::string_view version = plain.size() == name.size() ? std::string_view() : name.substr(plain.size() + 1);
    bool only_default = !version.empty() && version.front() == '@';
    if (only_default) version.remove_prefix(1);

    auto first = std::lower_bound(by_name_.begin(), by_name_.end(), plain,
                                  [this](std::size_t i, std::string_view n) { return symbols_[i].name < n; });
    std::vector<const Symbol*> found;
    for (auto it = first; it != by_name_.end() && symbols_[*it].name == plain; ++it) {
        const Symbol& s = symbols_[*it];
        if (plain.size() != name.size() && s.version != version) continue;
        if (only_default && !s.default_version) continue;
        found.push_back(&s);
    }
    return found;
}

const Symbol* SymbolTable::find(std::string_view name) const {
    auto found = find_all(name);
    return found.empty() ? nullptr : found.front();
}

std::vector<std::string> SymbolTable::nearest(std::string_view name, std::size_t count) const {
    std::vector<std::string_view> names;
    for (std::size_t i : by_name_)
        if (names.empty() || names.back() != symbols_[i].name) names.push_back(symbols_[i].name);
    return similar_names(name.substr(0, name.find('@')), names, count);
}

std::optional<SymbolPlace> SymbolTable::symbol_at(Addr address) const {
    auto next = std::upper_bound(symbols_.begin(), symbols_.end(), address,
                                 [](Addr a, const Symbol& s) { return a < s.address; });
    auto covers = [address](const Symbol& s) { return address - s.address < s.size; };
    // The innermost symbol with a size that covers the address; failing that, a label before it.
    std::optional<Addr> start;
    for (auto i = static_cast<std::size_t>(next - symbols_.begin()); i-- > 0 && reach_[i] > address;)
        if (covers(symbols_[i])) {
            start = symbols_[i].address;
            break;
        }
    bool label = !start;
    if (label) {
        if (next == symbols_.begin()) return std::nullopt;
        start = std::prev(next)->address;
        // A label reaches up to the next symbol, but not out of its segment.
        auto same_segment = [&](const LoadSegment& s) {
            return *start >= s.vaddr && *start - s.vaddr < s.memsz && address - s.vaddr < s.memsz;
        };
        if (std::none_of(headers_.segments.begin(), headers_.segments.end(), same_segment)) return std::nullopt;
    }
    // Aliases are neighbours, the name to show first.
    for (auto it =
             std::lower_bound(symbols_.begin(), next, *start, [](const Symbol& s, Addr a) { return s.address < a; });
         it != next; ++it)
        if (label ? it->size == 0 : covers(*it)) return SymbolPlace{&*it, address - *start};
    return std::nullopt;
}

} // namespace trapline
