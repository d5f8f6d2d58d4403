// tests/differential/form.hpp: instruction forms: one instruction for each opcode, prefix and kind of operand.
//
// They come from the code of real programs, where each is kept as it was first met, and from an enumeration of the
// opcode maps, because programs do not use everything that a CPU has. Displacements are written anew where they would
// lead out of the memory that both CPUs have mapped (state.hpp).
#pragma once

#include "decoder/outline.hpp"
#include "tests/differential/state.hpp"

#include <set>
#include <string>
#include <vector>

namespace trapline::testing {

struct Form {
    std::vector<std::uint8_t> bytes;
    Outline insn;
    Addr at = 0;           ///< where it stands
    bool from_map = false; ///< of the enumeration, not of a program

    [[nodiscard]] Addr end() const { return at + bytes.size(); }
};

/// Opcode, prefixes and kinds of operands, without register numbers and values: equal for what counts as one form.
std::string key_of(const Outline& insn, std::span<const std::uint8_t> bytes);

class Forms {
  public:
    /// Takes the forms in the executable segments of an ELF file that it does not have yet; how many instructions it
    /// looked at.
    std::size_t harvest(const std::string& path);
    /// Takes those of the opcode maps, with random operands.
    void enumerate(std::uint64_t seed);
    [[nodiscard]] const std::vector<Form>& all() const { return forms_; }
    /// `n` of those that `wanted` accepts, drawn with `seed`, half of them from programs; all if there are fewer.
    [[nodiscard]] std::vector<Form> sample(std::size_t n, std::uint64_t seed, bool (*wanted)(const Form&)) const;

  private:
    void take(std::span<const std::uint8_t> bytes, const Outline& insn, bool from_map);

    std::vector<Form> forms_;
    std::set<std::string> keys_;
};

/// Why the form is not executed: what it gives depends on the machine (time, identification, random numbers) and not
/// on the state. Empty: it can be.
const char* not_comparable(const Form& form);

/// As many forms as there is room for in the code.
inline constexpr std::size_t kMostForms = 1000;
/// Gives each form its place in the code, a few across the end of a page, and makes its displacements fit.
void place(std::vector<Form>& forms, std::uint64_t seed);
/// The code with all of them in it, int3 everywhere else.
std::vector<std::uint8_t> code_of(const std::vector<Form>& forms);

/// Registers, flags and memory for the `number`th execution of the form, the same on every machine.
State state_for(const Form& form, std::uint64_t number, std::uint64_t seed);

} // namespace trapline::testing
