#include "probes/spec.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>
#include <optional>

namespace trapline {
namespace {

constexpr std::string_view kForms =
    "write PATH:SYMBOL[+OFFSET], PATH:0xFILE_OFFSET or @0xADDRESS; leave PATH empty for the main program (`:main`)";

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// No name and no path that anybody means has one, and an error message must stay on its line.
bool has_control_char(std::string_view s) {
    return std::any_of(s.begin(), s.end(), [](char c) { return static_cast<unsigned char>(c) < ' ' && c != '\t'; });
}

std::string_view trim(std::string_view s) {
    while (!s.empty() && is_blank(s.front())) s.remove_prefix(1);
    while (!s.empty() && is_blank(s.back())) s.remove_suffix(1);
    return s;
}

/// The part of `s` before the first blank; `s` becomes what follows it.
std::string_view take_word(std::string_view& s) {
    const auto end = std::find_if(s.begin(), s.end(), is_blank) - s.begin();
    const std::string_view word = s.substr(0, static_cast<std::size_t>(end));
    s = trim(s.substr(word.size()));
    return word;
}

/// Decimal, or hexadecimal after `0x`. A leading zero is refused: the kernel would read it as octal.
std::optional<std::uint64_t> number(std::string_view s) {
    int base = 10;
    if (s.starts_with("0x") || s.starts_with("0X")) {
        base = 16;
        s.remove_prefix(2);
    } else if (s.size() > 1 && s.front() == '0') {
        return std::nullopt;
    }
    std::uint64_t value = 0;
    const auto [end, problem] = std::from_chars(s.data(), s.data() + s.size(), value, base);
    if (s.empty() || problem != std::errc{} || end != s.data() + s.size()) return std::nullopt;
    return value;
}

/// The last run of colons that is not a C++ "::" decides; in an odd run the first colon ends the path.
std::size_t split_colon(std::string_view s) {
    std::size_t at = s.size();
    while (at > 0) {
        if (s[at - 1] != ':') {
            --at;
            continue;
        }
        std::size_t begin = at;
        while (begin > 0 && s[begin - 1] == ':') --begin;
        if ((at - begin) % 2 == 1) return begin;
        at = begin;
    }
    return std::string_view::npos;
}

/// What a mangled, versioned or local symbol is made of; bytes of UTF-8 names pass.
bool is_symbol_char(char c) {
    return is_letter(c) || is_digit(c) || std::string_view("_.$@:~").find(c) != std::string_view::npos ||
           static_cast<unsigned char>(c) >= 0x80;
}

Result<ProbePlace::Symbol> parse_symbol(std::string_view text) {
    ProbePlace::Symbol symbol{};
    std::string_view name = text;
    if (const auto plus = text.find('+'); plus != std::string_view::npos) {
        name = text.substr(0, plus);
        const auto offset = number(text.substr(plus + 1));
        if (!offset)
            return fail(fmt::format("'{}' is not an offset", text.substr(plus + 1)),
                        "write a decimal number of bytes, or a hexadecimal one after 0x: hot+3, hot+0x1c");
        symbol.offset = *offset;
    }
    const auto odd = std::find_if_not(name.begin(), name.end(), is_symbol_char);
    if (odd != name.end() && is_blank(*odd))
        return fail(fmt::format("'{}' has a blank after the symbol", text),
                    "fetch arguments need the tracer's form: p PLACE %di, or r PLACE $retval");
    if (odd != name.end() && *odd == '(')
        return fail(fmt::format("'{}' is not a symbol of the file", text),
                    "C++ functions are named as the ELF file spells them: use the mangled name that `nm` prints");
    if (odd != name.end())
        return fail(fmt::format("'{}' cannot be part of a symbol", *odd),
                    "only an offset may follow the symbol, as in hot+3");
    if (name.empty() || name.front() == '@') return fail("the name of the symbol is empty", std::string(kForms));
    symbol.name = name;
    return symbol;
}

Result<ProbePlace> parse_place(std::string_view text) {
    ProbePlace out;
    if (text.starts_with('@')) {
        const auto address = number(text.substr(1));
        if (!address || !(text.starts_with("@0x") || text.starts_with("@0X")))
            return fail(fmt::format("'{}' is not an address", text.substr(1)),
                        "write a virtual address of the program in hexadecimal: @0x401136");
        out.place = ProbePlace::VirtualAddress{*address};
        return out;
    }
    const std::size_t colon = split_colon(text);
    if (colon == std::string_view::npos) {
        const std::string better = number(text) ? fmt::format(":{0} (file offset) or @{0} (address)", text)
                                                : fmt::format(":{} for a symbol of the main program", text);
        return fail(fmt::format("'{}' has no ':' between file and place", text), fmt::format("write {}", better));
    }
    out.path = text.substr(0, colon);
    const std::string_view where = text.substr(colon + 1);
    if (where.empty()) return fail("nothing follows the ':'", std::string(kForms));
    if (is_digit(where.front())) {
        const auto offset = number(where);
        if (!offset)
            return fail(fmt::format("'{}' is not a file offset", where),
                        "write a decimal number without leading zeros, or a hexadecimal one after 0x");
        out.place = ProbePlace::FileOffset{*offset};
        return out;
    }
    auto symbol = parse_symbol(where);
    if (!symbol) return tl::make_unexpected(symbol.error());
    out.place = std::move(*symbol);
    return out;
}

bool is_identifier(std::string_view s) {
    return !s.empty() && !is_digit(s.front()) &&
           std::all_of(s.begin(), s.end(), [](char c) { return is_letter(c) || is_digit(c) || c == '_'; });
}

/// The names of the kernel's regs_query_register_offset() on x86-64 (linux 6.12, "uprobetracer").
constexpr std::array<std::string_view, 21> kRegisters = {"r15", "r14", "r13", "r12", "bp",      "bx", "r11",
                                                         "r10", "r9",  "r8",  "ax",  "cx",      "dx", "si",
                                                         "di",  "ip",  "cs",  "sp",  "orig_ax", "ss", "flags"};

std::optional<Error> check_register(std::string_view name) {
    if (std::find(kRegisters.begin(), kRegisters.end(), name) != kRegisters.end()) return std::nullopt;
    std::string hint = "the registers are named as in the kernel's tracer: %ax %bx %cx %dx %si %di %bp %sp %r8 ... %ip";
    if (name.size() > 1 && (name[0] == 'r' || name[0] == 'e') &&
        std::find(kRegisters.begin(), kRegisters.end(), name.substr(1)) != kRegisters.end())
        hint = fmt::format("the kernel's tracer calls it %{}", name.substr(1));
    return Error{fmt::format("'%{}' is no register", name), hint, {}, 0};
}

std::optional<Error> check_expression(std::string_view expr, bool is_return) {
    // Every round peels off one `+OFFSET(`...`)`; what is left is a register, a variable, an address or a constant.
    while (expr.starts_with('+') || expr.starts_with('-')) {
        const std::size_t open = expr.find('(');
        if (open == std::string_view::npos || !expr.ends_with(')'))
            return Error{fmt::format("'{}' is not a memory access", expr), "write +OFFSET(EXPR), as in +8(%si)", {}, 0};
        std::string_view offset = expr.substr(1, open - 1);
        if (offset.starts_with('u')) offset.remove_prefix(1); // user memory, which a user probe always reads
        if (!number(offset)) return Error{fmt::format("'{}' is not an offset", offset), "as in +8(%si)", {}, 0};
        expr = expr.substr(open + 1, expr.size() - open - 2);
    }
    const std::string_view rest = expr.empty() ? expr : expr.substr(1);
    if (expr.starts_with('%')) return check_register(rest);
    if (expr.starts_with('@') && number(rest.starts_with('+') ? rest.substr(1) : rest)) return std::nullopt;
    if (expr.starts_with('\\') && number(rest.starts_with('-') ? rest.substr(1) : rest)) return std::nullopt;
    if (expr.starts_with("\\\"") && expr.size() > 2 && expr.ends_with('"')) return std::nullopt;
    if (expr == "$retval" && !is_return)
        return Error{"'$retval' is only known when the function returns", "use r PLACE $retval", {}, 0};
    if (expr == "$retval" || expr == "$comm" || expr == "$stack") return std::nullopt;
    if (expr.starts_with("$stack") && number(expr.substr(6))) return std::nullopt;
    return Error{fmt::format("'{}' is not a fetch expression", expr),
                 "use %REGISTER, $retval, $stack, $stackN, $comm, @ADDRESS, @+FILE_OFFSET, +OFFSET(EXPR) or \\CONSTANT",
                 {},
                 0};
}

bool is_type(std::string_view type) {
    if (const auto open = type.find('['); open != std::string_view::npos) {
        const auto count = number(type.substr(open + 1, type.size() - open - 2));
        if (!type.ends_with(']') || !count || *count == 0 || *count > 64) return false; // the kernel's MAX_ARRAY_LEN
        type = type.substr(0, open);
    }
    if (type == "string" || type == "ustring" || type == "char") return true;
    if (type.starts_with('b')) { // a bit field: b<width>@<offset>/<container>
        const auto at = type.find('@'), slash = type.find('/');
        return at != std::string_view::npos && slash != std::string_view::npos && at < slash &&
               number(type.substr(1, at - 1)) && number(type.substr(at + 1, slash - at - 1)) &&
               number(type.substr(slash + 1));
    }
    if (type.empty() || std::string_view("usx").find(type.front()) == std::string_view::npos) return false;
    const std::string_view bits = type.substr(1);
    return bits == "8" || bits == "16" || bits == "32" || bits == "64";
}

Result<FetchArg> parse_fetch_arg(std::string_view text, bool is_return) {
    FetchArg arg;
    std::string_view rest = text;
    if (const auto equals = rest.find('='); equals != std::string_view::npos) {
        arg.name = rest.substr(0, equals);
        rest.remove_prefix(equals + 1);
        if (!is_identifier(arg.name))
            return fail(fmt::format("'{}' cannot name an argument", arg.name), "use letters, digits and '_'");
    }
    if (const auto colon = rest.rfind(':'); colon != std::string_view::npos) {
        arg.type = rest.substr(colon + 1);
        rest = rest.substr(0, colon);
        if (!is_type(arg.type))
            return fail(fmt::format("'{}' is not a type", arg.type),
                        "use u8 to u64, s8 to s64, x8 to x64, char, string, b<W>@<O>/<SIZE>, or TYPE[COUNT]");
    }
    if (auto problem = check_expression(rest, is_return)) return tl::make_unexpected(std::move(*problem));
    arg.expr = rest;
    return arg;
}

std::optional<Error> parse_args(std::string_view rest, ProbeSpec& spec) {
    constexpr std::size_t kMost = 128; // the kernel's MAX_TRACE_ARGS
    while (!rest.empty()) {
        auto arg = parse_fetch_arg(take_word(rest), spec.is_return);
        if (!arg) return arg.error();
        const auto same = [&](const FetchArg& other) { return !arg->name.empty() && other.name == arg->name; };
        if (std::any_of(spec.args.begin(), spec.args.end(), same))
            return Error{fmt::format("two arguments are named '{}'", arg->name), "give each its own name", {}, 0};
        if (spec.args.size() == kMost) return Error{"more than 128 fetch arguments", "use fewer", {}, 0};
        spec.args.push_back(std::move(*arg));
    }
    return std::nullopt;
}

/// Takes `(0xOFFSET)` off a place that is a file offset: its reference counter.
std::optional<Error> take_counter(std::string_view& place, ProbeSpec& spec) {
    const std::size_t colon = split_colon(place);
    if (colon == std::string_view::npos || colon + 1 == place.size() || !is_digit(place[colon + 1]))
        return std::nullopt;
    const std::size_t open = place.find('(', colon);
    if (open == std::string_view::npos) return std::nullopt;
    const std::string_view what = place.substr(open);
    const auto offset = what.ends_with(')') ? number(what.substr(1, what.size() - 2)) : std::nullopt;
    if (!offset)
        return Error{fmt::format("'{}' is not the offset of a reference counter", what),
                     "write its offset in the file, as in /bin/x:0x1139(0x4010)",
                     {},
                     0};
    spec.counter_offset = *offset;
    place = place.substr(0, open);
    return std::nullopt;
}

/// The event name of `p:[GROUP/]NAME `, or nothing when the text is not in the tracer's form.
std::optional<std::string_view> tracer_head(std::string_view text) {
    if (!text.starts_with('p') && !text.starts_with('r')) return std::nullopt;
    const std::string_view word = take_word(text);
    if (text.empty() || (word.size() > 1 && word[1] != ':')) return std::nullopt;
    return word;
}

std::optional<Error> parse_into(std::string_view body, ProbeSpec& spec) {
    std::string_view place = body;
    std::string_view args;
    if (const auto head = tracer_head(body)) {
        spec.is_return = head->front() == 'r';
        if (head->size() > 1) {
            const std::string_view name = head->substr(2);
            const auto slash = name.find('/');
            const bool grouped = slash != std::string_view::npos;
            if (!is_identifier(name.substr(grouped ? slash + 1 : 0)) ||
                (grouped && !is_identifier(name.substr(0, slash))))
                return Error{fmt::format("'{}' cannot name an event", name),
                             "use letters, digits and '_', as in p:my_event PLACE",
                             {},
                             0};
            spec.name = name;
        }
        args = trim(body.substr(head->size()));
        place = take_word(args);
    } else {
        for (const auto& [prefix, returns] :
             {std::pair<std::string_view, bool>{"uprobe:", false}, {"probe:", false}, {"uretprobe:", true}}) {
            if (!place.starts_with(prefix)) continue;
            spec.is_return = returns;
            place.remove_prefix(prefix.size());
            break;
        }
    }
    if (auto problem = take_counter(place, spec)) return problem;
    if (constexpr std::string_view kReturn = "%return"; place.ends_with(kReturn)) {
        spec.is_return = true;
        place.remove_suffix(kReturn.size());
    }
    auto parsed = parse_place(trim(place));
    if (!parsed) return parsed.error();
    static_cast<ProbePlace&>(spec) = std::move(*parsed);
    return parse_args(args, spec);
}

} // namespace

Result<ProbeSpec> parse_probe_spec(std::string_view text) {
    const std::string_view body = trim(text);
    if (body.empty()) return fail("the probe specification is empty", std::string(kForms));
    if (has_control_char(body))
        return fail("the probe specification contains a control character", std::string(kForms));
    ProbeSpec spec;
    spec.text = body;
    if (auto problem = parse_into(body, spec)) {
        problem->what = fmt::format("probe '{}': {}", body, problem->what);
        return tl::make_unexpected(std::move(*problem));
    }
    return spec;
}

Result<ProbePlace> parse_probe_place(std::string_view text) {
    if (has_control_char(text)) return fail("the place contains a control character", std::string(kForms));
    auto place = parse_place(trim(text));
    if (!place) place.error().what = fmt::format("place '{}': {}", text, place.error().what);
    return place;
}

std::string to_string(const FetchArg& arg) {
    return fmt::format("{}{}{}{}{}", arg.name, arg.name.empty() ? "" : "=", arg.expr, arg.type.empty() ? "" : ":",
                       arg.type);
}

std::string to_string(const ProbePlace& place) {
    if (const auto* address = std::get_if<ProbePlace::VirtualAddress>(&place.place))
        return fmt::format("@{:#x}", address->value);
    if (const auto* offset = std::get_if<ProbePlace::FileOffset>(&place.place))
        return fmt::format("{}:{:#x}", place.path, offset->value);
    const auto& symbol = std::get<ProbePlace::Symbol>(place.place);
    if (symbol.offset == 0) return fmt::format("{}:{}", place.path, symbol.name);
    return fmt::format("{}:{}+{}", place.path, symbol.name, symbol.offset);
}

} // namespace trapline
