// loader/stack.hpp: what a program finds on its stack when it starts.
//
// From the top down: the strings (the program's path, environment, arguments), the platform's name, sixteen random
// bytes, and then, at a stack pointer that is a multiple of 16, argc, argv, envp and the auxiliary vector (System V ABI
// for x86-64, "Process Initialization"). There is no vDSO, so every clock is read by a system call and stays virtual.
#pragma once

#include "emu/mm/mm.hpp"

#include <array>
#include <string>
#include <vector>

namespace trapline {

struct StackContents {
    std::vector<std::string> args;
    std::vector<std::string> environment;
    std::string path; ///< AT_EXECFN: as execve was given it
    Addr phdr = 0;    ///< AT_PHDR, 0 if no segment holds the program headers
    std::uint64_t phnum = 0;
    Addr interpreter_base = 0; ///< AT_BASE
    Addr entry = 0;            ///< AT_ENTRY: the program's, not the interpreter's
    std::array<std::uint8_t, 16> random{};
};

/// Where things ended up.
struct InitialStack {
    Addr pointer = 0; ///< RSP at the first instruction
    Addr arguments = 0, arguments_end = 0;
    Addr environment = 0, environment_end = 0;
};

/// The most that one string may take, and the pointers and strings together when the stack's limit is `limit` bytes
/// (execve(2), "Limits on size of arguments and environment").
inline constexpr std::size_t kLongestArgument = 128u << 10;
std::uint64_t most_arguments(std::uint64_t limit);

/// Maps "[stack]" below the layout's stack top and fills it in. A negative errno: -E2BIG, -ENOMEM.
long make_stack(Mm& mm, const StackContents& contents, bool executable, InitialStack& out);

} // namespace trapline
