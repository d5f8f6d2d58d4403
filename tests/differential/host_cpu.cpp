#include "tests/differential/host_cpu.hpp"

#include "emu/check.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fmt/format.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

namespace trapline::testing {
namespace {

constexpr std::size_t kFilterAt = 64; // in the stack's pages, before the filter is needed no more

int shared_file(std::uint64_t bytes) {
    const int fd = ::memfd_create("differential", MFD_CLOEXEC);
    return fd >= 0 && ::ftruncate(fd, static_cast<off_t>(bytes)) == 0 ? fd : -1;
}

void* map(Addr at, std::uint64_t bytes, int protection, int fd, std::uint64_t offset) {
    return ::mmap(reinterpret_cast<void*>(at), bytes, protection, MAP_SHARED | (at != 0 ? MAP_FIXED : 0), fd,
                  static_cast<off_t>(offset));
}

/// In the child: the memory of state.hpp, and then nothing of its own any more.
[[noreturn]] void become_the_child(int code_file, int memory_file) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    const bool mapped = map(kFormsAt, kCodeBytes, PROT_READ | PROT_EXEC, code_file, 0) != MAP_FAILED &&
                        map(kDataAt, kDataBytes, PROT_READ | PROT_WRITE, memory_file, 0) != MAP_FAILED &&
                        map(kReadOnlyAt, kReadOnlyBytes, PROT_READ, memory_file, kDataBytes) != MAP_FAILED &&
                        map(kStackAt, kStackBytes, PROT_READ | PROT_WRITE, memory_file, kStackInMemory) != MAP_FAILED;
    // The kernel would write to the thread's restartable sequence area after it has gone.
    if (__rseq_size != 0)
        ::syscall(SYS_rseq, static_cast<char*>(__builtin_thread_pointer()) + __rseq_offset, 32, 1, RSEQ_SIG);
    if (!mapped || ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(1);
    ::raise(SIGSTOP);
    ::_exit(1);
}

} // namespace

std::unique_ptr<HostCpu> HostCpu::start(std::string& why_not) {
    std::unique_ptr<HostCpu> cpu(new HostCpu);
    cpu->code_file_ = shared_file(kCodeBytes);
    const int memory_file = shared_file(sizeof(Memory));
    if (cpu->code_file_ < 0 || memory_file < 0) {
        why_not = "no memfd";
        return nullptr;
    }
    cpu->code_ = static_cast<std::uint8_t*>(map(0, kCodeBytes, PROT_READ | PROT_WRITE, cpu->code_file_, 0));
    cpu->memory_ = static_cast<Memory*>(map(0, sizeof(Memory), PROT_READ | PROT_WRITE, memory_file, 0));
    cpu->child_ = ::fork();
    if (cpu->child_ == 0) become_the_child(cpu->code_file_, memory_file);
    ::close(memory_file);
    if (cpu->child_ < 0 || !cpu->wait() || WSTOPSIG(cpu->status_) != SIGSTOP) {
        why_not = "a child cannot be traced here";
        return nullptr;
    }
    ::ptrace(PTRACE_SETOPTIONS, cpu->child_, nullptr, PTRACE_O_EXITKILL);

    // Whatever else it has mapped goes, by system calls that it is made to make.
    const std::pair<Addr, Addr> gaps[] = {{0x1000, kFormsAt},
                                          {kFormsAt + kCodeBytes, kDataAt},
                                          {kReadOnlyAt + kReadOnlyBytes, kStackAt},
                                          {kStackAt + kStackBytes, 0x7ffffffff000}};
    for (const auto& [from, to] : gaps)
        if (cpu->call(SYS_munmap, static_cast<long>(from), static_cast<long>(to - from), 0, 0) != 0) {
            why_not = "the child's memory cannot be unmapped";
            return nullptr;
        }
    const sock_filter refuse = {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EPERM};
    const Addr filter_at = kStackAt + kFilterAt;
    const struct {
        std::uint64_t length, filter;
    } program = {1, filter_at + 16};
    std::uint8_t* stack = cpu->memory_->data() + kStackInMemory + kFilterAt;
    std::memcpy(stack, &program, sizeof program);
    std::memcpy(stack + 16, &refuse, sizeof refuse);
    if (cpu->call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, static_cast<long>(filter_at), 0) != 0 ||
        cpu->call(SYS_getpid, 0, 0, 0, 0) != -EPERM) {
        why_not = "the child's system calls cannot be filtered";
        return nullptr;
    }
    return cpu;
}

HostCpu::~HostCpu() {
    if (child_ > 0) {
        ::kill(child_, SIGKILL);
        ::waitpid(child_, nullptr, __WALL);
    }
    if (code_ != nullptr) ::munmap(code_, kCodeBytes);
    if (memory_ != nullptr) ::munmap(memory_, sizeof(Memory));
    if (code_file_ >= 0) ::close(code_file_);
}

bool HostCpu::wait() { return ::waitpid(child_, &status_, __WALL) == child_ && WIFSTOPPED(status_); }

long HostCpu::call(long number, long a, long b, long c, long d) {
    code_[0] = 0x0f;
    code_[1] = 0x05;
    user_regs_struct regs{};
    ::ptrace(PTRACE_GETREGS, child_, nullptr, &regs);
    regs.rip = kFormsAt;
    regs.orig_rax = ~0ull;
    regs.rax = static_cast<std::uint64_t>(number);
    regs.rdi = static_cast<std::uint64_t>(a);
    regs.rsi = static_cast<std::uint64_t>(b);
    regs.rdx = static_cast<std::uint64_t>(c);
    regs.r10 = static_cast<std::uint64_t>(d);
    ::ptrace(PTRACE_SETREGS, child_, nullptr, &regs);
    ::ptrace(PTRACE_SINGLESTEP, child_, nullptr, nullptr);
    if (!wait()) return -ECHILD;
    ::ptrace(PTRACE_GETREGS, child_, nullptr, &regs);
    return static_cast<long>(regs.rax);
}

