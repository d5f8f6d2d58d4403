#include "tools/debug/registers.hpp"

#include <array>
#include <cstring>
#include <fmt/format.h>
#include <vector>

namespace trapline {
namespace {

struct Item {
    std::string name;
    std::size_t bits;
    std::string_view type;
    std::string_view feature;
};

constexpr std::string_view kCore = "core", kSse = "sse", kLinux = "linux", kSegments = "segments";

const std::vector<Item>& items() {
    static const std::vector<Item> all = [] {
        std::vector<Item> list;
        for (const char* name : {"rax", "rbx", "rcx", "rdx", "rsi", "rdi"}) list.push_back({name, 64, "int64", kCore});
        list.push_back({"rbp", 64, "data_ptr", kCore});
        list.push_back({"rsp", 64, "data_ptr", kCore});
        for (int i = 8; i < 16; ++i) list.push_back({fmt::format("r{}", i), 64, "int64", kCore});
        list.push_back({"rip", 64, "code_ptr", kCore});
        list.push_back({"eflags", 32, "i386_eflags", kCore});
        for (const char* name : {"cs", "ss", "ds", "es", "fs", "gs"}) list.push_back({name, 32, "int32", kCore});
        for (int i = 0; i < 8; ++i) list.push_back({fmt::format("st{}", i), 80, "i387_ext", kCore});
        for (const char* name : {"fctrl", "fstat", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop"})
            list.push_back({name, 32, "int", kCore});
        for (int i = 0; i < 16; ++i) list.push_back({fmt::format("xmm{}", i), 128, "vec128", kSse});
        list.push_back({"mxcsr", 32, "i386_mxcsr", kSse});
        list.push_back({"orig_rax", 64, "int", kLinux});
        list.push_back({"fs_base", 64, "int", kSegments});
        list.push_back({"gs_base", 64, "int", kSegments});
        return list;
    }();
    return all;
}

constexpr const char* kFlags = R"(<flags id="i386_eflags" size="4"><field name="" start="22" end="31"/>
<field name="CF" start="0" end="0"/><field name="PF" start="2" end="2"/><field name="AF" start="4" end="4"/>
<field name="ZF" start="6" end="6"/><field name="SF" start="7" end="7"/><field name="TF" start="8" end="8"/>
<field name="IF" start="9" end="9"/><field name="DF" start="10" end="10"/><field name="OF" start="11" end="11"/></flags>
)";

constexpr const char* kVectors = R"(<vector id="v4f" type="ieee_single" count="4"/>
<vector id="v2d" type="ieee_double" count="2"/><vector id="v16i8" type="int8" count="16"/>
<vector id="v8i16" type="int16" count="8"/><vector id="v4i32" type="int32" count="4"/>
<vector id="v2i64" type="int64" count="2"/>
<union id="vec128"><field name="v4_float" type="v4f"/><field name="v2_double" type="v2d"/>
<field name="v16_int8" type="v16i8"/><field name="v8_int16" type="v8i16"/><field name="v4_int32" type="v4i32"/>
<field name="v2_int64" type="v2i64"/><field name="uint128" type="uint128"/></union>
<flags id="i386_mxcsr" size="4"><field name="IE" start="0" end="0"/><field name="DE" start="1" end="1"/>
<field name="ZE" start="2" end="2"/><field name="OE" start="3" end="3"/><field name="UE" start="4" end="4"/>
<field name="PE" start="5" end="5"/><field name="DAZ" start="6" end="6"/><field name="IM" start="7" end="7"/>
<field name="DM" start="8" end="8"/><field name="ZM" start="9" end="9"/><field name="OM" start="10" end="10"/>
<field name="UM" start="11" end="11"/><field name="PM" start="12" end="12"/><field name="FZ" start="15" end="15"/></flags>
)";

/// Where the parts of an FXSAVE image are (Intel SDM volume 1, "FXSAVE Area").
constexpr std::size_t kStack = 32, kXmm = 160;

/// The two-bit tags that gdb shows, from the abridged ones: valid (0) or empty (3), without zero and special.
std::uint32_t full_tags(std::uint8_t abridged) {
    std::uint32_t tags = 0;
    for (unsigned i = 0; i < 8; ++i)
        if ((abridged >> i & 1) == 0) tags |= 3u << (2 * i);
    return tags;
}

} // namespace

std::string target_description() {
    std::string out = "<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n<target version=\"1.0\">\n"
                      "<architecture>i386:x86-64</architecture>\n<osabi>GNU/Linux</osabi>\n";
    std::string_view feature;
    for (const Item& item : items()) {
        if (item.feature != feature) {
            if (!feature.empty()) out += "</feature>\n";
            feature = item.feature;
            out += fmt::format("<feature name=\"org.gnu.gdb.i386.{}\">\n", feature);
            if (feature == kCore) out += kFlags;
            if (feature == kSse) out += kVectors;
        }
        out += fmt::format("<reg name=\"{}\" bitsize=\"{}\" type=\"{}\"/>\n", item.name, item.bits, item.type);
    }
    return out + "</feature>\n</target>\n";
}

std::pair<std::size_t, std::size_t> register_place(std::size_t number) {
    std::size_t at = 0;
    for (std::size_t i = 0; i < items().size(); ++i) {
        const std::size_t bytes = items()[i].bits / 8;
        if (i == number) return {at, bytes};
        at += bytes;
    }
    return {0, 0};
}

std::string register_block(Kernel& kernel, const Task& t) {
    std::string out;
    const auto put = [&out](std::uint64_t value, std::size_t bytes) {
        for (std::size_t i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
    };
    using enum Reg;
    for (Reg r : {rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15, rip})
        put(kernel.get(t, r), 8);
    std::uint64_t flags = kernel.get(t, eflags);
    if (kernel.on_cpu(t) && kernel.cpu().own_step()) flags &= ~kFlagTrap;
    put(flags, 4);
    constexpr std::uint32_t kUserCode = 0x33, kUserData = 0x2b; // as Linux has them
    put(kUserCode, 4);
    put(kUserData, 4);
    for (int i = 0; i < 4; ++i) put(0, 4); // ds, es, fs, gs

    std::array<std::uint8_t, 512> fx;
    if (kernel.on_cpu(t))
        kernel.cpu().get_fx(fx.data());
    else
        t.context->get_fx(fx.data());
    const auto bytes = [&](std::size_t at, std::size_t n) { out.append(reinterpret_cast<const char*>(&fx[at]), n); };
    for (std::size_t i = 0; i < 8; ++i) bytes(kStack + 16 * i, 10);
    put(fx[0] | fx[1] << 8, 4);
    put(fx[2] | fx[3] << 8, 4);
    put(full_tags(fx[4]), 4);
    for (int i = 0; i < 5; ++i) put(0, 4); // the last x87 instruction and operand: the engine does not keep them
    bytes(kXmm, 16 * 16);
    put(kernel.get(t, mxcsr), 4);
    put(~0ull, 8); // orig_rax: not in a system call
    put(kernel.get(t, fs_base), 8);
    put(kernel.get(t, gs_base), 8);
    return out;
}

} // namespace trapline
