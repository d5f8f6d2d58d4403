#include "probes/fetch.hpp"

#include "loader/process_state.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <fmt/format.h>
#include <optional>

namespace trapline {
namespace {

constexpr std::size_t kLongestString = 4096; // the kernel's MAX_STRING_SIZE, the zero byte included

struct Name {
    std::string_view name;
    Reg reg;
};
constexpr std::array kRegisters = {Name{"ax", Reg::rax},  Name{"bx", Reg::rbx},  Name{"cx", Reg::rcx},
                                   Name{"dx", Reg::rdx},  Name{"si", Reg::rsi},  Name{"di", Reg::rdi},
                                   Name{"bp", Reg::rbp},  Name{"sp", Reg::rsp},  Name{"r8", Reg::r8},
                                   Name{"r9", Reg::r9},   Name{"r10", Reg::r10}, Name{"r11", Reg::r11},
                                   Name{"r12", Reg::r12}, Name{"r13", Reg::r13}, Name{"r14", Reg::r14},
                                   Name{"r15", Reg::r15}, Name{"ip", Reg::rip},  Name{"flags", Reg::eflags}};

/// A number whose shape spec.cpp has checked, with an optional sign.
std::int64_t number(std::string_view s) {
    const bool minus = s.starts_with('-');
    if (minus || s.starts_with('+')) s.remove_prefix(1);
    const bool hex = s.starts_with("0x") || s.starts_with("0X");
    if (hex) s.remove_prefix(2);
    std::uint64_t v = 0;
    std::from_chars(s.data(), s.data() + s.size(), v, hex ? 16 : 10);
    return static_cast<std::int64_t>(minus ? 0 - v : v);
}

} // namespace

std::optional<std::string> Fetch::set_type(Arg& a, const std::string& type) {
    std::string_view t = type;
    if (const auto open = t.find('['); open != std::string_view::npos) {
        a.count = static_cast<unsigned>(number(t.substr(open + 1, t.size() - open - 2)));
        t = t.substr(0, open);
        if (a.accesses.empty()) return "an array is in memory";
    }
    const bool text = a.start == Start::comm || a.start == Start::text; // itself, not an address of one
    if (t.empty()) t = text ? "string" : "x64";
    const bool string = t == "string" || t == "ustring";
    if (text && !string) return a.start == Start::comm ? "$comm is a string" : "a constant string is a string";
    if (a.start == Start::text && !a.accesses.empty()) return "a constant string is in no memory";
    if (string) {
        a.kind = Kind::string;
        if (a.accesses.empty() && !text) return "a string is in memory";
        return std::nullopt;
    }
    if (t == "char") {
        a.kind = Kind::character;
        a.bytes = 1;
        return std::nullopt;
    }
    if (t.front() == 'b') {
        const auto at = t.find('@'), slash = t.find('/');
        a.bits = static_cast<unsigned>(number(t.substr(1, at - 1)));
        a.bit = static_cast<unsigned>(number(t.substr(at + 1, slash - at - 1)));
        a.bytes = static_cast<unsigned>(number(t.substr(slash + 1))) / 8;
        a.kind = Kind::plain;
        const bool container = t.substr(slash + 1) == "8" || t.substr(slash + 1) == "16" ||
                               t.substr(slash + 1) == "32" || t.substr(slash + 1) == "64";
        if (!container) return "the container of a bit field has 8, 16, 32 or 64 bits";
        if (a.bits == 0 || a.bit + a.bits > a.bytes * 8) return "the bit field is not within its container";
        return std::nullopt;
    }
    a.kind = t.front() == 'x' ? Kind::hex : t.front() == 'u' ? Kind::plain : Kind::sign;
    a.bytes = static_cast<unsigned>(number(t.substr(1))) / 8;
    return std::nullopt;
}

Result<Fetch::Arg> Fetch::compile(const FetchArg& arg, std::size_t number_of_arg) {
    Arg a;
    a.name = arg.name.empty() ? fmt::format("arg{}", number_of_arg) : arg.name;
    std::string_view e = arg.expr;
    while (e.starts_with('+') || e.starts_with('-')) {
        const std::size_t open = e.find('(');
        std::string offset(e.substr(0, open));
        std::erase(offset, 'u');
        a.accesses.insert(a.accesses.begin(), number(offset));
        e = e.substr(open + 1, e.size() - open - 2);
    }
    if (e == "$retval") {
        a.start = Start::reg;
    } else if (e == "$comm") {
        a.start = Start::comm;
    } else if (e == "$stack") {
        a.start = Start::reg;
        a.reg = Reg::rsp;
    } else if (e.starts_with("$stack")) {
        a.start = Start::stack;
        a.value = static_cast<std::uint64_t>(number(e.substr(6))) * 8;
    } else if (e.starts_with('%')) {
        const auto* found =
            std::find_if(kRegisters.begin(), kRegisters.end(), [&](const Name& n) { return n.name == e.substr(1); });
        a.start = found != kRegisters.end() ? Start::reg : Start::selector;
        if (found != kRegisters.end())
            a.reg = found->reg;
        else
            a.value = e == "%cs" ? 0x33 : e == "%ss" ? 0x2b : ~0ull; // orig_ax: no system call is under way
    } else if (e.starts_with('@')) {
        a.start = e[1] == '+' ? Start::file_offset : Start::address;
        a.value = static_cast<std::uint64_t>(number(e.substr(1)));
        a.accesses.insert(a.accesses.begin(), 0);
    } else if (e.starts_with("\\\"")) {
        a.start = Start::text;
        a.text = e.substr(2, e.size() - 3);
    } else {
        a.value = static_cast<std::uint64_t>(number(e.substr(1)));
    }
    if (const auto wrong = set_type(a, arg.type))
        return fail(fmt::format("'{}{}{}': {}", arg.expr, arg.type.empty() ? "" : ":", arg.type, *wrong),
                    "memory is reached by +OFFSET(EXPR) or @ADDRESS, as in +0(%di):string");
    return a;
}

Result<Fetch> Fetch::compile(const std::vector<FetchArg>& args, const std::string& probe) {
    Fetch f;
    for (const FetchArg& arg : args) {
        auto a = compile(arg, f.args_.size() + 1);
        if (!a) {
            a.error().what = fmt::format("probe '{}': {}", probe, a.error().what);
            return tl::make_unexpected(a.error());
        }
        f.args_.push_back(std::move(*a));
    }
    return f;
}

/// One event: numbers are read at once, strings into memory that they share.
class Fetch::Evaluation {
  public:
    Evaluation(HitContext& hit, Addr base, bool faults_show) : hit_(hit), base_(base), faults_show_(faults_show) {}

