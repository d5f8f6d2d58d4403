// gone: a function that returns 7 and has a page of text to itself, so that the page can go away or move and nothing else
// goes with it.
#pragma once

#include "guest.h"

u64 gone(void);
__asm__(".section .text.gone, \"ax\", @progbits\n"
        ".balign 4096\n"
        ".global gone\n"
        ".type gone, @function\n"
        "gone:\n"
        "    mov $7, %eax\n"
        "    ret\n"
        ".size gone, . - gone\n"
        ".balign 4096\n"
        ".text\n");
