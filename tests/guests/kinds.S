// One function per kind of instruction, for kinds.c. The label k_NAME stands on
// the instruction in question; a probe there must leave no trace. The rest of
// each function moves the outcome into a register that kinds.c looks at.
// run_kind, at the end, loads every register before and stores every one after.
    .file "kinds.S"

    .macro kind name
    .balign 16
    .global t_\name
    .type t_\name, @function
t_\name:
    .endm

    .macro at name
    .global k_\name
k_\name:
    .endm

    .data
    .balign 16
word:       .quad 0x1122334455667788
small:      .long 5, 0
cell:       .quad 0
counter:    .quad 40
locked:     .quad 40
exchanged:  .quad 77
pair:       .balign 16
            .quad 1, 2
vector:     .balign 16
            .quad 0x0000000200000001, 0
target:     .quad 0
source:     .ascii "sevenby"
            .byte 0
copy:       .quad 0
pattern:    .quad 0
callee_at:  .quad callee
landing_at: .quad landing
landing2_at: .quad landing2

    .text
// Calls answer with their return address, so that a wrong one shows.
callee:
    mov (%rsp), %rax
    ret

// Plain instructions: no fix-up whatever.
kind nop
at nop;         nop
    ret
kind nop5
at nop5;        nopl 0(%rax,%rax,1)
    ret
kind endbr
at endbr;       endbr64
    ret
kind mov
at mov;         mov %rdx, %rax
    ret
kind mov_imm
at mov_imm;     movabs $0x1122334455667788, %rax
    ret
kind mov_mem
    movq $91, -8(%rsp)              // in the red zone
at mov_mem;     mov -8(%rsp), %rax
    ret
kind lea
at lea;         lea 5(%rbx,%rcx,2), %rax
    ret
kind add
at add;         add %rcx, %rax
    ret
kind div
    mov $100, %eax
    xor %edx, %edx
    mov $7, %ecx
at div;         div %rcx
    cmp %rax, %rax                  // div leaves flags undefined
    ret
kind cmov
    cmp %rax, %rax
at cmov;        cmove %rsi, %rax
    ret
kind xchg
at xchg;        xchg %rbx, %rcx
    ret
kind xchg_r8
at xchg_r8;     xchg %rax, %r8
    ret

// The stack.
kind push
at push;        push %rbx
    pop %rax
    ret
kind push_imm
at push_imm;    pushq $-2
    pop %rax
    ret
kind push_rsp
    mov %rsp, %rdx
at push_rsp;    push %rsp
    pop %rax
    sub %rdx, %rax
    mov $0, %edx
    ret
kind pop
    push %rcx
at pop;         pop %rax
    ret
kind pop_rsp
    push %rsp
at pop_rsp;     pop %rsp
    ret
kind leave
    push %rbp
    mov %rsp, %rbp
    lea -64(%rsp), %rsp
at leave;       leave
    ret
kind pushf
at pushf;       pushf
    pop %rax
    ret
kind popf
    pushq $0xad7                    // OF, IF, SF, ZF, AF, PF, CF
at popf;        popf
    ret

// Memory relative to RIP: load, store, address, immediate, implicit registers.
kind rip_load
at rip_load;    mov word(%rip), %rax
    ret
kind rip_store
at rip_store;   mov %rcx, cell(%rip)
    mov cell(%rip), %rax
    ret
kind rip_lea
at rip_lea;     lea word(%rip), %rax
    mov (%rax), %rax
    ret
kind rip_imm
at rip_imm;     cmpl $5, small(%rip)
    ret
kind rip_rsi
at rip_rsi;     mov word(%rip), %rsi
    ret
kind rip_r13
at rip_r13;     add word(%rip), %r13
    ret
kind rip_push
at rip_push;    pushq word(%rip)
    pop %rax
    ret
kind cmpxchg
    mov $40, %eax
at cmpxchg;     cmpxchg %rcx, counter(%rip)
    mov counter(%rip), %rax
    ret
kind lock_cmpxchg
    mov $40, %eax
at lock_cmpxchg; lock cmpxchg %rcx, locked(%rip)
    mov locked(%rip), %rax
    ret
kind cmpxchg16b
    push %rbx
    mov $1, %eax
    mov $2, %edx
    mov $3, %ebx
    mov $4, %ecx
at cmpxchg16b;  cmpxchg16b pair(%rip)
    mov pair(%rip), %rax
    mov 8+pair(%rip), %rdx
    pop %rbx
    ret
kind xchg_mem
at xchg_mem;    xchg %rdi, exchanged(%rip)
    ret
kind mul_mem
    mov $2, %eax
at mul_mem;     mulq small(%rip)
    cmp %rax, %rax                  // mul leaves most flags undefined
    ret

// SSE.
kind sse_reg
    movq %rcx, %xmm1
at sse_reg;     movdqa %xmm1, %xmm0
    movq %xmm0, %rax
    ret