    void measure(const Arg& a) {
        const Strings s = strings(a);
        for (const Place& p : s.places) size_ += measured(p);
    }
    void allocate() {
        data_.resize(size_);
        left_ = size_;
    }
    void store(const Arg& a) {
        // What no element is stored to shows what comes to stand there.
        std::vector<Location>& out = locations_.emplace_back(std::max(1u, a.count));
        if (a.kind != Kind::string) return;
        out[0] = {at_, left_};
        const Strings s = strings(a);
        std::size_t total = 0;
        for (std::size_t i = 0; i < s.places.size(); ++i) {
            const std::size_t stored = put(s.places[i], at_ + total, left_ - total, out[i]);
            total += stored;
            if (i + 1 < out.size()) out[i + 1] = {at_ + total, left_ - total};
        }
        if (s.fault && faults_show_)
            for (std::size_t i = s.places.size(); i < out.size(); ++i) out[i].bytes = 0;
        if (s.fault && !s.places.empty()) return; // an error in the middle: nothing is counted
        at_ += total;
        left_ -= total;
    }
    std::string show(const Arg& a, std::size_t index) {
        std::string out;
        for (unsigned i = 0; i < std::max(1u, a.count); ++i) {
            if (i > 0) out += ',';
            out += a.kind == Kind::string ? quoted(locations_[index][i]) : shown(a, i);
        }
        return a.count > 0 ? '{' + out + '}' : out;
    }

  private:
    struct Place {
        Addr at = 0;
        std::optional<std::string> known; ///< it is in no memory of the program's
    };
    struct Strings {
        std::vector<Place> places;
        bool fault = false; ///< the address of the next one could not be read
    };
    struct Location {
        std::size_t at = 0, bytes = 0; ///< no bytes: (fault)
    };

