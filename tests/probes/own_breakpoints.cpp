// An int3 of the program's own where its file has a probe (measured on Linux 6.18.44).
#include "tests/probes/probed.hpp"

#include <doctest/doctest.h>

#include <cerrno>

using namespace trapline;
using namespace trapline::testing;

namespace {

constexpr Addr kWritable = 0x500000;

/// Maps the first page of `file` a second time, writable: today's kernels put no breakpoints there.
void map_writable(ProbedCode& p, const std::shared_ptr<Inode>& file) {
    Vma v;
    v.inode = file;
    v.start = kWritable;
    v.end = kWritable + kPageSize;
    v.prot = prot::read | prot::write | prot::exec;
    REQUIRE(p.mm().map(std::move(v)) == 0);
}

/// mov byte [kWritable + at], 0xcc; mov eax, kWritable + at; jmp rax; and at 32: inc edi; mov eax, 60; syscall
std::vector<std::uint8_t> writes_int3(std::uint8_t at) {
    auto bytes = code(
        {{0x31, 0xff}, {0xc6, 0x04, 0x25, at, 0x00, 0x50, 0x00, 0xcc}, {0xb8, at, 0x00, 0x50, 0x00}, {0xff, 0xe0}});
    bytes.resize(32, 0x90);
    return code({bytes, {0xff, 0xc7}, kExit});
}

} // namespace

TEST_SUITE("probes/own breakpoints") {

    TEST_CASE("an int3 of the program's own is a hit where its file is probed elsewhere, and unregistering erases it") {
        for (const char* kernel : {"linux-6.18", "fixed"}) {
            CAPTURE(kernel);
            OneConsumer one;
            ProbedCode p(writes_int3(32), "xol", kernel);
            REQUIRE(p.add(one.consumer, 32) == 0);
            map_writable(p, p.machine.file);
            p.machine.thread();
            const Outcome o = p.machine.kernel.run();
            if (std::string(kernel) == "fixed") {
                CHECK((o.status & 0x7f) == sig::trap);
                CHECK(one.consumer.hits == 0);
                continue;
            }
            CHECK(p.machine.results == std::vector<std::uint64_t>{1}); // the file's instruction ran
            CHECK(one.consumer.hits == 1);
            CHECK(p.first().truth.executions == 1);
            std::uint8_t byte = 0;
            CHECK(p.mm().get(kWritable + 32, byte));
            CHECK(byte == 0xcc);
            p.uprobes.remove_now(one.consumer);
            CHECK(p.mm().get(kWritable + 32, byte));
            CHECK(byte == 0xff);
        }
    }

    TEST_CASE("a breakpoint that a debugger has set is taken over and destroyed, or registering is refused") {
        for (const char* kernel : {"linux-6.18", "fixed", "uprobes-2010"}) {
            CAPTURE(kernel);
            OneConsumer one;
            ProbedCode p(loop_over({0xff, 0xc0}, 3), "xol", kernel);
            REQUIRE(p.mm().protect(kCode, kPageSize, prot::read | prot::write) == 0);
            REQUIRE(p.mm().put(kCode + 5, std::uint8_t{0xcc}));
            REQUIRE(p.mm().protect(kCode, kPageSize, prot::read | prot::exec) == 0);
            const int error = p.add(one.consumer, 5);
            std::uint8_t byte = 0;
            if (std::string(kernel) == "linux-6.18") {
                CHECK(error == 0);
                p.uprobes.remove_now(one.consumer);
                CHECK(p.mm().get(kCode + 5, byte));
                CHECK(byte == 0xff);
            } else {
                CHECK(error == (std::string(kernel) == "fixed" ? -524 : -EEXIST)); // seed 004, section 4.1
                CHECK(p.mm().get(kCode + 5, byte));
                CHECK(byte == 0xcc);
            }
        }
    }

    // Linux looks for a probe only in an address space that has one somewhere.
    TEST_CASE("an int3 of the program's own where a probe was never analysed is restarted without end") {
        for (const auto& [kernel, has_another] :
             {std::pair{"linux-6.18", true}, std::pair{"linux-6.18", false}, std::pair{"fixed", true}}) {
            CAPTURE(kernel);
            OneConsumer one, another;
            ProbedCode p(writes_int3(0), "xol", kernel);
            const auto file = std::make_shared<MemoryInode>(p.machine.kernel.frames(), 2, "/other", kPageSize);
            map_writable(p, file);
            REQUIRE(p.uprobes.add_now(one.consumer, file, 0) == 0);
            if (has_another) REQUIRE(p.add(another.consumer, 0) == 0);
            p.machine.thread();
            std::optional<Outcome> end;
            for (int i = 0; i < 100 && !end; ++i) end = p.machine.kernel.turn();
            if (std::string(kernel) == "fixed" || !has_another) {
                REQUIRE(end.has_value());
                CHECK((end->status & 0x7f) == sig::trap);
            } else {
                CHECK_FALSE(end.has_value());
                CHECK(p.uprobes.counters.restarts > 100);
            }
            CHECK(one.consumer.hits == 0);
        }
    }
}
