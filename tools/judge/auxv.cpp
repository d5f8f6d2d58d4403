#include "tools/judge/auxv.hpp"

#include <cerrno>
#include <csignal>
#include <elf.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

namespace trapline::judge {
namespace {

constexpr unsigned long kHardwareCapabilities = 0x78bfbfd;      // as loader/stack.cpp has it
constexpr unsigned long kRseqFeatureSize = 27, kRseqAlign = 28; // AT_RSEQ_*, Linux 6.3
constexpr unsigned long kWord = sizeof(unsigned long);

unsigned long peek(pid_t p, unsigned long at) {
    return static_cast<unsigned long>(::ptrace(PTRACE_PEEKDATA, p, at, nullptr));
}

} // namespace

bool stop_after_exec() { return ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0; }

std::optional<int> edit_auxv(pid_t program) {
    int status = 0;
    while (::waitpid(program, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFSTOPPED(status)) return status;
    user_regs_struct registers{};
    ::ptrace(PTRACE_GETREGS, program, nullptr, &registers);
    // The stack of a new program: argc, the arguments and a zero, the environment and a zero, the vector.
    unsigned long at = registers.rsp + kWord * (2 + peek(program, registers.rsp));
    while (peek(program, at) != 0) at += kWord;
    // What is struck out leaves no gap: ld.so has a loop over the entries.
    unsigned long to = at + kWord;
    for (at = to; peek(program, at) != AT_NULL; at += 2 * kWord) {
        const unsigned long type = peek(program, at);
        unsigned long value = peek(program, at + kWord);
        if (type == AT_SYSINFO_EHDR || type == kRseqFeatureSize || type == kRseqAlign) continue;
        if (type == AT_HWCAP) value = kHardwareCapabilities;
        if (type == AT_HWCAP2) value = 0;
        ::ptrace(PTRACE_POKEDATA, program, to, type);
        ::ptrace(PTRACE_POKEDATA, program, to + kWord, value);
        to += 2 * kWord;
    }
    ::ptrace(PTRACE_POKEDATA, program, to, AT_NULL);
    ::ptrace(PTRACE_POKEDATA, program, to + kWord, 0);
    ::ptrace(PTRACE_DETACH, program, nullptr, nullptr);
    return std::nullopt;
}

} // namespace trapline::judge
