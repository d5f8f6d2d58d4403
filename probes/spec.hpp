// probes/spec.hpp: where somebody wants a probe, as they typed it.
//
// perf, ftrace and bpftrace users already know how to name a place in a program; every form they type is accepted, and
// all mean the same: a place, whether the probe fires on entry or on return, and what to fetch when it does.
//
//     PATH:SYMBOL[+OFFSET]   PATH:0xFILE_OFFSET   @0xADDRESS            an empty PATH is the main program
//     PATH:0xFILE_OFFSET(0xFILE_OFFSET)       the second one: a 16-bit counter of who probes it (USDT's semaphores)
//     uprobe:PATH:SYMBOL     uretprobe:PATH:SYMBOL     probe:PATH:...   bpftrace; `probe:` is `uprobe:`
//     p[:NAME] PLACE [FETCHARG...]     r[:NAME] PLACE [FETCHARG...]     ftrace; PLACE%return is the same as `r`
//
// PATH may contain ':' and blanks (blanks only in the forms without fetch arguments): the place begins after the last
// single ':', and a "::" belongs to a C++ name. `p:main` without a blank is therefore symbol main of the file `p`.
// A symbol never begins with a digit, so a number after the ':' is always a file offset. This header only reads text;
// what a place means in a loaded program is decided by whoever has the program.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "emu/result.hpp"

namespace trapline {

/// A place in a program, not yet resolved to an address.
struct ProbePlace {
    /// A symbol as the ELF file spells it (mangled, `@@VERSION`, `.cold`), plus an offset in bytes.
    struct Symbol {
        std::string name;
        std::uint64_t offset;
        bool operator==(const Symbol&) const = default;
    };
    /// An offset in bytes from the start of the file, as the kernel's tracer takes it.
    struct FileOffset {
        std::uint64_t value;
        bool operator==(const FileOffset&) const = default;
    };
    /// A virtual address in the main program, as in the 2010 interface (seed 004, section 4.1).
    struct VirtualAddress {
        std::uint64_t value;
        bool operator==(const VirtualAddress&) const = default;
    };

    std::string path; ///< empty: the main program
    std::variant<Symbol, FileOffset, VirtualAddress> place;

    bool operator==(const ProbePlace&) const = default;
};

/// One fetch argument, `[NAME=]EXPR[:TYPE]`, checked for its shape but not evaluated.
struct FetchArg {
    std::string name; ///< empty: not named
    std::string expr; ///< `%di`, `$retval`, `$stack3`, `@0x601040`, `+8(%si)`, `\42`
    std::string type; ///< `u32`, `string`, `x8[4]`, `b4@3/8`; empty: the tracer's default, x64
};

/// A probe as the user asked for it.
struct ProbeSpec : ProbePlace {
    std::string text; ///< as typed, without blanks around it
    bool is_return = false;
    std::uint64_t counter_offset = 0; ///< in the file, of a reference counter (a USDT semaphore); 0: none
    std::string name;                 ///< the event name of `p:NAME`; empty: none given
    std::vector<FetchArg> args;
};

/// Reads any of the forms above. The error says which part is wrong and what to type instead.
[[nodiscard]] Result<ProbeSpec> parse_probe_spec(std::string_view text);

/// Reads only a place (`PATH:SYMBOL[+OFFSET]`, `PATH:0xFILE_OFFSET`, `@0xADDRESS`), as schedule scripts use it.
[[nodiscard]] Result<ProbePlace> parse_probe_place(std::string_view text);

/// As it was typed, `name=%di:u32`.
[[nodiscard]] std::string to_string(const FetchArg& arg);

/// The place in its shortest form: what parse_probe_place reads back as the same place.
[[nodiscard]] std::string to_string(const ProbePlace& place);

} // namespace trapline
