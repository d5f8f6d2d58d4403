// Another function jumps into `hot`, behind its first instruction, which nobody can see who looks at `hot` alone. Calls
// that function twice, and `hot` before and between. Prints what it returned: "105 105".
#include "jump.h"

u64 hundred(void);
__asm__(".text\n"
        ".global hundred\n"
        ".type hundred, @function\n"
        "hundred:\n"
        "    mov $100, %eax\n"
        "    lea inner(%rip), %rdx\n"
        "    jmp *%rdx\n"
        ".size hundred, . - hundred\n");

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    hot(1);
    put_digits(hundred(), 10, ' ');
    hot(2);
    put_number(hundred());
    return 0;
}
