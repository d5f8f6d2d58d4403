#include "decoder/why.hpp"

#include <array>

namespace trapline {
namespace {

struct Row {
    Why why;
    std::string_view key, words;
};

constexpr Row rows[] = {
    {Why::none, "", ""},
    {Why::undecodable, "undecodable", "not an instruction"},
    {Why::prefix, "prefix", "a lock, cs, ds, es or ss prefix"},
    {Why::not_64_bit, "not-64-bit", "no such instruction in 64-bit mode"},
    {Why::port_io, "port-io", "port input or output"},
    {Why::breakpoint, "breakpoint", "a breakpoint or software interrupt"},
    {Why::privileged, "privileged", "privileged or changes the interrupt flag"},
    {Why::loads_ss, "loads-ss", "a load of ss, which holds off the step trap"},
    {Why::loads_segment, "loads-segment", "a load of a segment register from the stack"},
    {Why::branch_66, "branch-66", "a branch with a 66 prefix, which Intel and AMD execute differently"},
    {Why::vector_misread, "vector-misread", "a vector instruction whose opcode is refused in the one-byte map"},
    {Why::prefix_as_opcode, "prefix-as-opcode", "a prefix in the place of the opcode"},
    {Why::prefixed_transfer, "prefixed-transfer", "a call, jump or return, or opcode ff, with a prefix"},
    {Why::vex, "vex", "VEX, which the table takes for les and lds"},
    {Why::system, "system", "system instruction"},
    {Why::prefetch, "prefetch", "prefetch"},
    {Why::test_register, "test-register", "test register"},
    {Why::wrmsr, "wrmsr", "wrmsr"},
    {Why::sysenter_or_three_byte, "sysenter-or-three-byte", "sysenter, sysexit, or a three-byte opcode"},
    {Why::vmread_or_hadd, "vmread-or-hadd", "vmread, vmwrite, or horizontal add and subtract"},
    {Why::undefined, "undefined", "undefined"},
    {Why::fxsave_group, "fxsave-group", "fxsave group, fences among them"},
    {Why::popcnt, "popcnt", "popcnt"},
    {Why::addsubps, "addsubps", "addsubps"},
    {Why::lddqu, "lddqu", "lddqu"},
    {Why::conditional_jump, "conditional-jump", "a conditional jump or loop"},
    {Why::relative_jump, "relative-jump", "a relative jump"},
    {Why::call, "call", "a call"},
    {Why::boost_prefix, "boost-prefix", "a prefix that the list does not allow"},
    {Why::halt, "halt", "a halt"},
    {Why::reserved, "reserved", "a reserved opcode"},
    {Why::reserved_in_group, "reserved-in-group", "a group with reserved opcodes, or one of them"},
    {Why::x87, "x87", "a coprocessor instruction"},
    {Why::pushf, "pushf", "a pushf"},
    {Why::bound_or_evex, "bound-or-evex", "bound, or EVEX"},
    {Why::two_byte, "two-byte", "a two-byte opcode"},
    {Why::not_in_0f_map, "not-in-0f-map", "not in the kernel's map of two-byte opcodes"},
    {Why::three_byte, "three-byte", "a three-byte opcode"},
    {Why::too_long_to_boost, "too-long-to-boost", "too long for the buffer beside the jump back"},
    {Why::no_function, "no-function", "in no function whose extent is known"},
    {Why::function_end, "function-end", "fewer than five bytes before the end of the function"},
    {Why::undecodable_in_function, "undecodable-in-function",
     "a function with bytes that are no instruction, or an int3"},
    {Why::indirect_jump_in_function, "indirect-jump-in-function",
     "a function with an indirect jump, which may lead anywhere"},
    {Why::jumped_into, "jumped-into", "a jump of the function leads into the bytes to be replaced"},
    {Why::neighbour_not_boostable, "neighbour-not-boostable",
     "an instruction behind it must move, too, and cannot be boosted"},
    {Why::control_flow, "control-flow", "a jump, call, return, interrupt or system call"},
    {Why::uses_stack, "uses-stack", "a push, pop, enter or leave"},
    {Why::names_rsp, "names-rsp", "rsp as an operand"},
    {Why::depends_on_ring, "depends-on-ring", "shows or loads segments, or does something else in another ring"},
    {Why::raises_exception, "raises-exception", "raises an exception wherever it runs"},
    {Why::gs_operand, "gs-operand", "a gs operand, and gs is the kernel's"},
    {Why::gather, "gather", "gathers or scatters over many addresses"},
    {Why::memory_of_unknown_size, "memory-of-unknown-size", "a memory operand whose size depends on the CPU's state"},
    {Why::not_emulated, "not-emulated", "not among what the kernel computes itself: a copy is stepped"},
    {Why::leaves_the_copy, "leaves-the-copy", "goes elsewhere, and no int3 stands there"},
    {Why::two_segments, "two-segments", "more than one segment prefix"},
    {Why::rip_relative, "rip-relative", "a RIP-relative operand, which i386 does not have"},
    {Why::not_a_nop5, "not-a-nop5", "no nop of five bytes"},
    {Why::not_a_nop10, "not-a-nop10", "no nop of ten bytes"},
    {Why::crosses_page, "crosses-page", "a nop that crosses a page, which cannot be written in one go"},
    {Why::step_shows_in_flags, "step-shows-in-flags", "the program sees the trap flag of the step"},
    {Why::copy_shows_in_rcx, "copy-shows-in-rcx", "the program sees the copy's address in rcx"},
    {Why::hit_per_iteration, "hit-per-iteration", "a repeated string instruction: a hit for each iteration"},
    {Why::abort_goes_astray, "abort-goes-astray", "a transaction that aborts goes on near the copy"},
    {Why::transfer_goes_astray, "transfer-goes-astray", "its target or return address is shifted with the copy"},
    {Why::emulated_wrongly, "emulated-wrongly", "the kernel computes something else than the CPU does"},
};

consteval bool in_order() {
    for (size_t i = 0; i < std::size(rows); ++i)
        if (static_cast<size_t>(rows[i].why) != i) return false;
    return std::size(rows) == static_cast<size_t>(Why::last);
}
static_assert(in_order(), "the table has a row for each reason, in their order");

} // namespace

std::string_view key(Why why) { return rows[static_cast<size_t>(why)].key; }
std::string_view words(Why why) { return rows[static_cast<size_t>(why)].words; }

std::optional<Why> why_of(std::string_view key) {
    for (const Row& row : rows)
        if (!key.empty() && row.key == key) return row.why;
    return {};
}

} // namespace trapline
