#include "tools/judge/surroundings.hpp"

namespace trapline::judge {

std::vector<std::string> surroundings() {
    // The features that the emulated processor (Westmere: x86-64-v2) lacks are switched off, the preferences that glibc
    // derives from its model are switched on (sysdeps/x86/cpu-features.c), and sizes that glibc would compute from the
    // processor's caches are given. rseq is a registration that the emulated kernel does not have.
    std::string tunables = "GLIBC_TUNABLES=glibc.cpu.hwcaps=";
    for (const char* lacking : {"AVX",        "AVX2",        "AVX512F",  "AVX512VL", "AVX512BW",
                                "AVX512CD",   "AVX512DQ",    "AVX512ER", "AVX512PF", "AVX_Fast_Unaligned_Load",
                                "AVX_Usable", "AVX2_Usable", "BMI1",     "BMI2",     "ERMS",
                                "FSRM",       "FMA",         "FMA4",     "LZCNT",    "MOVBE",
                                "RTM",        "XSAVE",       "XSAVEC",   "OSXSAVE"})
        tunables += std::string("-") + lacking + ",";
    tunables += "Fast_Rep_String,Fast_Unaligned_Load,Fast_Unaligned_Copy,Prefer_PMINUB_for_stringop";
    tunables += ":glibc.cpu.x86_data_cache_size=0x8000:glibc.cpu.x86_shared_cache_size=0x100000";
    tunables += ":glibc.cpu.x86_non_temporal_threshold=0xc0000:glibc.cpu.x86_rep_movsb_threshold=0x800";
    tunables += ":glibc.cpu.x86_rep_stosb_threshold=0x800:glibc.pthread.rseq=0";
    // OpenSSL's view of CPUID: leaf 1 with SSE to SSE4.2 and PCLMULQDQ but no AVX, OSXSAVE or RDRAND; leaf 7 empty.
    return {tunables, "OPENSSL_ia32cap=0x02982203078bfbfd:0"};
}

} // namespace trapline::judge