kind sse_rip
    pxor %xmm0, %xmm0
at sse_rip;     paddd vector(%rip), %xmm0
    movq %xmm0, %rax
    ret
kind sse_store
    movq %rcx, %xmm0
at sse_store;   movq %xmm0, target(%rip)
    mov target(%rip), %rax
    ret

// Calls: rax is the return address that the callee saw.
kind call
    lea -8(%rsp), %rsp
at call;        call callee
    .global r_call
r_call:
    lea 8(%rsp), %rsp
    ret
kind call_reg
    lea callee(%rip), %rax
    lea -8(%rsp), %rsp
at call_reg;    call *%rax
    .global r_call_reg
r_call_reg:
    lea 8(%rsp), %rsp
    ret
kind call_mem
    lea -8(%rsp), %rsp
at call_mem;    call *callee_at(%rip)
    .global r_call_mem
r_call_mem:
    lea 8(%rsp), %rsp
    ret
kind call_stack
    lea callee(%rip), %rax
    push %rax
at call_stack;  call *(%rsp)        // the address is read before the push
    .global r_call_stack
r_call_stack:
    lea 8(%rsp), %rsp
    ret

// Jumps: rax is 1 where the right place was reached.
kind jmp
at jmp;         jmp 1f
    ret
1:  mov $1, %eax
    ret
kind jmp_near
at jmp_near;    jmp far_away
    ret
kind jmp_reg
    lea landing(%rip), %rdx
at jmp_reg;     jmp *%rdx
    ret
kind jmp_mem
at jmp_mem;     jmp *landing2_at(%rip)
    ret
kind jcc_taken
    cmp %rax, %rax
at jcc_taken;   je 1f
    ret
1:  mov $1, %eax
    ret
kind jcc_not
    cmp %rax, %rax
at jcc_not;     jne 1f
    mov $1, %eax
1:  ret
kind jcc_near
    cmp %rax, %rax
at jcc_near;    je far_away
    ret
kind loop
    mov $3, %ecx
    mov $0, %eax
1:  lea 1(%rax), %eax
at loop;        loop 1b
    ret
kind jrcxz
    mov $0, %ecx
at jrcxz;       jrcxz 1f
    ret
1:  mov $1, %eax
    ret
kind ret
    call 1f
    mov $1, %eax
    ret
1:
at ret;         ret
kind ret_imm
    push %rbx
    call 1f
    mov $1, %eax
    ret
1:
at ret_imm;     ret $8

// Strings. The count, the pointers and the memory must all come out right.
kind rep_movsb
    lea source(%rip), %rsi
    lea copy(%rip), %rdi
    mov $8, %ecx
at rep_movsb;   rep movsb
    mov -8(%rdi), %rax
    cmpb $0, -1(%rsi)
    mov $0, %esi
    mov $0, %edi
    ret
kind rep_stosb
    lea pattern(%rip), %rdi
    mov $0x5a, %eax
    mov $8, %ecx
at rep_stosb;   rep stosb
    mov -8(%rdi), %rax
    mov $0, %edi
    ret

kind syscall
    mov $24, %eax                   // sched_yield
at syscall;     syscall
    .global r_syscall
r_syscall:
    ret

// Out of reach of a short jump.
    .space 256, 0xcc
far_away:
    mov $1, %eax
    ret
landing:
    mov $1, %eax
    mov $0, %edx
    ret
landing2:
    mov $1, %eax
    ret

// void run_kind(void (*function)(void)): all of `before` is loaded, except RSP;
// all of `after` is stored. Both are rax rcx rdx rbx rsp rbp rsi rdi r8..r15 and
// the flags. before.rsp is filled in: it is where RSP must be again.
    .balign 16
    .global run_kind
    .type run_kind, @function
run_kind:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rdi, function
    mov %rsp, before+32
    pushq before+128
    popf
    mov before+0, %rax
    mov before+8, %rcx
    mov before+16, %rdx
    mov before+24, %rbx
    mov before+40, %rbp
    mov before+48, %rsi
    mov before+56, %rdi
    mov before+64, %r8
    mov before+72, %r9
    mov before+80, %r10
    mov before+88, %r11
    mov before+96, %r12
    mov before+104, %r13
    mov before+112, %r14
    mov before+120, %r15
    call *function
    mov %rax, after+0
    mov %rcx, after+8
    mov %rdx, after+16
    mov %rbx, after+24
    mov %rsp, after+32
    mov %rbp, after+40
    mov %rsi, after+48
    mov %rdi, after+56
    mov %r8, after+64
    mov %r9, after+72
    mov %r10, after+80
    mov %r11, after+88
    mov %r12, after+96
    mov %r13, after+104
    mov %r14, after+112
    mov %r15, after+120
    mov before+32, %rsp
    pushf
    popq after+128
    cld
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

    .bss
    .balign 8
    .global before, after
before:     .space 17 * 8
after:      .space 17 * 8
function:   .space 8
