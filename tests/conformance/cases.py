"""The cases of the conformance suite: programs and probes, as data. conformance.py asks and compares.

A case is a program, what it is told, and its probes. What it prints, how it ends, and the errno and hits of each probe
is the answer. No answer stands here: it is read from the live kernel when the test runs, and beside it stands what was
recorded on Linux 6.18 (recorded-6.18.json).
"""

# Instructions for the guest `subject` (tests/guests/subject.c): a name, the bytes, what the guest is told, and where in
# the bytes the probes are (0 unless given). They are put at code+100 (hexadecimal, as all numbers that the guest is
# told) unless `at` says otherwise, and a jump out of there follows; at code+140 stands inc %rbx and that jump. In the
# bytes `@data+10` is a RIP-relative displacement (`@data+10,4`: four bytes of immediate follow it), `=data+10` an
# absolute address. The comments are AT&T's syntax.
INSTRUCTIONS = [

    # Emulated by Linux: nops of its own list.
    ("nop", "90"),  # nop
    ("pause", "f3 90"),  # pause
    ("nop2", "66 90"),
    ("nop3", "0f 1f 00"),
    ("nop4", "0f 1f 40 00"),
    ("nop5", "0f 1f 44 00 00"),
    ("nop5-three-times", "0f 1f 44 00 00", "times=3"),
    ("nop6", "66 0f 1f 44 00 00"),
    ("nop7", "0f 1f 80 00 00 00 00"),
    ("nop8", "0f 1f 84 00 00 00 00 00"),

    # Nops that are stepped.
    ("nop9", "66 0f 1f 84 00 00 00 00 00"),
    ("endbr64", "f3 0f 1e fa"),  # endbr64
    ("nop-fs", "64 0f 1f 00"),
    ("nop-of-registers", "0f 1f c0"),
    ("nop-with-other-operand", "0f 1f 45 00 00"),
    ("lea-nop", "48 8d 36"),  # lea (%rsi),%rsi
    ("xchg-ax-ax", "66 87 c0"),
    ("xchg-eax-eax", "87 c0"),
    ("nop-rex-w", "48 90"),
    ("repne-nop", "f2 90"),
    ("prefetch", "0f 18 0c 24"),  # prefetcht0 (%rsp)

    # xchg with r8 passes for a nop.
    ("xchg-r8-rax", "49 90"),
    ("xchg-r8d-eax", "41 90"),
    ("xchg-r8-rax-rexw-r", "4d 90"),
    ("xchg-r9-rax", "49 91"),  # xchg %r9,%rax
    ("xchg-rcx-rax", "48 91"),  # xchg %rcx,%rax

    # Vector instructions whose opcode byte is a jump's, a call's or a nop's to a decoder that looks at one byte.
    ("vpor-is-jmp", "c5 e9 eb d9 48 ff c0"),  # vpor %xmm1,%xmm2,%xmm3; inc %rax
    ("vpsubsb-is-call", "c5 e9 e8 d9 48 ff c0"),  # vpsubsb %xmm1,%xmm2,%xmm3; inc %rax
    ("vpsubsw-is-jmp-near", "c5 e9 e9 d9 00 00 00 00 48 ff c0"),  # vpsubsw %xmm1,%xmm2,%xmm3; .byte 0,0,0,0; inc %rax
    ("vzeroupper-is-ja", "c5 f8 77 48 ff c0"),  # vzeroupper; inc %rax
    ("vzeroupper-is-ja-not", "c5 f8 77 48 ff c0", "flags=243"),  # vzeroupper; inc %rax
    ("vpcmpeqb-is-je", "c5 e9 74 d9 48 ff c0"),  # vpcmpeqb %xmm1,%xmm2,%xmm3; inc %rax
    ("kmovw-is-nop", "c5 f8 90 c8 48 ff c0"),
    ("vpshufd-is-jo", "c5 f9 70 d1 01 48 ff c0"),  # vpshufd $1,%xmm1,%xmm2; inc %rax

    # Branches, emulated.
    ("jmp-short", "eb 03 48 ff c0 48 ff c1"),  # jmp 1f; inc %rax; 1: inc %rcx
    ("jmp-near", "e9 03 00 00 00 48 ff c0 48 ff c1"),
    ("jmp-back", "eb 05 48 ff c1 eb 02 eb f9", "", (7,)),  # jmp 2f; 1: inc %rcx; jmp 3f; 2: jmp 1b; 3:
    ("jmp-bnd", "f2 e9 03 00 00 00 48 ff c0 48 ff c1"),
    ("jmp-rex", "48 eb 03 48 ff c0 48 ff c1"),
    ("jo-clear", "0f 80 03 00 00 00 48 ff c0 48 ff c1", "flags=202"),
    ("jo-set", "0f 80 03 00 00 00 48 ff c0 48 ff c1", "flags=ad7"),
    ("jno-clear", "71 03 48 ff c0 48 ff c1", "flags=202"),  # jno 1f; inc %rax; 1: inc %rcx
    ("jb-clear", "72 03 48 ff c0 48 ff c1", "flags=202"),  # jb 1f; inc %rax; 1: inc %rcx
    ("jb-set", "72 03 48 ff c0 48 ff c1", "flags=ad7"),  # jb 1f; inc %rax; 1: inc %rcx
    ("jae-clear", "0f 83 03 00 00 00 48 ff c0 48 ff c1", "flags=202"),
    ("je-clear", "74 03 48 ff c0 48 ff c1", "flags=202"),  # je 1f; inc %rax; 1: inc %rcx
    ("je-set", "74 03 48 ff c0 48 ff c1", "flags=ad7"),  # je 1f; inc %rax; 1: inc %rcx
    ("jne-clear", "75 03 48 ff c0 48 ff c1", "flags=202"),  # jne 1f; inc %rax; 1: inc %rcx
    ("jbe-clear", "0f 86 03 00 00 00 48 ff c0 48 ff c1", "flags=202"),
    ("jbe-set", "0f 86 03 00 00 00 48 ff c0 48 ff c1", "flags=ad7"),
    ("ja-clear", "77 03 48 ff c0 48 ff c1", "flags=202"),  # ja 1f; inc %rax; 1: inc %rcx
    ("ja-set", "77 03 48 ff c0 48 ff c1", "flags=ad7"),  # ja 1f; inc %rax; 1: inc %rcx
    ("js-clear", "78 03 48 ff c0 48 ff c1", "flags=202"),  # js 1f; inc %rax; 1: inc %rcx
    ("js-set", "78 03 48 ff c0 48 ff c1", "flags=ad7"),  # js 1f; inc %rax; 1: inc %rcx
    ("jns-clear", "0f 89 03 00 00 00 48 ff c0 48 ff c1", "flags=202"),
    ("jp-clear", "7a 03 48 ff c0 48 ff c1", "flags=202"),  # jp 1f; inc %rax; 1: inc %rcx
    ("jp-set", "7a 03 48 ff c0 48 ff c1", "flags=ad7"),  # jp 1f; inc %rax; 1: inc %rcx
    ("jnp-clear", "7b 03 48 ff c0 48 ff c1", "flags=202"),  # jnp 1f; inc %rax; 1: inc %rcx
    ("jl-clear", "0f 8c 03 00 00 00 48 ff c0 48 ff c1", "flags=202"),
    ("jl-set", "0f 8c 03 00 00 00 48 ff c0 48 ff c1", "flags=ad7"),
    ("jge-clear", "7d 03 48 ff c0 48 ff c1", "flags=202"),  # jge 1f; inc %rax; 1: inc %rcx
    ("jge-set", "7d 03 48 ff c0 48 ff c1", "flags=ad7"),  # jge 1f; inc %rax; 1: inc %rcx
    ("jle-clear", "7e 03 48 ff c0 48 ff c1", "flags=202"),  # jle 1f; inc %rax; 1: inc %rcx
    ("jle-set", "7e 03 48 ff c0 48 ff c1", "flags=ad7"),  # jle 1f; inc %rax; 1: inc %rcx
    ("jg-clear", "0f 8f 03 00 00 00 48 ff c0 48 ff c1", "flags=202"),
    ("jg-set", "0f 8f 03 00 00 00 48 ff c0 48 ff c1", "flags=ad7"),
    ("jl-sign-only", "7c 02 b0 01", "flags=282"),  # jl 1f; mov $1,%al; 1:
    ("jle-overflow-only", "7e 02 b0 01", "flags=a02"),  # jle 1f; mov $1,%al; 1:
    ("jg-sign-and-overflow", "7f 02 b0 01", "flags=a82"),  # jg 1f; mov $1,%al; 1:
    ("call", "e8 00 00 00 00 58"),  # call 1f; 1: pop %rax
    ("call-with-rex", "48 e8 00 00 00 00 58"),
    ("call-no-stack", "e8 00 00 00 00 58", "rsp=10000"),  # call 1f; 1: pop %rax

    # push, emulated with one or two bytes.
    ("push-rax", "50"),  # push %rax
    ("push-rsp", "54"),  # push %rsp
    ("push-r8", "41 50"),  # push %r8
    ("push-r12", "41 54"),  # push %r12
    ("push-rexw", "48 53"),
    ("push-rex40", "40 53"),
    ("push-16", "66 53"),  # pushw %bx
    ("push-no-stack", "50", "rsp=10000"),  # push %rax
    ("push-imm8", "6a fe"),  # push $-2
    ("push-imm32", "68 78 56 34 12"),  # push $0x12345678
    ("push-mem", "ff 77 08", "rdi=data+10"),  # push 8(%rdi)
    ("push-rip-mem", "ff 35 @data+20"),
    ("pop-rax", "58"),  # pop %rax
    ("pop-rsp", "5c", "rsp=stack+40"),  # pop %rsp
    ("pop-mem", "8f 47 08", "rdi=data+10"),  # pop 8(%rdi)
    ("leave", "c9", "rbp=stack+20"),  # leave
    ("enter", "c8 10 00 00"),  # enter $16,$0
    ("push-fs", "0f a0"),  # push %fs

    # Stepped out of line: plain ones.
    ("mov-reg", "48 89 d0"),  # mov %rdx,%rax
    ("mov-imm64", "48 b8 88 77 66 55 44 33 22 11"),  # movabs $0x1122334455667788,%rax
    ("lea", "48 8d 44 4b 05"),  # lea 5(%rbx,%rcx,2),%rax
    ("mov-mem", "48 8b 47 08", "rdi=data+10"),  # mov 8(%rdi),%rax
    ("mov-to-mem", "48 89 47 08", "rdi=data+10"),  # mov %rax,8(%rdi)
    ("mov-red-zone", "48 89 44 24 f8"),  # mov %rax,-8(%rsp)
    ("add-flags", "48 01 c8"),  # add %rcx,%rax
    ("adc-carry", "48 11 c8", "flags=203"),  # adc %rcx,%rax
    ("div", "f7 f1 39 c0", "rax=64 rdx=0 rcx=7"),  # div %ecx
    ("imul", "48 6b c1 07"),  # imul $7,%rcx,%rax
    ("cmov", "48 0f 42 c1", "flags=203"),  # cmovb %rcx,%rax
    ("setcc", "0f 97 c0"),  # seta %al
    ("shld", "48 0f a4 c8 04 39 c0"),  # shld $4,%rcx,%rax
    ("bswap", "48 0f c8"),  # bswap %rax
    ("cqo", "48 99"),  # cqo
    ("xadd", "48 0f c1 07", "rdi=data+10"),  # xadd %rax,(%rdi)
    ("cmpxchg", "48 0f b1 0f", "rdi=data+10"),  # cmpxchg %rcx,(%rdi)
    ("cmpxchg16b", "48 0f c7 0f", "rdi=data+10 rax=1 rdx=2"),  # cmpxchg16b (%rdi)
    ("xchg-mem", "48 87 07", "rdi=data+10"),  # xchg %rax,(%rdi)
    ("sse-roundtrip", "66 48 0f 6e c1 66 48 0f 7e c0", "", (0, 5)),  # movq %rcx,%xmm0; movq %xmm0,%rax
    ("pshufb", "66 48 0f 6e c1 66 0f 38 00 c0 66 48 0f 7e c0", "", (5,)),
    ("x87", "d9 e8 df 3f", "rdi=data+10", (0, 2)),  # fld1; fistpll (%rdi)
    ("std", "fd"),  # std
    ("cmc", "f5"),  # cmc
    ("lahf", "9f", "flags=2d7"),  # lahf
    ("xlat", "d7", "rbx=data+0 rax=3"),  # xlat
    ("cbw", "66 98"),  # cbw
    ("mov-ds", "8e d8", "rax=0"),  # mov %eax,%ds
    ("mov-from-ss", "8c d0"),  # mov %ss,%eax
    ("rdfs", "64 48 8b 04 25 10 00 00 00"),  # mov %fs:0x10,%rax
    ("addr32", "67 67 8b 07", "rdi=data+10"),
    ("rdtsc", "0f 31 31 c0 31 d2"),  # rdtsc; xor %eax,%eax; xor %edx,%edx
    ("cpuid", "0f a2 31 c0 31 db 31 c9 31 d2"),
    ("rdtsc-under-tf", "0f 31 31 c0 31 d2", "flags=302", (2,)),
    ("rdtsc-probed-under-tf", "0f 31 31 c0 31 d2", "flags=302"),
    ("lodsb", "ac", "rsi=data+10"),  # lodsb

    # RIP-relative operands, through a scratch register.
    ("rip-load", "48 8b 05 @data+10"),
    ("rip-store", "48 89 0d @data+10"),
    ("rip-lea", "48 8d 05 @data+10"),
    ("rip-lea-of-code", "48 8d 05 10 00 00 00"),
    ("rip-imm", "81 05 @data+10,4 01 00 00 00"),
    ("rip-imm8", "83 05 @data+10,1 01"),
    ("rip-rsi", "48 8b 35 @data+10"),
    ("rip-rdi", "48 8b 3d @data+10"),
    ("rip-rsi-add", "48 01 35 @data+10"),
    ("rip-r14", "4c 8b 35 @data+10"),
    ("rip-r14-with-b", "4d 8b 35 @data+10"),
    ("rip-cmpxchg", "48 0f b1 0d @data+10"),
    ("rip-xchg", "48 87 05 @data+10"),
    ("rip-call-mem", "ff 15 @pointer+0"),
    ("rip-jmp-mem", "ff 25 @pointer+0"),
    ("rip-bad", "48 8b 05 00 00 00 70"),
    ("rip-cmpxchg16b", "48 0f c7 0d @data+10"),
    ("rip-sse", "f3 0f 7e 05 @data+10 66 48 0f 7e c0"),

    # The same with every register, as gdb tests its displaced stepping; and prefixed transfers.
    ("rip-add-rax", "48 03 05 @data+10"),
    ("rip-add-rcx", "48 03 0d @data+10"),
    ("rip-add-rdx", "48 03 15 @data+10"),
    ("rip-add-rbx", "48 03 1d @data+10"),
    ("rip-add-rbp", "48 03 2d @data+10"),
    ("rip-add-rsi", "48 03 35 @data+10"),
    ("rip-add-rdi", "48 03 3d @data+10"),
    ("rip-add-r8", "4c 03 05 @data+10"),
    ("rip-add-r9", "4c 03 0d @data+10"),
    ("rip-add-r10", "4c 03 15 @data+10"),
    ("rip-add-r11", "4c 03 1d @data+10"),
    ("rip-add-r12", "4c 03 25 @data+10"),
    ("rip-add-r13", "4c 03 2d @data+10"),
    ("rip-add-r14", "4c 03 35 @data+10"),
    ("rip-add-r15", "4c 03 3d @data+10"),
    ("rep-jmp-reg", "f3 ff e1", "rcx=code+140"),  # repz jmp *%rcx
    ("rep-call-reg", "f3 ff d1 eb 01 90", "rcx=code+140"),  # repz call *%rcx
    ("rep-call", "f3 e8 00 00 00 00 58"),  # repz call 1f; 1: pop %rax
    ("rep-syscall", "b8 27 00 00 00 f3 0f 05 90", "", (5,)),  # repz syscall
    ("bnd-ret-to-nowhere", "f2 c3"),  # bnd ret, to address 256

    # mov ss holds interrupts and debug traps back for one instruction.
    ("mov-ss-then-probed", "8c d0 8e d0 90 48 ff c1", "", (4,)),  # mov %ss,%eax; mov %eax,%ss; nop; inc %rcx
    ("mov-ss-then-probed-step", "8c d0 8e d0 48 ff c1", "", (4,)),  # mov %ss,%eax; mov %eax,%ss; inc %rcx
    ("mov-ss-before-it-probed", "90 8c d0 8e d0 48 ff c1"),  # nop; mov %ss,%eax; mov %eax,%ss; inc %rcx

    ("mov-ss-then-int3", "8c d0 8e d0 cc 90", "flags=302"),  # mov %ss,%eax; mov %eax,%ss; int3; nop
    ("mov-ss-then-fault", "8c d0 8e d0 48 8b 1f", "rdi=10 flags=302"),  # mov %ss,%eax; mov %eax,%ss; mov (%rdi),%rbx
    ("mov-ss-then-syscall", "8c d0 b0 27 8e d0 0f 05 90", "flags=302"),

    # Calls, jumps and returns that are stepped.
    ("call-reg", "ff d1 eb 01 90", "rcx=code+140"),  # call *%rcx; 1: jmp 2f; nop; 2: 
    ("call-mem", "ff 14 24"),  # call *(%rsp)
    ("call-no-stack-indirect", "ff d1", "rcx=code+140 rsp=10000"),  # call *%rcx
    ("jmp-reg", "ff e1", "rcx=code+140"),  # jmp *%rcx
    ("jmp-mem", "ff 24 25 =leave_at+0"),
    ("jmp-to-nowhere", "ff e1", "rcx=10"),  # jmp *%rcx
    ("jmp-non-canonical", "ff e1", "rcx=8000000000000000"),  # jmp *%rcx
    ("ret", "51 c3", "rcx=code+140", (1,)),  # push %rcx; ret
    ("ret-imm", "51 c2 18 00", "rcx=code+140", (1,)),  # push %rcx; ret $24
    ("rep-ret", "51 f3 c3", "rcx=code+140", (1,)),  # push %rcx; rep ret
    ("ret-to-nowhere", "51 c3", "rcx=10", (1,)),  # push %rcx; ret
    ("call-back", "ff c9 74 05 e8 f7 ff ff ff", "rcx=4", (4,)),  # 1: dec %ecx; je 2f; call 1b; 2:
    # call 1f; jmp 2f; 1: nop5; ret; 2:
    ("return-of-nop5-registers", "e8 02 00 00 00 eb 06 0f 1f 44 00 00 c3", "times=3 flags=ad7", ("r 7",)),
    ("return-of-a-stepped", "e8 02 00 00 00 eb 05 48 8d 40 01 c3", "times=2 flags=ad7", ("r 7",)),
    ("call-over", "e8 01 00 00 00 90 58", "", (0, 6)),  # call 1f; nop; 1: pop %rax

    # loop and jrcxz shift the address of the slot.
    ("loop-taken", "e2 03 48 ff c0"),  # loop 1f; inc %rax; 1:
    ("loop-not", "e2 03 48 ff c0", "rcx=1"),  # loop 1f; inc %rax; 1:
    ("loop-three-rounds", "48 ff c0 e2 fb", "rcx=3", (3,)),  # 1: inc %rax; loop 1b
    ("loope", "e1 03 48 ff c0", "flags=202"),  # loope 1f; inc %rax; 1:
    ("jrcxz-taken", "e3 03 48 ff c0", "rcx=0"),  # jrcxz 1f; inc %rax; 1:
    ("jrcxz-not", "e3 03 48 ff c0"),  # jrcxz 1f; inc %rax; 1:

    # Flags.
    ("pushf", "9c"),  # pushf
    ("pushf-16", "66 9c"),  # pushfw
    ("pushf-under-tf", "9c", "flags=302"),  # pushf
    ("popf", "68 46 02 00 00 9d", "", (5,)),  # push $0x246; popf
    ("popf-sets-tf", "68 46 03 00 00 9d 90 90", "", (5,)),  # push $0x346; popf; nop; nop
    ("popf-clears-tf", "68 46 02 00 00 9d 90 90", "flags=302", (5,)),  # push $0x246; popf; nop; nop
    ("popf-16", "66 68 46 02 66 9d", "", (4,)),  # pushw $0x246; popfw
    ("sahf", "9e"),  # sahf

    # Repeated string instructions: a handler run for each iteration.
    ("rep-movsb-10", "f3 a4", "rcx=a rsi=data+0 rdi=data+80"),  # rep movsb
    ("rep-movsb-1", "f3 a4", "rcx=1 rsi=data+0 rdi=data+80"),  # rep movsb
    ("rep-movsb-0", "f3 a4", "rcx=0 rsi=data+0 rdi=data+80"),  # rep movsb
    ("rep-stosq-5", "f3 48 ab", "rcx=5 rdi=data+80"),  # rep stosq
    ("rep-movsb-back", "f3 a4", "rcx=5 rsi=data+10 rdi=data+90 flags=602"),  # rep movsb
    ("repne-scasb", "f2 ae", "rax=8 rcx=10 rdi=data+0"),  # repne scasb
    ("repe-cmpsb", "f3 a6", "rcx=10 rsi=data+0 rdi=data+40"),  # repe cmpsb
    ("rep-lodsb", "f3 ac", "rcx=4 rsi=data+0"),  # rep lodsb
    ("movsb-once", "a4", "rsi=data+0 rdi=data+80"),  # movsb
    ("rep-movsb-faults", "f3 a4", "rcx=8 rsi=data+0 rdi=data+ffc"),  # rep movsb
    ("rep-stosb-faults", "f3 aa", "rcx=8 rdi=code+ffc"),  # rep stosb

    # Faults on the copy are the original's.
    ("load-bad", "48 8b 07", "rdi=10"),  # mov (%rdi),%rax
    ("store-bad", "48 89 07", "rdi=10"),  # mov %rax,(%rdi)
    ("store-to-text", "48 89 07", "rdi=code+0"),  # mov %rax,(%rdi)
    ("load-non-canonical", "48 8b 07", "rdi=8000000000000000"),  # mov (%rdi),%rax
    ("div-by-zero", "f7 f1", "rcx=0"),  # div %ecx
    ("div-overflow", "f7 f1", "rax=0 rdx=1 rcx=1"),  # div %ecx
    ("ud2", "0f 0b"),  # ud2
    ("movaps-unaligned", "0f 28 07", "rdi=data+1"),  # movaps (%rdi),%xmm0
    ("mov-cr3", "0f 20 d8"),
    ("wrmsr", "0f 30"),  # wrmsr
    ("clts", "0f 06"),  # clts
    ("rip-store-bad", "48 89 05 00 00 00 70"),
    ("pop-no-stack", "58", "rsp=10000"),  # pop %rax
    ("load-bad-no-handler", "48 8b 07", "rdi=10 bare=1"),  # mov (%rdi),%rax
    ("ud2-no-handler", "0f 0b", "bare=1"),  # ud2
    ("load-fs-null", "64 48 8b 04 25 00 00 00 00"),  # mov %fs:0,%rax

    # System calls: TF traps one instruction late.
    ("syscall-then-mov", "b8 27 00 00 00 0f 05 89 c0 3d e8 03 00 00 b8 00 00 00 00", "", (5,)),
    ("syscall-then-nop", "b8 27 00 00 00 0f 05 90", "", (5,)),  # mov $39,%eax; syscall; nop
    ("syscall-then-jmp-short", "b8 27 00 00 00 0f 05 eb 01 90 48 ff c3", "", (5,)),
    ("syscall-then-rip-lea", "b8 27 00 00 00 0f 05 48 8d 1d 01 00 00 00", "", (5,)),
    ("syscall-then-ret", "53 b8 27 00 00 00 0f 05 c3", "rbx=code+140", (6,)),  # push %rbx; mov $39,%eax; syscall; ret
    ("syscall-then-fault", "b8 27 00 00 00 0f 05 48 8b 1f", "rdi=10", (5,)),  # mov $39,%eax; syscall; mov (%rdi),%rbx
    ("syscall-then-pushf", "b8 27 00 00 00 0f 05 9c", "", (5,)),  # mov $39,%eax; syscall; pushf
    ("syscall-then-push-rcx", "b8 27 00 00 00 0f 05 51", "", (5,)),  # mov $39,%eax; syscall; push %rcx
    ("syscall-then-call", "b8 27 00 00 00 0f 05 e8 00 00 00 00 5b", "", (5,)),
    ("syscall-then-probed", "b8 27 00 00 00 0f 05 89 c3 48 ff c1", "", (5, 7)),
    ("syscall-then-syscall", "b8 27 00 00 00 0f 05 0f 05 90", "", (5,)),  # mov $39,%eax; syscall; syscall; nop
    ("syscall-then-int3", "b8 27 00 00 00 0f 05 cc 90", "", (5,)),  # mov $39,%eax; syscall; int3; nop
    ("syscall-unknown", "b8 0f 27 00 00 0f 05 90", "", (5,)),  # mov $9999,%eax; syscall; nop
    ("syscall-no-probe-on-it", "b8 27 00 00 00 0f 05 48 89 cb", "", (7,)),  # mov $39,%eax; syscall; mov %rcx,%rbx
    ("syscall-under-tf", "b8 27 00 00 00 0f 05 90 90", "flags=302", (5,)),  # mov $39,%eax; syscall; nop; nop
    ("syscall-under-tf-unprobed-beside", "b8 27 00 00 00 0f 05 90 90", "flags=302", (0,)),

    # A signal that the instruction itself brings about; what its frame shows.
    ("kill-in-a-step", "b8 27 00 00 00 0f 05 89 c7 be 0a 00 00 00 b8 3e 00 00 00 0f 05 90 90 31 ff", "", (19,)),
    ("kill-behind-it", "b8 27 00 00 00 0f 05 89 c7 be 0a 00 00 00 b8 3e 00 00 00 0f 05 90 90 31 ff", "", (21,)),
    ("kill-before-a-stepped", "b8 27 00 00 00 0f 05 89 c7 be 0a 00 00 00 b8 3e 00 00 00 0f 05 31 ff 90", "", (21,)),
    ("kill-before-a-nop5", "b8 27 00 00 00 0f 05 89 c7 be 0a 00 00 00 b8 3e 00 00 00 0f 05 0f 1f 44 00 00 31 ff", "times=3", (21,)),

    # The program's own TF: one SIGTRAP for each instruction, whoever executes it.
    ("tf-nop", "90 90", "flags=302"),  # nop; nop
    ("tf-stepped", "48 8d 40 01 90", "flags=302"),  # lea 1(%rax),%rax; nop
    ("tf-jmp", "eb 01 90 90", "flags=302"),  # jmp 1f; nop; 1: nop
    ("tf-push", "50 90", "flags=302"),  # push %rax; nop
    ("tf-nop5", "0f 1f 44 00 00 90", "flags=302 times=2"),
    ("tf-rep", "f3 aa 90", "flags=302 rcx=3 rdi=data+0"),  # rep stosb; nop
    ("tf-fault", "48 8b 07 90", "flags=302 rdi=10"),  # mov (%rdi),%rax; nop
    ("tf-not-probed-there", "90 90 90", "flags=302", (1,)),  # nop; nop; nop
    ("tf-sysret", "9c 41 5b 90 90", "flags=302 rcx=code+104", (3,)),  # pushf; pop %r11; nop; nop
    # push $0x302; popf; nop; nop; push $0x202; popf
    ("sigtrap-loop", "68 02 03 00 00 9d 90 90 68 02 02 00 00 9d", "", (5, 6, 7, 8, 13)),
    ("sigtrap-loop-unprobed", "68 02 03 00 00 9d 90 90 68 02 02 00 00 9d", "", ()),

    # Probes side by side.
    ("two-neighbours", "48 ff c0 48 ff c1 48 ff c2", "", (0, 3)),  # inc %rax; inc %rcx; inc %rdx
    ("three-neighbours-nops", "90 90 90", "", (0, 1, 2)),  # nop; nop; nop
    ("middle-of-an-instruction", "b8 44 33 22 11", "", (1,)),  # mov $0x11223344,%eax
    ("int3-of-the-program-elsewhere", "90 cc 90", "", (0,)),  # nop; int3; nop
    ("jump-to-a-probe", "eb 01 90 48 ff c0", "", (3,)),  # jmp 1f; nop; 1: inc %rax
    ("text-of-a-stepped", "48 8d 40 01", "times=2 text=100:4 maps=1"),  # lea 1(%rax),%rax
    ("text-of-a-nop", "90", "times=2 text=100:4 maps=1"),  # nop
    ("text-of-nop5", "0f 1f 44 00 00", "times=3 text=100:6 maps=1"),
    ("text-of-push", "50 58", "times=2 text=100:4 maps=1"),  # push %rax; pop %rax
    ("text-of-a-jump", "eb 01 90", "times=2 text=100:4 maps=1"),  # jmp 1f; nop; 1:
    ("reads-its-own-byte", "8a 05 fa ff ff ff", "text=100:1"),
    ("nop5-red-zone", "48 89 44 24 f8 48 89 44 24 f0 48 89 44 24 e8 48 89 44 24 e0 48 89 44 24 d8 0f 1f 44 00 00", "times=2", (25,)),
    ("nop5-registers", "0f 1f 44 00 00", "times=2 rax=1 rcx=2 r11=3 flags=ad7"),
    ("nop5-no-stack", "0f 1f 44 00 00", "times=2 rsp=10000"),

    # Over the end of a page: at=ff8 puts the first byte there.
    ("crossing-mov", "48 b8 88 77 66 55 44 33 22 11", "at=ff8 times=2 text=ff8:10"),
    ("crossing-nop5", "0f 1f 44 00 00", "at=ffd times=3 text=ffd:5 maps=1"),
    ("crossing-nop5-by-one", "0f 1f 44 00 00", "at=ffc times=3 text=ffc:5 maps=1"),
    ("up-to-the-end-nop5", "0f 1f 44 00 00", "at=ffb times=3 text=ffb:6 maps=1"),
    ("crossing-jmp", "eb 04 00 00 00 00 48 ff c0", "at=fff times=2"),  # jmp 1f; .skip 4; 1: inc %rax
    ("crossing-rip-load", "48 8b 05 @data+10", "at=ffc"),
    ("last-byte-of-the-page", "90 48 ff c0", "at=fff"),  # nop; inc %rax
]

