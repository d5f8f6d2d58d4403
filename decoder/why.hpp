// decoder/why.hpp: the reasons why an instruction cannot be probed in some way.
//
// Every rule of this room answers with one of these: `none`, or why not. A reason has a key, which scripts and
// `trapline coverage --list KEY` use and which stays, and words, which fit after "refused: ". The table is in the .cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace trapline {

enum class Why : uint8_t {
    none,
    // What registration refuses (decoder/refusals.hpp).
    undecodable,
    prefix,
    not_64_bit,
    port_io,
    breakpoint,
    privileged,
    loads_ss,
    loads_segment,
    branch_66,
    vector_misread,
    prefix_as_opcode,
    prefixed_transfer,
    vex,
    system,
    prefetch,
    test_register,
    wrmsr,
    sysenter_or_three_byte,
    vmread_or_hadd,
    undefined,
    fxsave_group,
    popcnt,
    addsubps,
    lddqu,
    // What is not boosted (decoder/boost_opcodes.hpp).
    conditional_jump,
    relative_jump,
    call,
    boost_prefix,
    halt,
    reserved,
    reserved_in_group,
    x87,
    pushf,
    bound_or_evex,
    two_byte,
    not_in_0f_map,
    three_byte,
    too_long_to_boost,
    // What a jump cannot replace (decoder/region.hpp).
    no_function,
    function_end,
    undecodable_in_function,
    indirect_jump_in_function,
    jumped_into,
    neighbour_not_boostable,
    // What does not run in the kernel (decoder/kernel_exec.hpp).
    control_flow,
    uses_stack,
    names_rsp,
    depends_on_ring,
    raises_exception,
    gs_operand,
    gather,
    memory_of_unknown_size,
    // What the other strategies do not serve themselves (decoder/strategies.hpp).
    not_emulated,
    leaves_the_copy,
    two_segments,
    rip_relative,
    not_a_nop5,
    not_a_nop10,
    crosses_page,
    // What is probed, and shows (decoder/strategies.hpp).
    step_shows_in_flags,
    copy_shows_in_rcx,
    hit_per_iteration,
    abort_goes_astray,
    transfer_goes_astray,
    emulated_wrongly,
    last
};

/// A few words with hyphens: "port-io"; "" for none.
std::string_view key(Why why);
/// Words that fit after "refused: "; "" for none.
std::string_view words(Why why);
/// The reason with that key.
std::optional<Why> why_of(std::string_view key);

} // namespace trapline
