// The room for the instructions under test, and the way in and out: subject.c says how it is used.
    .file "subject.S"
    .bss
saved_rsp:  .skip 8

    .data
    .balign 4096                    // fixed places, so that a case may name them: data is what a case works on
    .global data
data:
    .set at, 0
    .rept 512
    .quad 0xd0d0000000000000 + at
    .set at, at + 8
    .endr
    .global enter_at, leave_at
enter_at:   .quad code
leave_at:   .quad leave             // instructions under test end in jmp *leave_at
    .global pointer
pointer:    .quad code + 0x140      // for those that jump through memory

    .text
    .global run, leave, run_end
    .type run, @function
run:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, saved_rsp
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
    mov before, %rax
    pushq before+128
    popf
    mov before+32, %rsp
    jmp *enter_at
leave:
    mov %rsp, after+32
    mov saved_rsp, %rsp
    mov %rax, after
    mov %rcx, after+8
    mov %rdx, after+16
    mov %rbx, after+24
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
    pushf
    popq after+128
    pushq $2
    popf
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret
run_end:
    .size run, . - run

    .balign 4096
    .global code
    .type code, @function
code:
    .skip 8192, 0x90
    .size code, . - code