# Encodings whose registration is the question; they are never executed. One probe for each, in one program per line.
ENCODINGS = {
    "not in 64-bit mode": "06 07 0e 16 17 1e 1f 27 2f 37 3f 60 61 82 9a d4 d6 ea ce",
    "privileged, input and output": "6c 6d 6e 6f e4 e5 e6 e7 ec ed ee ef f4 fa fb f1",
    "traps and interrupts": "cc cd cf",
    "accepted although invalid": "d5 0fff 0fb9 fff8 0f04 0f0e c4e17811c0",
    "accepted although privileged": "0f06 0f08 0f09 0f30 0f32 0f34 0f35 0f01d0 0f00d8 0f20c0 0f22c0 0f0b 0f05 0fa2 0f31 0faa",
    "segment prefixes": "268b07 2e8b07 368b07 3e8b07 648b07 658b07",
    "lock": "f0480fb10f f0ff07 f00fc10f",
    "no-track jumps and nops with cs": "3effe0 662e0f1f840000000000 2e0f1f00 3e90",
    "other prefixes": "678b07 668b07 f390 f3c3 f2e900000000 4890 f3a4 f2a6 f30f1efa 66666690",
    "operand size on branches": "66e800000000 66e900000000 66eb00 667400 660f8400000000 66ffd0 66c3",
    "stack segment": "8ed0 8ed8 8ec0 8cd0 0fa1 0fa9 0fb207",
    "vex": "c5f96fc1 c4e27900c1 c4e07900c1 c4ff7900c1 c5f877 c4e37d19c101 c462f1f7c0",
    "evex": "62f17c4828c1 62ffffffffff 62f1fd4828c1 62f05c4828c1",
    "xop": "8fe878c0c000 8f00 8fc0",
    "length": "66666666666666666666666666660f1f00 666666666666666666666666666690 66666666666666666666666666666690 "
              "6666666666666666666666666666666690",
    "string instructions": "a4 a5 a6 a7 aa ab ac ad ae af",
    "far transfers": "ff1f ff2f cb ca0000 c8000000 c9",
    "int3 in the file": "cc cc90 f3f3cc",
}

