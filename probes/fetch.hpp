// probes/fetch.hpp: fetch arguments: what a tracer writes down when a probe fires.
//
// `p :main %di +0(%si):string` is compiled into a few steps (a start value, memory accesses, a type) and evaluated in
// the handler, through the probed program's memory. The text is the kernel's uprobe tracer's, to the letter: `arg1=0x2
// name="abc" words={1,2}`. Strings stand behind one another in a piece of memory whose size is found first, and the
// quirks of that are kept, too: a string of more than 4,096 bytes counts as none, so it and those behind it are cut;
// one whose address cannot be found shows the string that comes next (measured on Linux 6.18.44). A number that cannot
// be read is 0. In the `fixed` dialect what cannot be read is `(fault)`, always. Read next: spec.hpp for the syntax.
#pragma once

#include "probes/spec.hpp"
#include "probes/uprobe.hpp"

#include <string>
#include <vector>

namespace trapline {

class Fetch {
  public:
    /// The arguments of a probe; the error is one of meaning (a string in a register), spec.hpp has checked the shape.
    static Result<Fetch> compile(const std::vector<FetchArg>& args, const std::string& probe);
    [[nodiscard]] bool empty() const { return args_.empty(); }
    /// ` name=value` for each argument. `base`: where offset 0 of the probed file would be mapped. `faults_show`:
    /// whatever cannot be read is `(fault)`.
    [[nodiscard]] std::string text(HitContext& hit, Addr base, bool faults_show) const;

  private:
    enum class Start : std::uint8_t { reg, selector, stack, comm, constant, text, address, file_offset };
    enum class Kind : std::uint8_t { hex, plain, sign, character, string };
    struct Arg {
        std::string name;
        Start start = Start::constant;
        Reg reg = Reg::rax;
        std::uint64_t value = 0;            // a constant, an address, a stack word's offset, a selector
        std::string text;                   // a constant one
        std::vector<std::int64_t> accesses; // offsets, in the order in which memory is read
        Kind kind = Kind::hex;
        unsigned bytes = 8;
        unsigned count = 0;         // of an array; 0: none
        unsigned bit = 0, bits = 0; // of a bit field; 0 bits: none
    };
    class Evaluation;
    static Result<Arg> compile(const FetchArg& arg, std::size_t number);
    static std::optional<std::string> set_type(Arg& a, const std::string& type);

    std::vector<Arg> args_;
};

} // namespace trapline
