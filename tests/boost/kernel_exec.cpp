// Instructions that the kernel runs: that they do what they do in ring 3, what becomes of exceptions, and what a ring
// may touch.
#include "tests/boost/probed.hpp"

#include <doctest/doctest.h>

using namespace trapline;
using namespace trapline::testing;

namespace {
constexpr const char* kStrategies[] = {"kernel-exec", "kernel-exec-unchecked", "kernel-exec-cpl2"};
using Bytes = std::vector<std::uint8_t>;

void append(Bytes& out, const Bytes& more) { out.insert(out.end(), more.begin(), more.end()); }

Bytes little(std::uint64_t v, unsigned n) {
    Bytes out;
    for (unsigned i = 0; i < n; ++i) out.push_back(static_cast<std::uint8_t>(v >> (8 * i)));
    return out;
}

constexpr std::uint64_t kOperands = kData + 0x800, kResults = kData + 0x1000;

/// Sets registers, flags, an x87 register and two SSE registers; then PROBED; then stores all of them. `at` becomes the
/// probed instruction's offset.
Bytes whole_state(const Bytes& probed, std::uint64_t& at) {
    Bytes out;
    for (std::uint8_t r = 0; r < 16; ++r) {
        if (r == 4) continue;                                   // rsp
        const std::uint64_t value = r == 1   ? 3                // rcx: a count
                                    : r == 2 ? 0                // rdx: the upper half of a dividend
                                    : r == 3 ? kOperands        // rbx
                                    : r == 6 ? kOperands        // rsi
                                    : r == 7 ? kOperands + 0x40 // rdi
                                             : 0x0101010101010101u * (r + 1u);
        append(out, {static_cast<std::uint8_t>(r < 8 ? 0x48 : 0x49), static_cast<std::uint8_t>(0xb8 + (r & 7))});
        append(out, little(value, 8));
    }
    append(out, {0x48, 0xc7, 0x03, 0x07, 0x00, 0x00, 0x00}); // mov qword [rbx], 7
    append(out, {0xdb, 0xe3, 0xd9, 0xe8});                   // fninit; fld1
    append(out, {0x66, 0x49, 0x0f, 0x6e, 0xc0});             // movq xmm0, r8
    append(out, {0x66, 0x49, 0x0f, 0x6e, 0xc9});             // movq xmm1, r9
    append(out, {0xf9});                                     // stc
    at = out.size();
    append(out, probed);
    for (std::uint8_t r = 0; r < 16; ++r) { // mov [results + 8 r], r
        append(out, {static_cast<std::uint8_t>(r < 8 ? 0x48 : 0x4c), 0x89, static_cast<std::uint8_t>(4 | (r & 7) << 3),
                     0x25});
        append(out, little(kResults + 8u * r, 4));
    }
    append(out, {0x9c, 0x8f, 0x04, 0x25}); // pushf; pop [results + 0x80]
    append(out, little(kResults + 0x80, 4));
    append(out, {0x0f, 0x11, 0x04, 0x25}); // movups [results + 0x90], xmm0
    append(out, little(kResults + 0x90, 4));
    append(out, {0x0f, 0x11, 0x0c, 0x25}); // movups [results + 0xa0], xmm1
    append(out, little(kResults + 0xa0, 4));
    append(out, {0xdb, 0x3c, 0x25}); // fstp tword [results + 0xb0]
    append(out, little(kResults + 0xb0, 4));
    append(out, kExit);
    return out;
}

/// What the program has left in memory.
std::vector<std::uint8_t> left_by(Probed& p) {
    p.run();
    CHECK(p.outcome.status == 0);
    std::vector<std::uint8_t> out(0x1000);
    CHECK(p.mm().read(kOperands, out.data(), out.size()));
    return out;
}

bool died_of(const Probed& p, int signal) { return (p.outcome.status & 0x7f) == signal; }
} // namespace