void HostCpu::set_code(const std::vector<std::uint8_t>& code) { std::copy(code.begin(), code.end(), code_); }

namespace {

/// Stepping would show in what the instruction leaves (pushf), or stop it at each iteration (rep), or one instruction
/// late (a load of ss): these run to the int3 behind them.
bool runs_freely(const Form& form) {
    if (form.insn.map == map::m0f && form.insn.opcode == 0x05 && !form.insn.vector())
        return true; // r11 takes the flags
    if (form.insn.vector() || form.insn.map != map::one_byte) return false;
    return form.insn.rep_string || form.insn.opcode == 0x9c || (form.insn.opcode == 0x8e && form.insn.reg() == 2);
}

void put(user_regs_struct& regs, const State& state, Addr rip) {
    const auto& g = state.gpr;
    regs.rax = g[0], regs.rcx = g[1], regs.rdx = g[2], regs.rbx = g[3];
    regs.rsp = g[4], regs.rbp = g[5], regs.rsi = g[6], regs.rdi = g[7];
    regs.r8 = g[8], regs.r9 = g[9], regs.r10 = g[10], regs.r11 = g[11];
    regs.r12 = g[12], regs.r13 = g[13], regs.r14 = g[14], regs.r15 = g[15];
    regs.eflags = state.flags;
    regs.fs_base = state.fs_base;
    regs.gs_base = state.gs_base;
    regs.rip = rip;
    regs.orig_rax = ~0ull; // no system call that could be restarted
    regs.cs = 0x33;
    regs.ss = 0x2b;
}

void get(const user_regs_struct& r, Outcome& out) {
    out.gpr = {r.rax, r.rcx, r.rdx, r.rbx, r.rsp, r.rbp, r.rsi, r.rdi,
               r.r8,  r.r9,  r.r10, r.r11, r.r12, r.r13, r.r14, r.r15};
    out.rip = r.rip;
    out.flags = r.eflags;
}

} // namespace

Outcome HostCpu::execute(const Form& form, const State& state) {
    Outcome out;
    fill(*memory_, state);
    user_regs_struct regs{};
    put(regs, state, form.at);
    user_fpregs_struct fp;
    static_assert(sizeof fp == sizeof state.fx);
    std::memcpy(&fp, state.fx.data(), sizeof fp);
    const bool freely = runs_freely(form);
    if (::ptrace(PTRACE_SETREGS, child_, nullptr, &regs) != 0 ||
        ::ptrace(PTRACE_SETFPREGS, child_, nullptr, &fp) != 0 ||
        ::ptrace(freely ? PTRACE_CONT : PTRACE_SINGLESTEP, child_, nullptr, nullptr) != 0 || !wait()) {
        return out;
    }
    out.ran = true;
    siginfo_t info{};
    ::ptrace(PTRACE_GETSIGINFO, child_, nullptr, &info);
    ::ptrace(PTRACE_GETREGS, child_, nullptr, &regs);
    ::ptrace(PTRACE_GETFPREGS, child_, nullptr, &fp);
    get(regs, out);
    std::memcpy(out.fx.data(), &fp, sizeof fp);
    hash_memory(out, *memory_, state);
    if (freely && info.si_signo == SIGTRAP && out.rip != form.at && out.rip - 1 != form.at) {
        out.rip -= 1; // of the int3
        return out;
    }
    const bool stepped = info.si_signo == SIGTRAP &&
                         (info.si_code == TRAP_TRACE || info.si_code == TRAP_BRKPT || info.si_code == SIGTRAP);
    if (stepped && !freely) return out;
    out.signo = info.si_signo;
    out.code = info.si_code;
    if (info.si_signo != SIGTRAP) out.address = reinterpret_cast<Addr>(info.si_addr);
    return out;
}

HostCpu::Taken HostCpu::take(std::span<const std::uint8_t> bytes) {
    constexpr Addr kEnd = kFormsAt + kCodeBytes;
    State state;
    state.gpr.fill(kDataAt + 1024);
    state.gpr[4] = kStackAt + kPageSize;
    user_regs_struct regs{};
    const Addr at = kEnd - bytes.size();
    std::copy(bytes.begin(), bytes.end(), code_ + (at - kFormsAt));
    put(regs, state, at);
    siginfo_t info{};
    if (::ptrace(PTRACE_SETREGS, child_, nullptr, &regs) != 0 ||
        ::ptrace(PTRACE_SINGLESTEP, child_, nullptr, nullptr) != 0 || !wait() ||
        ::ptrace(PTRACE_GETSIGINFO, child_, nullptr, &info) != 0)
        TL_CHECK(false, "the child is gone");
    const Addr rip = static_cast<Addr>(::ptrace(PTRACE_PEEKUSER, child_, offsetof(user, regs.rip), nullptr));
    const auto address = reinterpret_cast<Addr>(info.si_addr);
    if (info.si_signo == SIGILL) return Taken::refused;
    if (info.si_signo != SIGSEGV || rip != at) return Taken::taken;
    if (address == kEnd && info.si_code == SEGV_MAPERR) return Taken::needs_more;
    return info.si_code == SI_KERNEL ? Taken::too_long : Taken::taken;
}

} // namespace trapline::testing
