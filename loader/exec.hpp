// loader/exec.hpp: from a path to an address space that is ready to run.
//
// What Linux's exec.c, binfmt_script and binfmt_elf do: follow `#!` lines, map the program's segments and those of its
// interpreter, zero what lies behind their bytes in the file, set the break, and make the stack. Nothing of the calling
// process is touched: the new address space is built beside the old one, and an error leaves no trace.
// Read next: stack.hpp.
#pragma once

#include "loader/stack.hpp"
#include "loader/system.hpp"

namespace trapline {

/// Why a program was not loaded: what execve returns, and the same in words.
struct ExecFailure {
    long error = 0; ///< negative errno
    Error text;
};

struct ExecRequest {
    std::string directory; ///< what a relative path is relative to: a guest path without links
    std::string path;
    std::vector<std::string> args;
    std::vector<std::string> environment;
    std::string self; ///< what /proc/self/exe means, empty for nothing
    std::uint64_t stack_limit = 8u << 20;
    std::uint64_t memory_limit = ~0ull;
};

struct Program {
    std::shared_ptr<Mm> mm;
    Addr start = 0; ///< RIP: the interpreter's entry point, or the program's
    InitialStack stack;
    std::string executable; ///< guest path without links: /proc/…/exe
    std::string name;       ///< of the thread: the last part of the path that was asked for
};

tl::expected<Program, ExecFailure> load_program(System& system, const ExecRequest& request);

/// The same with `name` in place of a path: without a slash it is looked for along the PATH of the environment, as
/// execvp(3) does.
tl::expected<Program, ExecFailure> find_program(System& system, const std::string& name, ExecRequest request);

/// The thread's registers as they are at the first instruction of a program.
void enter_program(Kernel& kernel, Task& t, const Program& program);

} // namespace trapline
