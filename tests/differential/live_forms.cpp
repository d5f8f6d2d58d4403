// live_forms: what the live kernel refuses to probe, held against the
// linux-6.18 tables.
//
// Every form stands in a file that this program has mapped as code, and a
// uprobe is registered there. The kernel analyses the instruction then, and its
// errno is what decoder/rules.hpp must say. Nothing of it is executed. To
// unregister takes the kernel a tenth of a second, however many go at once; so
// what the tables accept is registered together (as one link of a BPF program),
// and halved when the kernel refuses, until it is known which it was.
//
// In the environment: TRAPLINE_LIVE_FORMS (10,000), and TRAPLINE_ELF and
// TRAPLINE_SEED as in differential_test.cpp. Exit codes: 0 all agree, 1 they do
// not, 77 there are no uprobes for us, or it is another kernel.
#include "decoder/insn.hpp"
#include "decoder/rules.hpp"
#include "tests/decoder/program_code.hpp"
#include "tests/differential/form.hpp"
#include "tests/differential/settings.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <linux/bpf.h>
#include <map>
#include <string>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

namespace trapline::testing {
namespace {

constexpr std::size_t kSlot = 64, kMostShown = 50;

[[noreturn]] void skip(const std::string& why) {
    std::printf("skipped: %s\n", why.c_str());
    std::exit(77);
}

long bpf(int command, void* attributes, std::size_t size) { return ::syscall(SYS_bpf, command, attributes, size); }

/// Uprobes in one file whose handler is a BPF program that does nothing.
class Uprobes {
  public:
    explicit Uprobes(std::string path) : path_(std::move(path)) {
        const bpf_insn program[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0}, {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
        bpf_attr attr{};
        attr.prog_type = BPF_PROG_TYPE_KPROBE;
        attr.insn_cnt = std::size(program);
        attr.insns = reinterpret_cast<std::uint64_t>(program);
        attr.license = reinterpret_cast<std::uint64_t>("GPL");
        attr.expected_attach_type = static_cast<bpf_attach_type>(kUprobeMulti);
        program_ = static_cast<int>(bpf(BPF_PROG_LOAD, &attr, sizeof attr));
        if (program_ < 0) skip(std::string("no BPF program can be loaded: ") + std::strerror(errno));
    }

    /// Registers all and unregisters them again; 0, or a negative errno when one
    /// was refused.
    int try_all(std::span<const std::uint64_t> offsets) const {
        struct { // `link_create` of bpf_attr with its uprobe_multi, which the
                 // headers of Debian 12 lack
            std::uint32_t program, target = 0, type = kUprobeMulti, flags = 0;
            std::uint64_t path, offsets, counters = 0, cookies = 0;
            std::uint32_t count, multi_flags = 0, pid = 0, unused[17] = {};
        } attr{.program = static_cast<std::uint32_t>(program_),
               .path = reinterpret_cast<std::uint64_t>(path_.c_str()),
               .offsets = reinterpret_cast<std::uint64_t>(offsets.data()),
               .count = static_cast<std::uint32_t>(offsets.size())};
        const long link = bpf(BPF_LINK_CREATE, &attr, sizeof attr);
        if (link < 0) return -errno;
        ::close(static_cast<int>(link));
        return 0;
    }

    /// What the kernel says to each, in `answers` by offset.
    void ask(std::span<const std::uint64_t> offsets, std::map<std::uint64_t, int>& answers) const {
        if (offsets.empty()) return;
        const int answer = try_all(offsets);
        if (answer == 0 || offsets.size() == 1) {
            for (const std::uint64_t at : offsets) answers[at] = answer;
            return;
        }
        ask(offsets.first(offsets.size() / 2), answers);
        ask(offsets.subspan(offsets.size() / 2), answers);
    }

  private:
    static constexpr std::uint32_t kUprobeMulti = 48; // BPF_TRACE_UPROBE_MULTI, Linux 6.6
    std::string path_;
    int program_ = -1;
};

/// What the kernel says to each, asked by children.
void ask_singly(const Uprobes& uprobes, std::span<const std::uint64_t> offsets, std::map<std::uint64_t, int>& answers) {
    constexpr std::size_t kProcesses = 32;
    void* shared =
        ::mmap(nullptr, offsets.size_bytes() + kSlot, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) skip("no memory");
    auto* each = static_cast<int*>(shared);
    for (std::size_t p = 0; p < kProcesses; ++p)
        if (::fork() == 0) {
            for (std::size_t i = p; i < offsets.size(); i += kProcesses)
                each[i] = uprobes.try_all(offsets.subspan(i, 1));
            ::_exit(0);
        }
    while (::wait(nullptr) > 0) {
    }
    for (std::size_t i = 0; i < offsets.size(); ++i) answers[offsets[i]] = each[i];
}

int live_forms() {
    utsname kernel{};
    ::uname(&kernel);
    if (!std::string(kernel.release).starts_with("6.18"))
        skip(std::string("this is Linux ") + kernel.release + ", the tables are of 6.18");
    const std::uint64_t seed = setting("TRAPLINE_SEED", 1);
    Forms corpus;
    for (const std::string& path : test::files_in(programs())) corpus.harvest(path);
    corpus.enumerate(seed);
    const std::vector<Form> forms =
        corpus.sample(setting("TRAPLINE_LIVE_FORMS", 10'000), seed, [](const Form&) { return true; });

    const std::size_t bytes = (forms.size() + 1) * kSlot;
    const int file = ::memfd_create("forms", MFD_CLOEXEC);
    std::vector<std::uint8_t> code(bytes, 0x90);
    for (std::size_t i = 0; i < forms.size(); ++i)
        std::copy(forms[i].bytes.begin(), forms[i].bytes.end(), code.begin() + static_cast<std::ptrdiff_t>(i * kSlot));
    if (file < 0 || ::write(file, code.data(), bytes) != static_cast<ssize_t>(bytes)) skip("no memfd");
    if (::mmap(nullptr, bytes, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0) == MAP_FAILED)
        skip("code cannot be mapped here");
    const Uprobes uprobes("/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(file));
    const std::uint64_t nop = forms.size() * kSlot;
    if (const int error = uprobes.try_all({&nop, 1}); error != 0)
        skip(std::string("a uprobe cannot be registered: ") + std::strerror(-error));

    std::vector<Verdict> ours;
    std::vector<std::uint64_t> accepted, refused;
    for (std::size_t i = 0; i < forms.size(); ++i) {
        ours.push_back(may_probe(std::span(code).subspan(i * kSlot, 16), RuleSet::linux_6_18));
        (ours.back().error == 0 ? accepted : refused).push_back(i * kSlot);
    }
    std::map<std::uint64_t, int> answers;
    uprobes.ask(accepted, answers);
    ask_singly(uprobes, refused, answers);

    std::size_t wrong = 0;
    std::map<int, std::size_t> by_answer;
    for (std::size_t i = 0; i < forms.size(); ++i) {
        const int answer = answers[i * kSlot];
        ++by_answer[answer];
        if (ours[i].error == answer) continue;
        if (++wrong <= kMostShown)
            std::printf("%s: the kernel says %d, the table %d\n", hex(forms[i].bytes).c_str(), answer, ours[i].error);
    }
    std::printf("%zu forms, %zu disagree\n", forms.size(), wrong);
    for (const auto& [answer, count] : by_answer) std::printf("  %zu: %d\n", count, answer);
    return wrong == 0 ? 0 : 1;
}

} // namespace
} // namespace trapline::testing

int main() { return trapline::testing::live_forms(); }
