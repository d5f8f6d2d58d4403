#include "probes/spec.hpp"

#include <doctest/doctest.h>

using namespace trapline;

namespace {

ProbeSpec spec(std::string_view text) {
    auto parsed = parse_probe_spec(text);
    REQUIRE_MESSAGE(parsed.has_value(), (parsed ? "" : parsed.error().text()));
    return *parsed;
}

Error refused(std::string_view text) {
    auto parsed = parse_probe_spec(text);
    REQUIRE_MESSAGE(!parsed.has_value(), text);
    return parsed.error();
}

bool mentions(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

ProbePlace symbol(std::string path, std::string name, std::uint64_t offset = 0) {
    return {std::move(path), ProbePlace::Symbol{std::move(name), offset}};
}

} // namespace

TEST_SUITE("probes/spec") {
    TEST_CASE("every form of a place names the same kind of place as in the interface") {
        const ProbePlace hot = symbol("", "hot");
        const ProbePlace malloc = symbol("/lib/libc.so.6", "malloc", 16);
        CHECK(spec(":hot") == hot);
        CHECK(spec("  :hot ") == hot);
        CHECK(spec(":hot+3") == symbol("", "hot", 3));
        CHECK(spec(":hot+0x1c") == symbol("", "hot", 28));
        CHECK(spec("/lib/libc.so.6:malloc+16") == malloc);
        CHECK(spec(":0x1139") == ProbePlace{"", ProbePlace::FileOffset{0x1139}});
        CHECK(spec("/bin/bash:4416") == ProbePlace{"/bin/bash", ProbePlace::FileOffset{4416}});
        CHECK(spec("@0x401136") == ProbePlace{"", ProbePlace::VirtualAddress{0x401136}});
        CHECK(spec("uprobe:/lib/libc.so.6:malloc+16") == malloc);
        CHECK(spec("probe:/lib/libc.so.6:malloc+16") == malloc);
        CHECK(spec("uprobe::hot") == hot);
        CHECK(spec("p /lib/libc.so.6:malloc+16") == malloc);
        CHECK(spec("p @0xffffffffffffffff") == ProbePlace{"", ProbePlace::VirtualAddress{~std::uint64_t{0}}});
    }

    TEST_CASE("return probes are written in four ways") {
        for (const char* text : {"uretprobe:a:f", "r a:f", "r:name a:f", "a:f%return", "p a:f%return"}) {
            CAPTURE(text);
            CHECK(spec(text).is_return);
            CHECK(spec(text) == symbol("a", "f"));
        }
        for (const char* text : {"uprobe:a:f", "p a:f", "a:f", "p:name a:f"}) CHECK_FALSE(spec(text).is_return);
    }

    TEST_CASE("mangled, versioned and local symbols are taken as they are") {
        CHECK(spec(":_ZNSt6vectorIiSaIiEE9push_backEOi") == symbol("", "_ZNSt6vectorIiSaIiEE9push_backEOi"));
        CHECK(spec("libc.so.6:malloc@@GLIBC_2.2.5+4") == symbol("libc.so.6", "malloc@@GLIBC_2.2.5", 4));
        CHECK(spec(":f.part.0") == symbol("", "f.part.0"));
        CHECK(spec(":_RNvC6_123foo3bar$u20$+1") == symbol("", "_RNvC6_123foo3bar$u20$", 1));
        CHECK(spec(":.cold") == symbol("", ".cold"));
        CHECK(spec(":gr\xc3\xb6\xc3\x9f"
                   "e") == symbol("", "gr\xc3\xb6\xc3\x9f"
                                      "e"));
    }

    TEST_CASE("the place begins after the last single colon, so paths and C++ names may have colons") {
        CHECK(spec("/odd:dir/x:f") == symbol("/odd:dir/x", "f"));
        CHECK(spec("/odd::dir/x:f") == symbol("/odd::dir/x", "f"));
        CHECK(spec("/a dir/x:f") == symbol("/a dir/x", "f"));
        CHECK(spec("/x:ns::f") == symbol("/x", "ns::f"));
        CHECK(spec("/x:::f") == symbol("/x", "::f"));
        CHECK(spec("p:main") == symbol("p", "main"));
        CHECK(spec("rust:main") == symbol("rust", "main"));
    }

    TEST_CASE("the tracer's form has an event name and fetch arguments") {
        const ProbeSpec probe = spec("p:mine /bin/x:0x10 %di name=+8(%si):u32 +0(-8(%bp)):string $stack3 \\-4:s8 "
                                     "@0x601040:x8[4] bits=%ax:b4@3/8");
        CHECK(probe.name == "mine");
        CHECK(probe == ProbePlace{"/bin/x", ProbePlace::FileOffset{0x10}});
        REQUIRE(probe.args.size() == 7);
        CHECK(probe.args[0].name == "");
        CHECK(probe.args[0].expr == "%di");
        CHECK(probe.args[0].type == "");
        CHECK(probe.args[1].name == "name");
        CHECK(probe.args[1].expr == "+8(%si)");
        CHECK(probe.args[1].type == "u32");
        CHECK(probe.args[2].expr == "+0(-8(%bp))");
        CHECK(probe.args[2].type == "string");
        CHECK(probe.args[4].expr == "\\-4");
        CHECK(probe.args[5].type == "x8[4]");
        CHECK(probe.args[6].name == "bits");
        CHECK(spec("p :hot +u8(%si):string").args[0].expr == "+u8(%si)");
        CHECK(spec("r:group/mine a:f $retval").name == "group/mine");
    }

    TEST_CASE("a file offset may have a reference counter") {
        const ProbeSpec probe = spec("p /bin/x:0x10(0x4020) %di");
        CHECK(probe == ProbePlace{"/bin/x", ProbePlace::FileOffset{0x10}});
        CHECK(probe.counter_offset == 0x4020);
        CHECK(probe.args.size() == 1);
        CHECK(spec(":16(32)").counter_offset == 32);
        CHECK(spec(":0x10").counter_offset == 0);
    }

    TEST_CASE("what is wrong is named, with what to type instead") {
        CHECK(mentions(refused("").what, "empty"));
        CHECK(mentions(refused("main").hint, "write :main"));
        CHECK(mentions(refused("0x401136").hint, "@0x401136"));
        CHECK(mentions(refused("/bin/x:").what, "nothing follows"));
        CHECK(mentions(refused(":+3").what, "symbol is empty"));
        CHECK(mentions(refused(":@@GLIBC_2.2.5").what, "symbol is empty"));
        CHECK(mentions(refused(":hot+").what, "not an offset"));
        CHECK(mentions(refused(":hot+3+4").what, "'3+4' is not an offset"));
        CHECK(mentions(refused(":hot+0x10000000000000000").what, "not an offset"));
        CHECK(mentions(refused(":hot-3").what, "'-' cannot be part"));
        CHECK(mentions(refused(":0x").what, "not a file offset"));
        CHECK(mentions(refused(":010").what, "not a file offset"));
        CHECK(mentions(refused(":0x10(0x2g)").what, "reference counter"));
        CHECK(mentions(refused(":0x10(0x20").what, "reference counter"));
        CHECK(mentions(refused(":0x10(0x20)a").what, "reference counter"));
        CHECK(mentions(refused(":f(int)").hint, "mangled"));
        CHECK(mentions(refused("@401136").what, "not an address"));
        CHECK(mentions(refused(":hot %di").hint, "p PLACE %di"));
        CHECK(mentions(refused("p:2nd :hot").what, "cannot name an event"));
        CHECK(mentions(refused("p :hot %rdi").hint, "%di"));
        CHECK(mentions(refused("p :hot $retval").hint, "r PLACE"));
        CHECK(mentions(refused("p :hot %di:u33").what, "'u33' is not a type"));
        CHECK(mentions(refused("p :hot %di:x8[0]").what, "not a type"));
        CHECK(mentions(refused("p :hot %di:u8[").what, "not a type"));
        CHECK(mentions(refused("p :hot +8(%si").what, "not a memory access"));
        CHECK(mentions(refused("p :hot a=%di a=%si").what, "two arguments"));
        CHECK(mentions(refused("p :hot bogus").what, "not a fetch expression"));
        CHECK(mentions(refused(":ho\nt").what, "control character"));
        CHECK(mentions(refused("uprobe:main").what, "probe 'uprobe:main'"));
    }

    TEST_CASE("a place that is printed reads back as the same place") {
        for (const char* text : {":hot", ":hot+3", "/x:::f", "/a:b/c:f+255", ":0x1139", "/x:0x0", "@0x401136"}) {
            CAPTURE(text);
            CHECK(to_string(spec(text)) == text);
            CHECK(parse_probe_place(to_string(spec(text))).value() == spec(text));
        }
    }
}
