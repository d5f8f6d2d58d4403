// Loads from and stores to an address of the kernel's, as a program does whose pointer has gone wild. Either access
// must be refused with SIGSEGV that names the instruction and the address. Prints a line for each: "refused", or what
// happened instead. Before that, the same two instructions work on data of the program.
#include "guest.h"

u64 load(const u64* from);
void store(u64* to, u64 value);
extern const u8 load_here[], store_here[];
__asm__(".text\n"
        ".global load_here, store_here\n"
        "load:\n"
        "load_here:\n"
        "    mov (%rdi), %rax\n"
        "    ret\n"
        "store:\n"
        "store_here:\n"
        "    mov %rsi, (%rdi)\n"
        "    ret\n");

// Nothing is mapped here on Linux; in the machine, data of its kernel.
static u64* const wild = (u64*)0xffff800000001000ul;
static volatile const char* outcome;

static void on_fault(int number, void* info, void* context) {
    (void)number;
    u64* rip = context_register(context, CONTEXT_RIP);
    const int right = (*rip == (u64)load_here || *rip == (u64)store_here) && fault_address(info) == (u64)wild;
    outcome = right ? "refused\n" : "astray\n";
    *rip += 3; // behind it
}

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    if (on_signal(SIGSEGV, on_fault) != 0) return 1;
    u64 own = 0;
    store(&own, 5);
    put_number(load(&own));
    outcome = "read\n";
    load(wild);
    put_text((const char*)outcome);
    outcome = "written\n";
    store(wild, 7);
    put_text((const char*)outcome);
    return 0;
}
