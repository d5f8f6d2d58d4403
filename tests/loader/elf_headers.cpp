#include "loader/elf.hpp"
#include "tests/loader/files.hpp"

#include <cstring>
#include <doctest/doctest.h>
#include <elf.h>
#include <fcntl.h>
#include <random>
#include <unistd.h>

using namespace trapline;
using test::Bytes;

namespace {

constexpr const char* kLibc = "/lib/x86_64-linux-gnu/libc.so.6";

/// A file with one header, the given program headers and 16 KiB of contents: what a linker might have made.
Bytes make_elf(std::vector<Elf64_Phdr> table, const std::string& at_8192 = {}) {
    Bytes out(16384);
    Elf64_Ehdr eh{};
    std::memcpy(eh.e_ident, ELFMAG, SELFMAG);
    eh.e_ident[EI_CLASS] = ELFCLASS64;
    eh.e_ident[EI_DATA] = ELFDATA2LSB;
    eh.e_ident[EI_VERSION] = EV_CURRENT;
    eh.e_type = ET_EXEC;
    eh.e_machine = EM_X86_64;
    eh.e_entry = 0x401000;
    eh.e_phoff = sizeof eh;
    eh.e_phentsize = sizeof(Elf64_Phdr);
    eh.e_phnum = static_cast<Elf64_Half>(table.size());
    std::memcpy(out.data(), &eh, sizeof eh);
    if (!table.empty()) std::memcpy(out.data() + sizeof eh, table.data(), table.size() * sizeof(Elf64_Phdr));
    std::memcpy(out.data() + 8192, at_8192.data(), at_8192.size());
    return out;
}

Elf64_Phdr load(Elf64_Addr vaddr, Elf64_Off offset, Elf64_Xword filesz, Elf64_Xword memsz) {
    return {PT_LOAD, PF_R | PF_X, offset, vaddr, vaddr, filesz, memsz, 4096};
}

Elf64_Phdr interp(Elf64_Xword filesz) { return {PT_INTERP, PF_R, 8192, 0, 0, filesz, filesz, 1}; }

const Elf64_Phdr kText = load(0x400000, 0, 0x2000, 0x2000);

void patch(Bytes& file, std::size_t offset, std::uint8_t value) { file.at(offset) = value; }

std::string error_of(const Bytes& file) {
    auto headers = read_elf(file, "x");
    return headers ? "accepted" : headers.error().text();
}

bool says(const Bytes& file, const std::string& words) {
    std::string text = error_of(file);
    INFO(text);
    return text.find("trapline: x: ") == 0 && text.find(words) != text.npos && text.find('\n') == text.npos;
}

void check_consistent(const ElfHeaders& h, std::uint64_t size) {
    REQUIRE(!h.segments.empty());
    REQUIRE(h.lowest() < h.highest());
    REQUIRE(h.highest() <= kTaskSize);
    for (const LoadSegment& s : h.segments) {
        REQUIRE(s.filesz <= s.memsz);
        REQUIRE(s.offset <= size);
        REQUIRE(s.filesz <= size - s.offset);
    }
}

} // namespace

