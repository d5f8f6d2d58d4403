// Runs one instruction of each kind (kinds.S, labels k_NAME) between known
// registers and compares all sixteen of them and the flags with what the
// architecture says. Prints "ok", or one line for each register that is wrong.
// Every label is passed once, except k_loop, which is passed three times.
// A probe that changes what pushf stores or syscall leaves in rcx shows here too.
#include "guest.h"

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, FLAGS, NOTHING };
static const char* const register_names[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",  "r8",
                                             "r9",  "r10", "r11", "r12", "r13", "r14", "r15", "flags"};
enum { CF = 1, FIXED = 2, PF = 4, AF = 0x10, ZF = 0x40, SF = 0x80, TF = 0x100, IF = 0x200, OF = 0x800 };
enum { STATUS = CF | PF | AF | ZF | SF | OF, EQUAL = FIXED | IF | ZF | PF, START_FLAGS = FIXED | IF | CF | SF };

extern u64 before[17], after[17];
void run_kind(void (*function)(void));

// Register n starts as 0x0n0n...0n, RAX as if it were number 16.
#define START(n) (0x0101010101010101ul * (n))

struct change {
    u64 where; // a register, FLAGS, or NOTHING
    u64 value;
};

struct kind {
    const char* name;
    void (*function)(void);
    struct change changes[6]; // everything not named here must be as before
};

void t_nop(void), t_nop5(void), t_endbr(void), t_mov(void), t_mov_imm(void), t_mov_mem(void), t_lea(void), t_add(void),
    t_div(void), t_cmov(void), t_xchg(void), t_xchg_r8(void), t_push(void), t_push_imm(void), t_push_rsp(void),
    t_pop(void), t_pop_rsp(void), t_leave(void), t_pushf(void), t_popf(void), t_rip_load(void), t_rip_store(void),
    t_rip_lea(void), t_rip_imm(void), t_rip_rsi(void), t_rip_r13(void), t_rip_push(void), t_cmpxchg(void),
    t_lock_cmpxchg(void), t_cmpxchg16b(void), t_xchg_mem(void), t_mul_mem(void), t_sse_reg(void), t_sse_rip(void),
    t_sse_store(void), t_call(void), t_call_reg(void), t_call_mem(void), t_call_stack(void), t_jmp(void),
    t_jmp_near(void), t_jmp_reg(void), t_jmp_mem(void), t_jcc_taken(void), t_jcc_not(void), t_jcc_near(void),
    t_loop(void), t_jrcxz(void), t_ret(void), t_ret_imm(void), t_rep_movsb(void), t_rep_stosb(void), t_syscall(void);
extern const u8 r_call[], r_call_reg[], r_call_mem[], r_call_stack[], r_syscall[];

