#include "tools/judge/auxv.hpp"

#include <cerrno>
#include <csignal>
#include <elf.h>
#include <fmt/format.h>
#include <fstream>
#include <string>
#include <sys/ptrace.h>
#include <sys/syscall.h>
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

/// Lets it run on to the next stop; false: it has none.
bool next_stop(pid_t p, decltype(PTRACE_SYSCALL) how) {
    int status = 0;
    if (::ptrace(how, p, nullptr, nullptr) != 0) return false;
    while (::waitpid(p, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFSTOPPED(status);
}

struct Range {
    unsigned long start = 0, end = 0;
};

/// The vDSO and the pages of data in front of it, as /proc has them.
Range vdso_pages(pid_t p) {
    std::ifstream maps(fmt::format("/proc/{}/maps", p));
    Range found;
    for (std::string line; std::getline(maps, line);) {
        if (line.find("[vdso]") == line.npos && line.find("[vvar") == line.npos) continue;
        const std::size_t dash = line.find('-');
        if (found.start == 0) found.start = std::stoul(line, nullptr, 16);
        found.end = std::stoul(line.substr(dash + 1), nullptr, 16);
    }
    return found;
}

/// Lets the program unmap its vDSO, by a system call instruction in the vDSO itself. Where that cannot be (no /proc, a
/// kernel that seals it) the pages stay: nothing but addresses depends on them.
void unmap_vdso(pid_t p, unsigned long vdso, const user_regs_struct& registers) {
    const Range pages = vdso_pages(p);
    if (vdso < pages.start || vdso >= pages.end) return;
    constexpr unsigned long kSyscallInsn = 0x050f, kTwoBytes = 0xffff;
    unsigned long insn = vdso;
    while (insn < pages.end - kWord && (peek(p, insn) & kTwoBytes) != kSyscallInsn) ++insn;
    if (insn >= pages.end - kWord) return;
    user_regs_struct call = registers;
    call.rip = insn;
    call.rax = SYS_munmap;
    call.rdi = pages.start;
    call.rsi = pages.end - pages.start;
    ::ptrace(PTRACE_SETREGS, p, nullptr, &call);
    // The first stop is at the call's entry, the second behind it.
    if (next_stop(p, PTRACE_SYSCALL)) next_stop(p, PTRACE_SYSCALL);
    ::ptrace(PTRACE_SETREGS, p, nullptr, &registers);
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
    unsigned long to = at + kWord, vdso = 0;
    for (at = to; peek(program, at) != AT_NULL; at += 2 * kWord) {
        const unsigned long type = peek(program, at);
        unsigned long value = peek(program, at + kWord);
        if (type == AT_SYSINFO_EHDR) vdso = value;
        if (type == AT_SYSINFO_EHDR || type == kRseqFeatureSize || type == kRseqAlign) continue;
        if (type == AT_HWCAP) value = kHardwareCapabilities;
        if (type == AT_HWCAP2) value = 0;
        ::ptrace(PTRACE_POKEDATA, program, to, type);
        ::ptrace(PTRACE_POKEDATA, program, to + kWord, value);
        to += 2 * kWord;
    }
    ::ptrace(PTRACE_POKEDATA, program, to, AT_NULL);
    ::ptrace(PTRACE_POKEDATA, program, to + kWord, 0);
    // Without those entries the kernel would have begun that much further up; a stack is the same to the byte then.
    const unsigned long shift = at - to, first = registers.rsp;
    for (unsigned long word = to + kWord; word >= first; word -= kWord)
        ::ptrace(PTRACE_POKEDATA, program, word + shift, peek(program, word));
    registers.rsp = first + shift;
    ::ptrace(PTRACE_SETREGS, program, nullptr, &registers);
    unmap_vdso(program, vdso, registers);
    ::ptrace(PTRACE_DETACH, program, nullptr, nullptr);
    return std::nullopt;
}

} // namespace trapline::judge
