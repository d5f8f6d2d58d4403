// Addresses and conditions, held against the CPU that runs this test: `lea` computes an operand's address, a store
// shows what was touched, `setcc` whether a condition holds.
#include "decoder/address.hpp"
#include "decoder/flow.hpp"
#include "tests/decoder/hex.hpp"

#include <algorithm>
#include <cstring>
#include <doctest/doctest.h>
#include <random>
#include <sys/mman.h>
#include <vector>

namespace trapline::test {
namespace {

struct State {
    uint64_t general[16]; // in encoding order; rsp is where the code finds its return address
};

// void run_native(const void* code, State* state): calls `code` with these registers and stores them afterwards.
extern "C" void run_native(const void* code, State* state);
asm(R"(
.text
.type run_native, @function
run_native:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    push %rsi
    push %rdi
    lea -8(%rsp), %rax
    mov %rax, 32(%rsi)
    mov %rsi, %rax
    mov 8(%rax), %rcx
    mov 16(%rax), %rdx
    mov 24(%rax), %rbx
    mov 40(%rax), %rbp
    mov 48(%rax), %rsi
    mov 56(%rax), %rdi
    mov 64(%rax), %r8
    mov 72(%rax), %r9
    mov 80(%rax), %r10
    mov 88(%rax), %r11
    mov 96(%rax), %r12
    mov 104(%rax), %r13
    mov 112(%rax), %r14
    mov 120(%rax), %r15
    mov (%rax), %rax
    call *(%rsp)
    push %rax
    mov 16(%rsp), %rax
    mov %rcx, 8(%rax)
    pop %rcx
    mov %rcx, (%rax)
    mov %rdi, 56(%rax)
    pop %rdi
    pop %rsi
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret
.size run_native, . - run_native
)");

class Native {
  public:
    Native()
        : page_(static_cast<uint8_t*>(
              mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {}
    ~Native() { munmap(page_, 4096); }
    Native(const Native&) = delete;
    Native& operator=(const Native&) = delete;
    void run(std::vector<uint8_t> code, State& state) {
        code.push_back(0xc3);
        std::copy(code.begin(), code.end(), page_);
        run_native(page_, &state);
    }
    [[nodiscard]] uint64_t end_of(std::size_t length) const { return reinterpret_cast<uint64_t>(page_) + length; }

  private:
    uint8_t* page_;
};

AddressRegisters registers_of(const State& s, uint64_t next) {
    AddressRegisters r;
    std::copy(std::begin(s.general), std::end(s.general), r.general.begin());
    r.next = next;
    return r;
}

TEST_CASE("the address of an operand is what lea computes") {
    Native native;
    std::mt19937_64 random(1);
    int tried = 0;
    for (int i = 0; i < 20'000; ++i) {
        std::vector<uint8_t> code;
        if (random() % 4 == 0) code.push_back(0x67);
        code.push_back(static_cast<uint8_t>(0x48 | (random() & 3))); // rex.w, x, b
        code.push_back(0x8d);
        code.push_back(static_cast<uint8_t>(random() & 0xc7)); // into rax
        for (int k = 0; k < 5; ++k) code.push_back(static_cast<uint8_t>(random()));
        const auto insn = outline(code);
        REQUIRE(insn);
        if (insn->mod() == 3) continue;
        code.resize(insn->length);
        State state{};
        for (uint64_t& g : state.general) g = random();
        State after = state;
        native.run(code, after);
        state.general[4] = after.general[4];
        const auto ours = operand_address(*insn, code, registers_of(state, native.end_of(code.size())));
        REQUIRE(ours.has_value());
        CHECK(*ours == after.general[0]);
        CHECK(accesses(*insn, code, registers_of(state, 0)).count == 0); // lea touches nothing
        ++tried;
    }
    CHECK(tried > 10'000);
}

/// Where the instruction has changed a buffer of ones; the buffer's middle is in rdi, rsi and rbx.
void check_written(const char* hex, uint64_t rax, uint64_t rcx = 1) {
    CAPTURE(hex);
    std::vector<uint8_t> buffer(8192, 0xff);
    Native native;
    State state{};
    const uint64_t middle = reinterpret_cast<uint64_t>(buffer.data()) + 4096;
    state.general[0] = rax;
    state.general[1] = rcx;
    state.general[3] = state.general[6] = state.general[7] = middle;
    const AddressRegisters before = registers_of(state, 0);
    const std::vector<uint8_t> code = bytes(hex);
    const auto insn = outline(code);
    REQUIRE(insn);
    native.run(code, state);
    const auto changed = std::find_if(buffer.begin(), buffer.end(), [](uint8_t b) { return b != 0xff; });
    REQUIRE(changed != buffer.end());
    const uint64_t at = reinterpret_cast<uint64_t>(&*changed);
    const Accesses a = accesses(*insn, code, before);
    CHECK(std::any_of(a.at.begin(), a.at.begin() + a.count,
                      [&](uint64_t begin) { return at >= begin && at < begin + 16; }));
}

TEST_CASE("a store lands where an access was said to begin") {
    check_written("48 89 07", 0);       // mov %rax, (%rdi)
    check_written("c6 47 e0 00", 0);    // movb $0, -32(%rdi)
    check_written("aa", 0);             // stosb
    check_written("f3 48 ab", 0, 2);    // rep stosq
    check_written("0f b3 07", 77);      // btr %eax, (%rdi): 8 bytes on
    check_written("48 0f b3 07", 9000); // btr %rax, (%rdi)
    check_written("48 0f b3 07", static_cast<uint64_t>(-9000));
    check_written("66 0f b3 07", 0xffff); // 16 bits: one below
}

TEST_CASE("what has no explicit operand is known, too") {
    AddressRegisters r;
    for (unsigned i = 0; i < 16; ++i) r.general[i] = 0x1000 * (i + 1);
    r.fs_base = 0x100000;
    const auto of = [&](const char* hex) {
        const auto code = bytes(hex);
        const Accesses a = accesses(*outline(code), code, r);
        return std::vector<uint64_t>(a.at.begin(), a.at.begin() + a.count);
    };
    using Places = std::vector<uint64_t>;
    CHECK(of("a4") == Places{0x7000, 0x8000});        // movsb: rsi and rdi
    CHECK(of("64 a4") == Places{0x107000, 0x8000});   // a segment goes with rsi
    CHECK(of("ae") == Places{0x8000});                // scasb
    CHECK(of("ac") == Places{0x7000});                // lodsb
    CHECK(of("d7") == Places{0x4000});                // xlat: rbx + al
    CHECK(of("50") == Places{0x5000 - 8});            // push
    CHECK(of("58") == Places{0x5000});                // pop
    CHECK(of("ff 37") == Places{0x8000, 0x5000 - 8}); // push (%rdi)
    CHECK(of("c9") == Places{0x6000});                // leave
    CHECK(of("66 0f f7 c1") == Places{0x8000});       // maskmovdqu
    CHECK(of("a1 78 56 34 12 00 00 00 00") == Places{0x12345678});
    CHECK(of("64 8b 00") == Places{0x101000});
    CHECK(of("0f 1f 00").empty()); // nop
    CHECK(of("0f 18 08").empty()); // prefetch
    CHECK(of("48 01 d8").empty());
}

TEST_CASE("a condition holds when setcc says so") {
    Native native;
    for (unsigned flags = 0; flags < 32; ++flags) {
        // cf, pf, zf, sf, of
        const uint64_t eflags = 2 | (flags & 1) | (flags >> 1 & 1) << 2 | (flags >> 2 & 1) << 6 |
                                (flags >> 3 & 1) << 7 | uint64_t{flags >> 4 & 1} << 11;
        for (uint8_t condition = 0; condition < 16; ++condition) {
            State state{};
            state.general[1] = eflags;
            native.run({0x51, 0x9d, 0x0f, static_cast<uint8_t>(0x90 | condition), 0xc0}, state); // push, popf, setcc al
            CHECK(condition_holds(condition, eflags) == (state.general[0] == 1));
        }
    }
}

} // namespace
} // namespace trapline::test