// clang-format off
#define KIND(name, ...) {#name, t_##name, {__VA_ARGS__, {NOTHING, 0}}}
// clang-format on
static const struct kind kinds[] = {
    KIND(nop, {NOTHING, 0}),
    KIND(nop5, {NOTHING, 0}),
    KIND(endbr, {NOTHING, 0}),
    KIND(mov, {RAX, START(RDX)}),
    KIND(mov_imm, {RAX, 0x1122334455667788}),
    KIND(mov_mem, {RAX, 91}),
    KIND(lea, {RAX, START(RBX) + 2 * START(RCX) + 5}),
    KIND(add, {RAX, START(16) + START(RCX)}, {FLAGS, FIXED | IF | PF}), // 0x10..10 + 0x01..01: low byte 0x11 is even
    KIND(div, {RAX, 14}, {RDX, 2}, {RCX, 7}, {FLAGS, EQUAL}),
    KIND(cmov, {RAX, START(RSI)}, {FLAGS, EQUAL}),
    KIND(xchg, {RBX, START(RCX)}, {RCX, START(RBX)}),
    KIND(xchg_r8, {RAX, START(R8)}, {R8, START(16)}),
    KIND(push, {RAX, START(RBX)}),
    KIND(push_imm, {RAX, -2ul}),
    KIND(push_rsp, {RAX, 0}, {RDX, 0}, {FLAGS, EQUAL}),
    KIND(pop, {RAX, START(RCX)}),
    KIND(pop_rsp, {NOTHING, 0}),
    KIND(leave, {NOTHING, 0}),
    KIND(pushf, {RAX, START_FLAGS}),
    KIND(popf, {FLAGS, FIXED | IF | STATUS}),
    KIND(rip_load, {RAX, 0x1122334455667788}),
    KIND(rip_store, {RAX, START(RCX)}),
    KIND(rip_lea, {RAX, 0x1122334455667788}),
    KIND(rip_imm, {FLAGS, EQUAL}),
    KIND(rip_rsi, {RSI, 0x1122334455667788}),
    KIND(rip_r13, {R13, START(R13) + 0x1122334455667788}, {FLAGS, FIXED | IF | PF | AF}),
    KIND(rip_push, {RAX, 0x1122334455667788}),
    KIND(cmpxchg, {RAX, START(RCX)}, {FLAGS, EQUAL}),
    KIND(lock_cmpxchg, {RAX, START(RCX)}, {FLAGS, EQUAL}),
    KIND(cmpxchg16b, {RAX, 3}, {RDX, 4}, {RCX, 4}, {FLAGS, START_FLAGS | ZF}), // changes no other flag
    KIND(xchg_mem, {RDI, 77}),
    KIND(mul_mem, {RAX, 10}, {RDX, 0}, {FLAGS, EQUAL}),
    KIND(sse_reg, {RAX, START(RCX)}),
    KIND(sse_rip, {RAX, 0x0000000200000001}),
    KIND(sse_store, {RAX, START(RCX)}),
    KIND(call, {RAX, (u64)r_call}),
    KIND(call_reg, {RAX, (u64)r_call_reg}),
    KIND(call_mem, {RAX, (u64)r_call_mem}),
    KIND(call_stack, {RAX, (u64)r_call_stack}),
    KIND(jmp, {RAX, 1}),
    KIND(jmp_near, {RAX, 1}),
    KIND(jmp_reg, {RAX, 1}, {RDX, 0}),
    KIND(jmp_mem, {RAX, 1}),
    KIND(jcc_taken, {RAX, 1}, {FLAGS, EQUAL}),
    KIND(jcc_not, {RAX, 1}, {FLAGS, EQUAL}),
    KIND(jcc_near, {RAX, 1}, {FLAGS, EQUAL}),
    KIND(loop, {RAX, 3}, {RCX, 0}),
    KIND(jrcxz, {RAX, 1}, {RCX, 0}),
    KIND(ret, {RAX, 1}),
    KIND(ret_imm, {RAX, 1}),
    KIND(rep_movsb, {RAX, 0x0079626e65766573}, {RCX, 0}, {RSI, 0}, {RDI, 0}, {FLAGS, EQUAL}),
    KIND(rep_stosb, {RAX, 0x5a5a5a5a5a5a5a5a}, {RCX, 0}, {RDI, 0}),
    KIND(syscall, {RAX, 0}, {RCX, (u64)r_syscall}, {R11, START_FLAGS}),
};

static u64 check(const struct kind* kind) {
    u64 expected[17];
    for (u64 i = 0; i < 17; ++i) expected[i] = before[i];
    for (const struct change* change = kind->changes; change->where != NOTHING; ++change)
        expected[change->where] = change->value;
    u64 wrong = 0;
    for (u64 i = 0; i < 17; ++i) {
        if (after[i] == expected[i]) continue;
        wrong = 1;
        put_text(kind->name);
        put_text(": ");
        put_text(register_names[i]);
        put_text(" is ");
        put_digits(after[i], 16, ' ');
        put_text("instead of ");
        put_hex(expected[i]);
    }
    return wrong;
}

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    u64 wrong = 0;
    for (u64 kind = 0; kind < sizeof kinds / sizeof kinds[0]; ++kind) {
        for (u64 i = 1; i < 16; ++i) before[i] = START(i);
        before[RAX] = START(16);
        before[FLAGS] = START_FLAGS;
        run_kind(kinds[kind].function);
        wrong |= check(&kinds[kind]);
    }
    if (!wrong) put_text("ok\n");
    return wrong != 0;
}
