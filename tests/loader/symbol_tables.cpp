#include "loader/similar_names.hpp"
#include "loader/symbols.hpp"
#include "tests/loader/files.hpp"

#include <cstdio>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <map>
#include <random>
#include <unistd.h>

using namespace trapline;

namespace {

constexpr const char* kLibc = "/lib/x86_64-linux-gnu/libc.so.6";

struct NmLine {
    Addr address = 0;
    std::uint64_t size = 0;
    char type = '?';
};

/// What nm says about a library: `name@@VERSION` -> address and size. Empty where there is no nm.
std::map<std::string, NmLine> run_nm(const std::string& file) {
    std::map<std::string, NmLine> out;
    std::FILE* pipe = ::popen(("nm -D -S --defined-only " + file + " 2>/dev/null").c_str(), "r");
    if (pipe == nullptr) return out;
    char line[512], name[400];
    while (std::fgets(line, sizeof line, pipe) != nullptr) {
        unsigned long address = 0, size = 0;
        char type = 0;
        if (std::sscanf(line, "%lx %lx %c %399s", &address, &size, &type, name) == 4) out[name] = {address, size, type};
    }
    ::pclose(pipe);
    return out;
}

Result<SymbolTable> load(const char* path) { return SymbolTable::load(test::read_file(path), path); }

} // namespace

TEST_SUITE("loader/symbols") {
    TEST_CASE("every symbol that nm finds in libc is found at the same address") {
        auto expected = run_nm(kLibc);
        auto table = load(kLibc);
        REQUIRE(table);
        if (expected.empty()) {
            MESSAGE("skipped: there is no nm here");
            return;
        }
        int compared = 0;
        for (const auto& [name, nm] : expected) {
            if (std::string("TtWwiVvDdBbRr").find(nm.type) == std::string::npos)
                continue; // absolute ones have no place
            // nm prints thread-local variables as data, but their values are no addresses. These four, says readelf.
            std::string plain = name.substr(0, name.find('@'));
            if (plain == "errno" || plain == "__h_errno" || plain == "__resp" || plain == "__libc_dlerror_result")
                continue;
            CAPTURE(name);
            bool found = false;
            for (const Symbol* s : table->find_all(name))
                found = found || (s->address == nm.address && s->size == nm.size && s->full_name() == name);
            CHECK(found);
            ++compared;
        }
        CHECK(compared > 2000);
    }

    TEST_CASE("names with and without versions mean the same function") {
        auto table = load(kLibc);
        REQUIRE(table);
        const Symbol* plain = table->find("malloc");
        REQUIRE(plain != nullptr);
        CHECK(plain->kind == SymbolKind::function);
        CHECK(plain->version == "GLIBC_2.2.5"); // the first version of glibc for x86-64
        CHECK(table->find("malloc@GLIBC_2.2.5") == plain);
        CHECK(table->find("malloc@@GLIBC_2.2.5") == plain);
        CHECK(table->find("malloc@GLIBC_2.3") == nullptr);
        CHECK(plain->offset == table->headers().offset_of(plain->address));
        // memcpy was given new semantics in glibc 2.14; the old one stays for old programs.
        const Symbol* memcpy_now = table->find("memcpy");
        REQUIRE(memcpy_now != nullptr);
        CHECK(memcpy_now->full_name() == "memcpy@@GLIBC_2.14");
        CHECK(memcpy_now->kind == SymbolKind::ifunc);
        REQUIRE(table->find("memcpy@GLIBC_2.2.5") != nullptr);
        CHECK(!table->find("memcpy@GLIBC_2.2.5")->default_version);
        CHECK(table->find("memcpy@@GLIBC_2.2.5") == nullptr);
        CHECK(table->find("environ") != nullptr);
        CHECK(table->find("environ")->kind == SymbolKind::object);
    }

    TEST_CASE("an address is shown as the function it lies in") {
        auto table = load(kLibc);
        REQUIRE(table);
        const Symbol* s = table->find("malloc");
        REQUIRE(s != nullptr);
        auto place = table->symbol_at(s->address + 5);
        REQUIRE(place);
        CHECK(place->symbol->name == "malloc"); // not __libc_malloc, which lies at the same address
        CHECK(place->distance == 5);
        CHECK(!table->symbol_at(0));
        CHECK(!table->symbol_at(~0ull));
        for (const Symbol& each : table->all()) {
            auto at = table->symbol_at(each.address);
            REQUIRE(at);
            CHECK(at->symbol->address == each.address);
        }
    }

    TEST_CASE("a program's own table has its static functions") {
        auto table = load("/proc/self/exe");
        REQUIRE(table);
        const Symbol* entry = table->find("main");
        REQUIRE(entry != nullptr);
        CHECK(table->find("_start") != nullptr);
        auto place = table->symbol_at(table->headers().entry);
        REQUIRE(place);
        CHECK(place->symbol->name == "_start"); // a program starts there
        CHECK(table->find("no_such_function_anywhere") == nullptr);
    }

    TEST_CASE("a stripped program has few symbols and is no error") {
        auto table = load("/bin/true");
        REQUIRE(table);
        CHECK(table->find("main") == nullptr);
    }

    TEST_CASE("an unknown name is answered with the names that resemble it") {
        auto table = load(kLibc);
        REQUIRE(table);
        auto names = table->nearest("mallocc", 3);
        REQUIRE(!names.empty());
        CHECK(names.front() == "malloc");
        CHECK(names == table->nearest("mallocc", 3));
        CHECK(table->nearest("q7x9zz_not_like_anything", 3).empty());
    }

    TEST_CASE("similar names come closest first, then those that contain the name, equals by alphabet") {
        std::vector<std::string_view> names = {"hot_path", "hat", "HOT", "cold", "hit", "xhotx", "hot"};
        CHECK(similar_names("hot", names, 9) ==
              std::vector<std::string>{"HOT", "hot", "hat", "hit", "xhotx", "hot_path"});
        CHECK(similar_names("hot", names, 2) == std::vector<std::string>{"HOT", "hot"});
        CHECK(similar_names("", names, 9).empty());
    }

    TEST_CASE("a cut-off or damaged file is refused or read, and nothing crashes") {
        test::Bytes file = test::read_file("/proc/self/exe");
        test::Bytes libc = test::read_file(kLibc);
        for (const test::Bytes* whole : {&file, &libc})
            for (std::size_t part = 1; part <= 16; ++part) {
                test::Bytes cut(whole->begin(), whole->begin() + static_cast<long>(whole->size() * part / 17));
                CHECK(!SymbolTable::load(cut, "x")); // section headers are at the end of what linkers write
            }
        CHECK(!SymbolTable::load(test::Bytes{0x7f, 'E', 'L', 'F'}, "x"));
        CHECK(!SymbolTable::load(-1, "x"));
        test::Bytes small = test::read_file("/bin/true");
        std::mt19937 random(9);
        for (int round = 0; round < 300; ++round) {
            test::Bytes mutant = small;
            for (int n = 0; n < 8; ++n) mutant[random() % mutant.size()] = static_cast<std::uint8_t>(random());
            for (int n = 0; n < 2; ++n) // and one in the section headers
                mutant[mutant.size() - 1 - random() % 1600] = static_cast<std::uint8_t>(random());
            (void)SymbolTable::load(mutant, "x");
        }
    }
}
