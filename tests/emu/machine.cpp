#include "tests/emu/code.hpp"

#include <doctest/doctest.h>

using namespace trapline;
using namespace trapline::testing;

TEST_SUITE("emu/kernel") {

    TEST_CASE("a thread runs, exits with its status, and every instruction is counted once") {
        CodeMachine m(code({{0xbf, 5, 0, 0, 0}, // mov edi, 5
                            {0xff, 0xcf},       // L: dec edi
                            {0x75, 0xfc},       // jnz L
                            {0x83, 0xc7, 7},    // add edi, 7
                            kExit}));
        const std::uint64_t before = m.kernel.cpu().retired();
        m.thread();
        CHECK(m.kernel.run().kind == Outcome::Kind::exited);
        REQUIRE(m.results.size() == 1);
        CHECK(m.results[0] == 7);
        // mov, 5 times (dec, jnz), add, mov, syscall
        CHECK(m.kernel.cpu().retired() - before == 1 + 10 + 1 + 2);
    }

    TEST_CASE("a rep string instruction counts once, also when it faults on the way") {
        CodeMachine m(code({{0xbf, 0x00, 0x0f, 0x60, 0x00}, // mov edi, 0x600f00: the copy runs into an untouched page
                            {0xbe, 0x00, 0x00, 0x60, 0x00}, // mov esi, 0x600000
                            {0xb9, 0x00, 0x02, 0x00, 0x00}, // mov ecx, 512
                            {0xf3, 0xa4},                   // rep movsb
                            {0x89, 0xcf},                   // mov edi, ecx
                            kExit}));
        const std::uint64_t before = m.kernel.cpu().retired();
        m.thread();
        CHECK(m.kernel.run().kind == Outcome::Kind::exited);
        CHECK(m.results.at(0) == 0);
        CHECK(m.kernel.cpu().retired() - before == 3 + 1 + 1 + 2);
    }

    TEST_CASE("a program runs the same however little room there is for its translations") {
        const auto run = [](std::size_t room) {
            constexpr unsigned kBlocks = 1500, kRounds = 20;
            std::vector<std::uint8_t> blocks;
            for (unsigned i = 0; i < kBlocks; ++i) {
                const std::uint8_t block[] = {0xff, 0xc7, 0xf3,
                                              0xa4, 0xeb, 0}; // inc edi; rep movsb, of nothing; jmp on
                blocks.insert(blocks.end(), std::begin(block), std::end(block));
            }
            const auto back = static_cast<std::uint32_t>(-static_cast<int>(blocks.size() + 8));
            CodeMachine m(code({{0xba, kRounds, 0, 0, 0}, // mov edx, 20
                                blocks,                   // L:
                                {0xff, 0xca, 0x0f, 0x85}, // dec edx; jnz L
                                {static_cast<std::uint8_t>(back), static_cast<std::uint8_t>(back >> 8), 0xff, 0xff},
                                kExit}));
            m.kernel.cpu().limit_translations(room);
            const std::uint64_t before = m.kernel.cpu().retired();
            m.thread();
            CHECK(m.kernel.run().kind == Outcome::Kind::exited);
            CHECK(m.results.at(0) == kBlocks * kRounds);
            CHECK(m.kernel.cpu().retired() - before == 1 + kRounds * (3 * kBlocks + 2) + 2);
            return m.kernel.cpu().dropped_translations();
        };
        CHECK(run(64u << 20) == 0);
        CHECK(run(1u << 16) > 20); // each round anew
    }

    TEST_CASE("two faults in a row both arrive as page faults") {
        CodeMachine m(code({{0xc6, 0x04, 0x25, 0x00, 0x10, 0x60, 0x00, 3},    // mov byte [0x601000], 3
                            {0xc6, 0x04, 0x25, 0x00, 0x20, 0x60, 0x00, 4},    // mov byte [0x602000], 4
                            {0x0f, 0xb6, 0x3c, 0x25, 0x00, 0x20, 0x60, 0x00}, // movzx edi, byte [0x602000]
                            kExit}));
        m.thread();
        CHECK(m.kernel.run().kind == Outcome::Kind::exited);
        CHECK(m.results.at(0) == 4);
    }

    TEST_CASE("a program that jumps to 0 dies of SIGSEGV") {
        CodeMachine m({0x31, 0xc0, 0xff, 0xe0}); // xor eax, eax; jmp rax
        m.thread();
        Outcome o = m.kernel.run();
        CHECK(o.kind == Outcome::Kind::exited);
        CHECK((o.status & 0x7f) == sig::segv);
    }

    TEST_CASE("a 128-bit VEX instruction dies of SIGILL after what stands before it in the block") {
        CodeMachine m({0xc6, 0x04, 0x25, 0x00, 0x00, 0x60, 0x00, 9, // mov byte [0x600000], 9
                       0xc5, 0xf1, 0xfe, 0xc2,                      // vpaddd xmm0, xmm1, xmm2
                       0xc6, 0x04, 0x25, 0x00, 0x00, 0x60, 0x00, 1});
        auto mm = m.process->mm;
        m.thread();
        Outcome o = m.kernel.run();
        CHECK((o.status & 0x7f) == sig::ill);
        std::uint8_t b = 0;
        CHECK(mm->get(kData, b));
        CHECK(b == 9);
    }

    TEST_CASE("the program's frames all come back when it ends") {
        CodeMachine m(code({{0xc6, 0x04, 0x25, 0x00, 0x10, 0x60, 0x00, 3}, kExit}));
        m.thread();
        const std::uint32_t with_program = m.kernel.frames().in_use();
        m.kernel.run();
        CHECK(m.kernel.frames().in_use() < with_program);
        m.file.reset(); // and with it its part of the page cache
        RoundRobin rr;
        KernelConfig c;
        Kernel idle(c, rr);
        CHECK(m.kernel.frames().in_use() == idle.frames().in_use());
    }

    TEST_CASE("two runs of two threads under the same random seed have the same log hash, other seeds other ones") {
        auto hash = [](std::uint64_t seed) {
            RandomPolicy policy(seed);
            CodeMachine m(code({{0xb9, 200, 0, 0, 0}, // mov ecx, 200
                                {0xb8, 24, 0, 0, 0},  // L: mov eax, 24
                                {0x51},               // push rcx
                                {0x0f, 0x05},         // syscall
                                {0x59},               // pop rcx
                                {0xff, 0xc9},         // dec ecx
                                {0x75, 0xf3},         // jnz L
                                kExit}),
                          2, &policy);
            m.thread();
            m.thread();
            CHECK(m.kernel.run().kind == Outcome::Kind::exited);
            CHECK(m.results.size() == 2);
            return m.kernel.log().hash();
        };
        CHECK(hash(1) == hash(1));
        CHECK(hash(1) != hash(2));
    }

    TEST_CASE("a budget of any size stops after exactly that many instructions") {
        // A policy that hands out one size only, and counts what came of it.
        struct Fixed : Policy {
            std::uint64_t n = 1;
            Choice pick(Scheduler& s) override { return {s.ready_tasks().front(), n}; }
            bool switch_after_step(Scheduler&, const Task&, const Event&) override { return false; }
            void budget_used(Scheduler&, const Task&) override { ++used; }
            std::uint64_t used = 0;
        };
        for (std::uint64_t n : {1u, 2u, 3u, 5u, 7u, 64u}) {
            Fixed policy;
            policy.n = n;
            CodeMachine m(code({{0xb9, 100, 0, 0, 0},     // mov ecx, 100
                                {0x90, 0x90, 0x9c, 0x5f}, // L: nop; nop; pushf; pop rdi
                                {0x81, 0xe7, 0, 1, 0, 0}, // and edi, 0x100: the trap flag as the program sees it
                                {0x09, 0xfa},             // or edx, edi
                                {0xff, 0xc9},             // dec ecx
                                {0x75, 0xf0},             // jnz L
                                {0x89, 0xd7},             // mov edi, edx
                                kExit}),
                          1, &policy);
            const std::uint64_t before = m.kernel.cpu().retired();
            m.thread();
            CHECK(m.kernel.run().kind == Outcome::Kind::exited);
            const std::uint64_t total = 1 + 100 * 8 + 1 + 2;
            CHECK(m.kernel.cpu().retired() - before == total);
            CHECK(policy.used == (total - 1) / n); // the run that ends in the exit does not use its budget up
            CHECK(m.results.at(0) == 0);           // our own single steps never show in pushf
        }
    }
}