# Modes of the guest `process-life`: a name, what it is told, the functions that are probed ("r " for a return probe;
# "-" in front: not from the start), and the changes: what is registered (+) and unregistered (-), by number, at each
# question of the guest.
LIVES = [
    ("stepped", "rounds stepped 3", ["stepped"]),
    ("emulated", "rounds emulated 3", ["emulated"]),
    ("nop5", "rounds nop5 3", ["nop5"]),
    ("push", "rounds pushes 2", ["pushes"]),
    ("call", "rounds calls 2", ["calls"]),
    ("call and its callee", "rounds calls 2", ["calls", "emulated"]),
    ("jump", "rounds tail 2", ["tail", "emulated"]),
    ("return of a stepped function", "rounds stepped 2", ["r stepped"]),
    ("return of an emulated function", "rounds emulated 2", ["r emulated"]),
    ("return of nop5", "rounds nop5 3", ["r nop5"]),
    ("entry and return", "rounds stepped 2", ["stepped", "r stepped"]),
    ("return through a tail call", "rounds tail 2", ["r tail", "r emulated"]),
    ("two consumers", "rounds stepped 2", ["stepped", "stepped"]),
    ("two consumers of nop5", "rounds nop5 3", ["nop5", "nop5"]),
    ("six probes in one page", "rounds stepped 2", ["stepped", "emulated", "nop5", "pushes", "calls", "tail"]),
    ("red zone", "rounds red_zone 4", ["red_nop"]),

    ("fork, stepped", "forks stepped", ["stepped"]),
    ("fork, emulated", "forks emulated", ["emulated"]),
    ("fork, nop5", "forks nop5", ["nop5"]),
    ("fork before the first hit of nop5", "forks nop5 0", ["nop5"]),
    ("fork before the first hit", "forks stepped 0", ["stepped"]),
    ("fork, return", "forks stepped", ["r stepped"]),
    ("fork, unregister, child has not hit", "forks-and-asks stepped", ["stepped"], ["-0"]),
    ("fork, register in both", "forks-and-asks stepped", ["-stepped"], ["+0"]),
    ("vfork, stepped", "vforks stepped", ["stepped"]),
    ("vfork, nop5", "vforks nop5", ["nop5"]),
    ("a child that shares memory, stepped", "shares-memory stepped", ["stepped"]),
    ("a child that shares memory, nop5", "shares-memory nop5", ["nop5"]),
    ("threads, stepped", "threads stepped 3", ["stepped"]),
    ("threads, nop5", "threads nop5 3", ["nop5"]),
    ("threads, return", "threads stepped 3", ["r stepped"]),
    ("reference counter", "counts stepped 3", ["stepped(semaphores+0)"]),
    ("reference counter comes and goes", "counts stepped 5", ["-stepped(semaphores+0)"], ["+0", "", "-0", "+0", ""]),
    ("two consumers, one count", "counts stepped 4", ["stepped(semaphores+0)", "-stepped(semaphores+0)"], ["+1", "-0", "-1", ""]),
    ("reference counter of a return probe", "counts stepped 2", ["r stepped(semaphores+0)"]),
    ("two probes with one reference counter", "counts stepped 2", ["stepped(semaphores+0)", "emulated(semaphores+0)"]),
    ("two probes with two reference counters", "counts stepped 2", ["stepped(semaphores+0)", "emulated(semaphores+2)"]),
    ("two reference counters at one place", "counts stepped 2", ["stepped(semaphores+0)", "stepped(semaphores+2)"]),
    ("a reference counter and none at one place", "counts stepped 2", ["stepped(semaphores+0)", "stepped"]),
    ("a reference counter at an odd place", "counts stepped 2", ["stepped(semaphores+1)"]),
    ("reference counter of nop5", "counts nop5 3", ["nop5(semaphores+0)"], ["", "-0", ""]),
    ("reference counter in the text", "counts stepped 2", ["stepped(stepped+64)"]),
    ("the start of the file", "looks stepped", ["__ehdr_start"]),
    ("constants", "looks stepped", ["constants"]),
    ("variables", "looks stepped", ["variables"]),
    ("the same function four times", "rounds stepped 2", ["stepped"] * 4),
    ("entry and return of nop5", "rounds nop5 3", ["nop5", "r nop5"]),
    ("a return probe inside a function", "rounds pushes 2", ["r pushes"]),
    ("two return probes", "rounds stepped 2", ["r stepped", "r stepped"]),
    ("a probe on call and a return probe on the callee", "rounds calls 2", ["calls", "r emulated"]),
    ("return probes on caller and callee", "rounds calls 2", ["r calls", "r emulated"]),
    ("fork, push", "forks pushes", ["pushes"]),
    ("fork, a return probe that is open", "forks-and-asks stepped", ["r stepped"]),
    ("fork, unregister a return probe", "forks-and-asks stepped", ["r stepped"], ["-0"]),
    ("fork, register nop5 in both", "forks-and-asks nop5", ["-nop5"], ["+0"]),
    ("fork, unregister nop5", "forks-and-asks nop5", ["nop5"], ["-0"]),
    ("vfork, emulated", "vforks emulated", ["emulated"]),
    ("vfork, return", "vforks stepped", ["r stepped"]),
    ("a child that shares memory, return", "shares-memory stepped", ["r stepped"]),
    ("exec, emulated", "executes emulated", ["emulated"]),
    ("exec, entry and return", "executes stepped", ["stepped", "r stepped"]),
    ("emulated mapped again r-x", "maps-again emulated rx", ["emulated"]),
    ("return probe mapped again r-x", "maps-again stepped rx", ["r stepped"]),
    ("emulated moved by mremap", "moves emulated", ["emulated"]),
    ("return probe, text given up with madvise", "discards stepped", ["r stepped"]),
    ("writes a nop over the call of nop5", "writes nop5 n", ["nop5"]),
    ("writes a nop over an emulated nop", "writes emulated n", ["emulated"], ["", "-0"]),
    ("nop5 through a file", "reads-itself nop5", ["nop5"]),
    ("area given up with madvise, return probe", "abuses stepped ud", ["r stepped"]),
    ("area read, return probe and step", "abuses stepped ur1", ["stepped", "r stepped"]),
    ("trampoline of nop5 given up with madvise", "abuses nop5 td", ["nop5"]),
    ("trampoline of nop5 replaced", "abuses nop5 to", ["nop5"]),
    ("middle of the trampoline of nop5", "abuses nop5 tj3", ["nop5"]),
    ("middle of the trampoline of returns", "abuses stepped uj3", ["r stepped"]),
    ("system call 335 beside a step", "trampoline-call stepped 335", ["stepped"]),
    ("system call 336 beside a return probe", "trampoline-call stepped 336", ["r stepped"]),
    ("a signal to itself, nop5", "signals-itself nop5", ["nop5"]),
    ("a signal to itself, return", "signals-itself stepped", ["r stepped"]),
    ("push comes and goes", "asks pushes 4", ["pushes"], ["", "-0", "+0", "-0"]),
    ("return probe comes and goes", "asks stepped 5", ["r stepped"], ["-0", "+0", "-0", "+0", ""]),
    ("entry goes, return remains", "asks stepped 3", ["stepped", "r stepped"], ["", "-0", "-1"]),
    ("nop5 with a return probe that comes", "asks nop5 5", ["nop5", "-r nop5"], ["", "", "+1", "", "-1"]),
    ("both nop5 consumers go", "asks nop5 5", ["nop5", "nop5"], ["", "", "-0", "-1", ""]),
    ("emulated, then a return probe instead", "asks emulated 4", ["emulated", "-r emulated"], ["", "-0", "+1", "-1"]),
    ("entry unregistered inside the function", "open-call outer", ["outer"], ["-0", "", ""]),
    ("entry and return unregistered inside the function", "open-call outer", ["outer", "r outer"], ["-0", "-1", ""]),
    ("ten threads, ten calls", "crowd stepped 10 10", ["stepped"]),
    ("a hundred threads, ten calls", "crowd emulated 100 10", ["emulated"]),
    ("five threads, ten thousand calls", "crowd emulated 5 10000", ["emulated"]),
    ("ten threads, nop5", "crowd nop5 10 100", ["nop5"]),
    ("ten threads, return", "crowd stepped 10 10", ["r stepped"]),
    ("a thread dies", "dies stepped 10 10", ["stepped"]),
    ("a thread executes", "thread-executes stepped 10 10", ["stepped"]),
    ("exec, stepped", "executes stepped", ["stepped"]),
    ("exec, nop5", "executes nop5", ["nop5"]),
    ("exec, return", "executes stepped", ["r stepped"]),

    ("mapped again r-x", "maps-again stepped rx", ["stepped"]),
    ("mapped again r--", "maps-again stepped r", ["stepped"]),
    ("mapped again ---", "maps-again stepped none", ["stepped"]),
    ("mapped again rw-", "maps-again stepped rw", ["stepped"]),
    ("mapped again rwx", "maps-again stepped rwx", ["stepped"]),
    ("mapped again shared r--", "maps-again stepped sr", ["stepped"]),
    ("mapped again shared r-x", "maps-again stepped srx", ["stepped"]),
    ("nop5 mapped again r-x", "maps-again nop5 rx", ["nop5"]),
    ("mapped writable, then not", "maps-writable-first stepped", ["stepped"]),
    ("mapped writable, written, then not", "maps-writable-first stepped w", ["stepped"]),
    ("moved by mremap", "moves stepped", ["stepped"]),
    ("nop5 moved by mremap", "moves nop5", ["nop5"]),
    ("text given up with madvise", "discards stepped", ["stepped"]),
    ("text given up with madvise, nop5", "discards nop5", ["nop5"]),

    ("own int3 in the file", "own-breakpoint own_int3", ["own_int3"]),
    ("own int3 beside a probe", "own-breakpoint own_int3", ["stepped"]),
    ("writes a nop over the int3", "writes stepped n", ["stepped"]),
    ("writes a nop over the int3, unregistered", "writes stepped n", ["stepped"], ["-0", ""]),
    ("writes an int3 over the int3", "writes stepped 3", ["stepped"]),
    ("writes an int3 over the int3, unregistered", "writes stepped 3", ["stepped"], ["", "-0"]),
    ("writes an int3, then registered", "writes emulated 3", ["-emulated"], ["+0", "-0"]),
    ("writes a nop, then registered", "writes stepped n", ["-stepped"], ["+0", "-0"]),
    ("reads its memory through a file", "reads-itself stepped", ["stepped"]),

    ("area read", "abuses stepped ur1", ["stepped"]),
    ("area made writable", "abuses stepped up", ["stepped"]),
    ("area enlarged", "abuses stepped um", ["stepped"]),
    ("area given up with madvise", "abuses stepped ud", ["stepped"]),
    ("area through a file", "abuses stepped uf", ["stepped"]),
    ("area unmapped", "abuses stepped uu", ["stepped"]),
    ("area replaced", "abuses stepped uo", ["stepped"]),
    ("jump into a slot that was used", "abuses stepped uj128", ["stepped"]),
    ("jump into an unused slot", "abuses stepped uj512", ["stepped"]),
    ("jump to slot 0 without return probes", "abuses stepped uj0", ["stepped"]),
    ("trampoline of returns read", "abuses stepped ur", ["r stepped"]),
    ("jump to the trampoline of returns", "abuses stepped uj0", ["r stepped"]),
    ("area of returns unmapped", "abuses stepped uu", ["r stepped"]),
    ("trampoline of nop5 read", "abuses nop5 tr", ["nop5"]),
    ("trampoline of nop5 made writable", "abuses nop5 tp", ["nop5"]),
    ("trampoline of nop5 enlarged", "abuses nop5 tm", ["nop5"]),
    ("trampoline of nop5 unmapped", "abuses nop5 tu", ["nop5"]),
    ("trampoline of nop5 through a file", "abuses nop5 tf", ["nop5"]),
    ("jump to the trampoline of nop5", "abuses nop5 tj0", ["nop5"]),
    ("system call 335 without a probe", "trampoline-call stepped 335", []),
    ("system call 335 beside a return probe", "trampoline-call stepped 335", ["r stepped"]),
    ("system call 336 without a probe", "trampoline-call stepped 336", []),
    ("system call 336 beside nop5", "trampoline-call nop5 336", ["nop5"]),
    ("what a system call leaves in rcx", "shows-call", ["probed_call"]),
    ("a signal to itself", "signals-itself stepped", ["stepped"]),
    ("fault of a probed load", "bad-pointer faults", ["faults"]),
    ("probed load that does not fault", "bad-pointer faults x", ["faults"]),
    ("fault under a return probe", "bad-pointer faults", ["r faults"]),

    ("registered while it runs", "asks stepped 3", ["-stepped"], ["", "+0", ""]),
    ("unregistered while it runs", "asks stepped 3", ["stepped"], ["", "-0", ""]),
    ("comes and goes", "asks stepped 6", ["stepped"], ["-0", "+0", "-0", "+0", "", "-0"]),
    ("one of two goes", "asks stepped 4", ["stepped", "stepped"], ["", "-0", "+0", "-1"]),
    ("a second one comes and goes", "asks stepped 4", ["stepped", "-stepped"], ["", "+1", "-1", ""]),
    ("nop5 unregistered", "asks nop5 5", ["nop5"], ["", "", "-0", "", ""]),
    ("nop5 unregistered and registered", "asks nop5 6", ["nop5"], ["", "", "-0", "+0", "", ""]),
    ("a second consumer of nop5", "asks nop5 5", ["nop5", "-nop5"], ["", "", "+1", "-0", "-1"]),
    ("emulated comes and goes", "asks emulated 4", ["emulated"], ["", "-0", "+0", "-0"]),
    ("a neighbour in the page comes and goes", "asks stepped 4", ["stepped", "-emulated"], ["", "+1", "-1", ""]),
    ("return probe registered while it runs", "asks stepped 3", ["-r stepped"], ["", "+0", "-0"]),
    ("entry remains, return goes", "asks stepped 3", ["stepped", "r stepped"], ["", "-1", "-0"]),
    ("unregistered inside the function", "open-call outer", ["r outer"], ["-0", "", ""]),
    ("registered inside the function", "open-call outer", ["-r outer"], ["+0", "", ""]),
    ("registered anew inside the function", "open-call outer", ["r outer", "-r outer"], ["+1", "-0", "-1"]),
    ("entry registered inside the function", "open-call outer", ["-outer"], ["+0", "", ""]),
    ("own int3 unmarked: probe elsewhere comes and goes", "asks own_int3 3", ["-stepped"], ["+0", "-0", ""]),
]