TEST_SUITE("loader/elf") {
    TEST_CASE("a small file is read field by field") {
        Bytes file = make_elf({kText, load(0x403100, 0x2100, 0x100, 0x1800), interp(7),
                               Elf64_Phdr{PT_GNU_STACK, PF_R | PF_W | PF_X, 0, 0, 0, 0, 0, 16}},
                              std::string("/ld.so\0", 7));
        auto h = read_elf(file, "x");
        REQUIRE(h);
        CHECK(h->kind == ElfKind::fixed);
        CHECK(h->entry == 0x401000);
        CHECK(h->interpreter == "/ld.so");
        CHECK(h->executable_stack);
        CHECK(h->phnum == 4);
        CHECK(h->phdr_address == 0x400040); // e_phoff is 64, in the segment that maps offset 0
        REQUIRE(h->segments.size() == 2);
        CHECK(h->segments[1].memsz == 0x1800);
        CHECK(h->lowest() == 0x400000);
        CHECK(h->highest() == 0x405000); // 0x403100 + 0x1800 = 0x404900
        CHECK(h->offset_of(0x403180) == 0x2180);
        CHECK(!h->offset_of(0x403200)); // .bss
        CHECK(!h->offset_of(0x500000));
        CHECK(h->address_of(0x2180) == 0x403180);
        CHECK(!h->address_of(0x3000));
    }

    TEST_CASE("programs and libraries of the system are accepted from memory and from a descriptor") {
        for (const char* path : {"/bin/true", kLibc, "/lib64/ld-linux-x86-64.so.2"}) {
            CAPTURE(path);
            Bytes file = test::read_file(path);
            if (file.empty()) continue;
            auto whole = read_elf(file, path);
            REQUIRE(whole);
            check_consistent(*whole, file.size());
            int fd = ::open(path, O_RDONLY | O_CLOEXEC);
            auto by_fd = read_elf(fd, path);
            ::close(fd);
            REQUIRE(by_fd);
            CHECK(by_fd->entry == whole->entry);
            CHECK(by_fd->segments.size() == whole->segments.size());
            CHECK(by_fd->interpreter == whole->interpreter);
            CHECK(whole->kind == ElfKind::relocatable);
            CHECK(!whole->executable_stack);
        }
        auto program = read_elf(test::read_file("/bin/true"), "true");
        REQUIRE(program);
        CHECK(program->interpreter == "/lib64/ld-linux-x86-64.so.2"); // fixed by the x86-64 psABI
        CHECK(program->phdr_address == program->phoff);
    }

    TEST_CASE("a file cut off anywhere in its first pages or later is refused or consistent") {
        for (const char* path : {"/bin/true", kLibc}) {
            Bytes file = test::read_file(path);
            std::size_t fine = std::min<std::size_t>(file.size(), 4 * 4096);
            std::size_t refused = 0;
            for (std::size_t size = 0; size < file.size(); size += size < fine ? 64 : 65536) {
                CAPTURE(size);
                auto h = read_elf(std::span(file.data(), size), "x");
                if (h)
                    check_consistent(*h, size);
                else
                    ++refused;
                if (size < fine) CHECK(!h); // the last segment of neither ends there
            }
            CHECK(refused > 0);
        }
    }

    TEST_CASE("what is no ELF file is named as what it is") {
        CHECK(says(Bytes{}, "is not an ELF file"));
        CHECK(says(Bytes{0x7f, 'E'}, "is not an ELF file"));
        CHECK(says(Bytes{'h', 'e', 'l', 'l', 'o'}, "is not an ELF file"));
        CHECK(says(Bytes{'#', '!', '/', 'b'}, "is a script"));
        CHECK(says(Bytes{0x7f, 'E', 'L', 'F'}, "truncated"));
        Bytes short_file = make_elf({kText});
        short_file.resize(63);
        CHECK(says(short_file, "truncated"));
        auto closed = read_elf(-1, "x");
        CHECK(!closed);
    }

    TEST_CASE("other machines are named") {
        Bytes file = make_elf({kText});
        REQUIRE(error_of(file) == "accepted");
        Bytes other = file;
        patch(other, 18, EM_AARCH64);
        CHECK(says(other, "is for aarch64"));
        other = file;
        patch(other, EI_CLASS, ELFCLASS32);
        patch(other, 18, EM_386);
        CHECK(says(other, "32-bit program for 32-bit x86"));
        patch(other, 18, EM_X86_64);
        CHECK(says(other, "x32"));
        other = file;
        patch(other, EI_DATA, ELFDATA2MSB);
        CHECK(says(other, "big-endian"));
        other = file;
        patch(other, EI_CLASS, 7);
        CHECK(says(other, "unknown ELF class 7"));
        other = file;
        patch(other, 16, ET_REL);
        CHECK(says(other, "object file"));
        other = file;
        patch(other, 16, ET_CORE);
        CHECK(says(other, "core dump"));
    }

    TEST_CASE("segments that cannot be are refused") {
        CHECK(says(make_elf({}), "no program headers"));
        CHECK(says(make_elf({interp(7)}, std::string("/ld.so\0", 7)), "no loadable segment"));
        CHECK(says(make_elf({kText, load(0x401000, 0x1000, 0x10, 0x10)}), "overlapping segments"));
        CHECK(says(make_elf({load(0x400000, 0, 0x2000, 0x1000)}), "more bytes in the file"));
        CHECK(says(make_elf({load(0x400000, 0, 16385, 16385)}), "truncated"));
        CHECK(says(make_elf({load(0x400000, ~0ull & ~0xfffull, 0x2000, 0x2000)}), "truncated"));
        CHECK(says(make_elf({load(0x400000, 0, 0, ~0ull)}), "leaves the user address space"));
        CHECK(says(make_elf({load(0x7fffffffe000, 0, 0x2000, 0x2000)}), "leaves the user address space"));
        CHECK(says(make_elf({load(0x400010, 0, 0x2000, 0x2000)}), "cannot be mapped"));
        CHECK(error_of(make_elf({load(0x7fffffffd000, 0, 0x2000, 0x2000)})) == "accepted");   // the last two user pages
        CHECK(error_of(make_elf({kText, load(0x402000, 0x2000, 0x10, 0x10)})) == "accepted"); // touching is fine
    }

    TEST_CASE("the interpreter's path must end and lie in the file") {
        CHECK(says(make_elf({kText, interp(6)}, "/ld.so"), "does not end"));
        CHECK(says(make_elf({kText, interp(1)}), "1 bytes"));
        CHECK(says(make_elf({kText, interp(4097)}), "4097 bytes"));
        CHECK(says(make_elf({kText, interp(2)}), "empty interpreter"));
        Elf64_Phdr outside = interp(8);
        outside.p_offset = 16380;
        CHECK(says(make_elf({kText, outside}), "truncated"));
    }

    TEST_CASE("random changes to the headers never crash and never pass inconsistent") {
        std::mt19937 random(4); // the raw engine is the same everywhere; distributions are not
        Bytes file = test::read_file("/bin/true");
        std::size_t accepted = 0;
        for (int round = 0; round < 20000; ++round) {
            Bytes mutant = file;
            for (unsigned n = 1 + random() % 4; n-- > 0;)
                mutant[random() % 900] = random() % 2 ? 0xff : static_cast<std::uint8_t>(random());
            auto h = read_elf(mutant, "x");
            if (!h) continue;
            ++accepted;
            check_consistent(*h, mutant.size());
        }
        CHECK(accepted > 0); // notes and alignments may hold anything
        CHECK(accepted < 20000);
    }
}