    std::uint64_t start(const Arg& a) const {
        switch (a.start) {
        case Start::reg:
            return hit_.get(a.reg);
        case Start::stack: {
            std::uint64_t word = 0;
            hit_.memory().get(hit_.get(Reg::rsp) + a.value, word);
            return word;
        }
        case Start::file_offset:
            return base_ + a.value;
        default:
            return a.value;
        }
    }
    /// Follows the first `n` memory accesses.
    bool follow(const Arg& a, std::size_t n, std::uint64_t& value) const {
        value = start(a);
        for (std::size_t i = 0; i < n; ++i)
            if (!hit_.memory().get(value + static_cast<std::uint64_t>(a.accesses[i]), value)) return false;
        return true;
    }
    Strings strings(const Arg& a) const {
        Strings s;
        if (a.kind != Kind::string) return s;
        if (a.start == Start::comm) {
            s.places.push_back({0, std::string(thread_name(hit_.task()))});
            return s;
        }
        if (a.start == Start::text) {
            // Linux has the string in its own memory, and looks there in the program's (measured on Linux 6.18.44).
            constexpr Addr kKernelMemory = 0xffff'8000'0000'0000;
            s.places.push_back(faults_show_ ? Place{0, a.text} : Place{kKernelMemory, {}});
            return s;
        }
        std::uint64_t value = 0;
        s.fault = !follow(a, a.accesses.size() - 1, value);
        if (s.fault) return s;
        const Addr last = value + static_cast<std::uint64_t>(a.accesses.back());
        if (a.count == 0) s.places.push_back({last, {}});
        for (unsigned i = 0; i < a.count; ++i) { // an array of pointers to strings
            s.fault = !hit_.memory().get(last + 8ull * i, value);
            if (s.fault) break;
            s.places.push_back({value, {}});
        }
        return s;
    }
    std::size_t measured(const Place& p) const {
        if (p.known) return p.known->size() + 1;
        std::string text;
        if (hit_.memory().read_string(p.at, text, kLongestString)) return text.size() + 1;
        const bool too_long = text.size() >= kLongestString;
        return faults_show_ && too_long ? kLongestString : 0;
    }
    std::size_t put(const Place& p, std::size_t at, std::size_t room, Location& out) {
        out = {at, 0};
        if (room == 0) return 0;
        std::string text;
        if (p.known) {
            text = *p.known;
            if (text.size() >= room) return 0;
        } else if (!hit_.memory().read_string(p.at, text, room) && text.size() < room) {
            return 0;
        }
        text.resize(std::min(text.size(), room - 1));
        std::memcpy(data_.data() + at, text.c_str(), text.size() + 1);
        out.bytes = text.size() + 1;
        return out.bytes;
    }
    std::string quoted(const Location& l) const {
        if (l.bytes == 0) return "(fault)";
        return fmt::format("\"{}\"", data_.c_str() + l.at);
    }
    std::string shown(const Arg& a, unsigned element) const {
        std::uint64_t value = 0;
        const std::size_t before = a.accesses.empty() ? 0 : a.accesses.size() - 1;
        bool ok = follow(a, before, value);
        if (!a.accesses.empty()) {
            const Addr at = value + static_cast<std::uint64_t>(a.accesses.back()) + std::uint64_t{element} * a.bytes;
            value = 0; // of what cannot be read in whole, the part that can be is kept
            ok = ok && hit_.memory().read(at, &value, a.bytes);
        }
        if (!ok && faults_show_) return "(fault)";
        const unsigned unused = 64 - a.bytes * 8;
        std::uint64_t plain = value << unused >> unused;
        if (a.bits > 0) plain = plain >> a.bit & (a.bits == 64 ? ~0ull : (1ull << a.bits) - 1);
        switch (a.kind) {
        case Kind::hex:
            return fmt::format("{:#x}", plain);
        case Kind::sign:
            return fmt::format("{}", static_cast<std::int64_t>(value << unused) >> unused);
        case Kind::character:
            return std::string("'") + static_cast<char>(plain) + "'";
        default:
            return fmt::format("{}", plain);
        }
    }

    HitContext& hit_;
    const Addr base_;
    const bool faults_show_;
    std::size_t size_ = 0, at_ = 0, left_ = 0;
    std::string data_;
    std::vector<std::vector<Location>> locations_; // of each argument, by element
};

std::string Fetch::text(HitContext& hit, Addr base, bool faults_show) const {
    Evaluation e(hit, base, faults_show);
    for (const Arg& a : args_) e.measure(a);
    e.allocate();
    for (const Arg& a : args_) e.store(a);
    std::string out;
    for (std::size_t i = 0; i < args_.size(); ++i) out += fmt::format(" {}={}", args_[i].name, e.show(args_[i], i));
    return out;
}

} // namespace trapline