# What bpf's uprobe_multi asks of four consumers of one function, two of its entry and two of its return: which of them
# are called when others come and go while a call is open. A set of consumers before, and one after; these pairs are a
# sample of all 256, which --all asks.
CONSUMERS = ["outer", "outer", "r outer", "r outer"]
SAMPLED_CONSUMERS = [(before, (before * 7 + 3) % 16) for before in range(16)] + [(15, 15)]

# Modes of the guest `returns`, with return probes on these functions.
RETURNS = [
    ("leaf 100", ["leaf"]), ("deep 63", ["deep"]), ("deep 64", ["deep"]), ("deep 70", ["deep"]),
    ("tail 3", ["tail1"]), ("tail 3", ["tail2"]), ("tail 3", ["tail1", "tail2"]), ("jump 10", ["jumper"]),
    ("down 63", ["down", "leaf"]), ("down 64", ["down", "leaf"]), ("address", ["return_address"]),
    ("stacks", ["half"]), ("stacks-down", ["half"]),
    ("signal-above", ["interrupted", "leaf"]), ("signal-below", ["interrupted", "leaf"]), ("signal-above", ["interrupted"]), ("fork", ["forks", "leaf"]),
]

# Places in the file of `process-life`, from its end: nothing there is ever mapped.
PLACES = [("the last byte", -1), ("the end", 0), ("behind the end", 1), ("far behind the end", 1 << 20), ("a page behind the end", 4096)]