TEST_SUITE("boost/kernel_exec") {

    TEST_CASE("an instruction does in the kernel what it does in ring 3, to all registers and to memory") {
        const Bytes instructions[] = {
            {0x01, 0xd8},                               // add eax, ebx
            {0x48, 0x11, 0x0b},                         // adc [rbx], rcx
            {0x48, 0xf7, 0xe3},                         // mul rbx
            {0x48, 0xf7, 0x33},                         // div qword [rbx]
            {0x48, 0xd3, 0xe0},                         // shl rax, cl
            {0x0f, 0xb1, 0x13},                         // cmpxchg [rbx], edx
            {0x48, 0x0f, 0xa3, 0x0b},                   // bt [rbx], rcx
            {0xf3, 0xa4},                               // rep movsb
            {0xf3, 0x48, 0xab},                         // rep stosq
            {0xfd},                                     // std
            {0x0f, 0x92, 0xc0},                         // setc al
            {0x48, 0x8b, 0x05, 0xf9, 0xff, 0xff, 0xff}, // mov rax, [rip - 7]: the text, without its int3
            {0xf2, 0x0f, 0x58, 0x03},                   // addsd xmm0, [rbx]
            {0x66, 0x0f, 0xef, 0xc1},                   // pxor xmm0, xmm1
            {0xdf, 0x2b},                               // fild qword [rbx]
            {0xd8, 0xc0},                               // fadd st0
            {0x48, 0x8d, 0x44, 0x24, 0x08},             // lea rax, [rsp + 8]
            {0x48, 0x89, 0x44, 0x24, 0xf8},             // mov [rsp - 8], rax
            {0x0f, 0xa2},                               // cpuid
            {0x0f, 0xc8},                               // bswap eax
        };
        for (const Bytes& instruction : instructions) {
            std::uint64_t at = 0;
            const Bytes program = whole_state(instruction, at);
            Probed bare(program, {}, "xol");
            auto expected = left_by(bare);
            for (const char* strategy : kStrategies) {
                CAPTURE(strategy);
                CAPTURE(at);
                CAPTURE(static_cast<unsigned>(instruction[0]));
                CAPTURE(static_cast<unsigned>(instruction[1 % instruction.size()]));
                Probed p(program, {at}, strategy);
                REQUIRE(p.error == 0);
                auto seen = left_by(p);
                const bool text = instruction[1 % instruction.size()] == 0x8b; // what it loads begins with the int3
                if (text) seen[0x800] = expected[0x800];
                CHECK(seen == expected);
                CHECK(p.truth().executions == 1);
                CHECK(p.truth().hits == 1);
                CHECK(p.counters().step_traps == 0);
                CHECK(p.counters().fallbacks == 0);
                CHECK(p.counters().vmas_added == 0);
            }
        }
    }

    TEST_CASE("a page that is not there yet is brought in, and the instruction runs once") {
        // mov byte [data + 0x2000], 5; movzx edi, byte [data + 0x2000]; exit
        const Bytes program = code(
            {{0xc6, 0x04, 0x25, 0x00, 0x20, 0x60, 0x00, 5}, {0x0f, 0xb6, 0x3c, 0x25, 0x00, 0x20, 0x60, 0x00}, kExit});
        for (const char* strategy : kStrategies) {
            CAPTURE(strategy);
            Probed p(program, {0}, strategy);
            CHECK(p.run() == 5);
            CHECK(p.truth().executions == 1);
            CHECK(p.truth().hits == 1);
            CHECK(p.counters().step_traps == 0);
        }
    }

    TEST_CASE("an exception is the program's, as if it had never left ring 3") {
        struct {
            Bytes program;
            int signal;
        } const cases[] = {
            {{0x8a, 0x04, 0x25, 0x10, 0x00, 0x00, 0x00}, sig::segv},       // mov al, [0x10]
            {{0xc6, 0x04, 0x25, 0x00, 0x00, 0x40, 0x00, 0x05}, sig::segv}, // mov byte [text], 5
            {{0xf7, 0xf1}, sig::fpe},                                      // div ecx, which is 0
            {{0x48, 0x8b, 0x40, 0x10}, sig::segv},                         // mov rax, [rax + 16]
        };
        for (const auto& c : cases)
            for (const char* strategy : kStrategies) {
                CAPTURE(strategy);
                CAPTURE(static_cast<unsigned>(c.program[0]));
                Probed p(c.program, {0}, strategy);
                p.run();
                CHECK(died_of(p, c.signal));
                CHECK(p.truth().hits == 1);
                CHECK(p.truth().executions == 0);
                CHECK(p.counters().fallbacks == 1);
            }
    }

    TEST_CASE("a wild pointer reaches the kernel's memory from rings 0 and 2, and not where addresses are checked") {
        for (const bool writes : {false, true})
            for (const char* strategy : kStrategies) {
                CAPTURE(strategy);
                CAPTURE(writes);
                // mov rax, kernel data; mov [rax], dl or mov dl, [rax]; movzx edi, dl; exit
                Bytes program = {0x48, 0xb8};
                append(program, little(kKernelData + 8, 8));
                append(program, {static_cast<std::uint8_t>(writes ? 0x88 : 0x8a), 0x10, 0x0f, 0xb6, 0xfa});
                append(program, kExit);
                Spy spy;
                unsigned reads = 0, writes_seen = 0;
                spy.look = [&](const Task&, const Event& e) {
                    reads += e.step == Step::kernel_read;
                    writes_seen += e.step == Step::kernel_written;
                };
                Probed p(program, {10}, strategy, "linux-6.18", &spy);
                const std::uint64_t result = p.run();
                const bool checked = std::string(strategy) == "kernel-exec";
                CHECK(died_of(p, sig::segv) == checked);
                CHECK(writes_seen == (writes && !checked ? 1 : 0));
                if (checked) CHECK(reads == 0);
                if (!checked && !writes) CHECK(result == 0x4b);
            }
    }

    TEST_CASE("what the kernel cannot run is stepped out of line") {
        // call +0; pop rdi; push 7; pop rdi; exit
        const Bytes program = code({{0xe8, 0, 0, 0, 0}, {0x5f}, {0x6a, 7}, {0x5f}, kExit});
        for (const std::uint64_t at : {0u, 5u, 6u, 8u}) {
            CAPTURE(at);
            Probed p(program, {at}, "kernel-exec");
            CHECK(p.run() == 7);
            CHECK(p.truth().executions == 1);
            CHECK(p.counters().fallbacks == 1);
            CHECK(p.counters().step_traps == 1);
            Probed ring2(program, {at}, "kernel-exec-cpl2"); // which has a stack: push and pop are no matter
            CHECK(ring2.run() == 7);
            CHECK(ring2.counters().fallbacks == (at == 0 ? 1 : 0));
        }
    }

    TEST_CASE("a ring is what the CPU says it is") {
        Probed p({0x90}, {}, "xol");
        Task& t = p.machine.thread();
        p.machine.kernel.load(t);
        Cpu& cpu = p.machine.kernel.cpu();
        const Bytes read_cr0 = {0x0f, 0x20, 0xc0}, halt = {0xf4}, undefined = {0x0f, 0x0b}, nop = {0x90};
        CHECK(cpu.run_in_ring(0, read_cr0).vector == vector::breakpoint);
        CHECK(cpu.get(Reg::rax) == 0x80010033);
        for (int again = 0; again < 3; ++again) { // an exception leaves nothing behind
            CHECK(cpu.run_in_ring(2, read_cr0).vector == vector::general_protection);
            CHECK(cpu.run_in_ring(2, halt).vector == vector::general_protection);
            CHECK(cpu.run_in_ring(0, undefined).vector == vector::invalid_opcode);
        }
        CHECK(cpu.run_in_ring(2, nop).vector == vector::breakpoint);
        // mov [rax], al: the text is not writable in any ring, and the kernel's own text and tables are not either
        const Bytes store = {0x88, 0x00};
        for (const Addr at : {kCode, Addr{0xffff800000000000}, Addr{0xffff800000002000}}) {
            CAPTURE(at);
            cpu.set(Reg::rax, at);
            const InnerRun r = cpu.run_in_ring(0, store);
            CHECK(r.vector == vector::page_fault);
            CHECK(r.address == at);
            CHECK((r.error_code & (pf::write | pf::user)) == pf::write);
        }
        CHECK(cpu.get(Reg::rip) == kCode);
    }
}