# What may be asked to be probed at its first byte, or at `own_int3`, which the kernels refuse where it is mapped.
FILES = [("one that is not there", "FOLDER/nowhere", None), ("a folder", "FOLDER", None), ("a device", "/dev/null", None),
         ("one of /proc", "/proc/self/status", None), ("an empty one", "FOLDER/empty", None),
         ("an int3 that nobody maps", "FOLDER/never-mapped", "own_int3"), ("text that nobody maps", "FOLDER/never-mapped", "stepped")]

# Lines for the kernel's uprobe_events that it must refuse: what they are an example of in ftrace's
# uprobe_syntax_errors.tc, and the line; and some that it takes.
SYNTAX = [
    ("FILE_NOT_FOUND", "p /non_exist_file:100"), ("NO_REGULAR_FILE", "p /sys:100"),
    ("BAD_UPROBE_OFFS", "p /bin/sh:10a"), ("BAD_REFCNT", "p /bin/sh:10(1a)"),
    ("REFCNT_OPEN_BRACE", "p /bin/sh:10(10"), ("BAD_REFCNT_SUFFIX", "p /bin/sh:10(10)a"),
    ("BAD_FILE_OFFS", "p /bin/sh:10 @+ab"), ("SYM_ON_UPROBE", "p /bin/sh:10 @symbol"),
    ("a register", "p /bin/sh:0x10 %di"), ("no such register", "p /bin/sh:0x10 %foo"),
    ("memory of a register", "p /bin/sh:0x10 name=+8(%di):u32"), ("a type that is none", "p /bin/sh:0x10 %di:u33"),
    ("the value that is returned, at the entry", "p /bin/sh:0x10 $retval"),
    ("the value that is returned", "r /bin/sh:0x10 $retval"), ("a string in a register", "p /bin/sh:0x10 %di:string"),
    ("a string", "p /bin/sh:0x10 +0(%di):string"), ("a parenthesis too few", "p /bin/sh:0x10 +0(%di"),
    ("an array", "p /bin/sh:0x10 +0(%di):u8[4]"), ("an array of none", "p /bin/sh:0x10 +0(%di):u8[0]"),
    ("an array too long", "p /bin/sh:0x10 +0(%di):u8[65]"), ("a bit field", "p /bin/sh:0x10 %di:b3@2/8"),
    ("a bit field that does not fit", "p /bin/sh:0x10 %di:b9@2/8"), ("a name twice", "p /bin/sh:0x10 a=%di a=%si"),
    ("a name that is none", "p /bin/sh:0x10 1a=%di"), ("a word of the stack", "p /bin/sh:0x10 $stack2"),
    ("a variable that is none", "p /bin/sh:0x10 $foo"), ("a constant", "p /bin/sh:0x10 \\5"),
    ("a constant string", 'p /bin/sh:0x10 \\"a":string'), ("a constant string without a type", 'p /bin/sh:0x10 \\"a"'), ("a constant string as a number", 'p /bin/sh:0x10 \\"a":u32'),
    ("a constant string that does not end", 'p /bin/sh:0x10 \\"a'), ("an array of a constant string", 'p /bin/sh:0x10 \\"a":string[2]'),
    ("memory of a constant string", 'p /bin/sh:0x10 +0(\\"a"):string'), ("comm as a number", "p /bin/sh:0x10 $comm:u8"),
    ("a folder", "p /usr:0x10"), ("no offset", "p /bin/sh"),
]
