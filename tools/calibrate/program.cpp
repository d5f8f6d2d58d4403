#include "tools/calibrate/program.hpp"

#include "scenarios/rig.hpp"
#include "tools/judge/live.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <elf.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>

namespace trapline::calibrate {
namespace {

constexpr std::uint64_t kBase = 0x400000, kCode = 0x1000, kData = 0x600000, kPage = 0x1000;
constexpr std::size_t kAlign = 64;

class Assembler {
  public:
    void bytes(std::initializer_list<unsigned> list) {
        for (const unsigned b : list) code.push_back(static_cast<std::uint8_t>(b));
    }
    void number(std::uint64_t v) {
        for (int i = 0; i < 4; ++i) code.push_back(static_cast<std::uint8_t>(v >> 8 * i));
    }
    /// The four bytes of a distance to `target`, from behind them.
    void distance(std::size_t target) { number(target - code.size() - 4); }
    void clock(unsigned which, unsigned offset) {
        bytes({0xb8, 228, 0, 0, 0, 0xbf, which, 0, 0, 0, 0x49, 0x8d, 0x75, offset, 0x0f, 0x05}); // clock_gettime
    }
    std::vector<std::uint8_t> code;
};

/// The program, and the file offset of each function of each mix.
std::vector<std::uint8_t> build(const std::vector<Mix>& mixes, const Timing& timing, unsigned clock,
                                std::vector<std::uint64_t>& offsets) {
    Assembler a;
    a.bytes({0x41, 0xbd}); // mov r13d, data
    a.number(kData);
    a.bytes({0x41, 0xbc}); // mov r12d, batches
    a.number(timing.batches);
    const std::size_t batch = a.code.size();
    std::vector<std::size_t> calls;
    for (const Mix& mix : mixes) {
        a.clock(clock, 0);
        a.bytes({0xbb}); // mov ebx, rounds
        a.number(timing.rounds);
        const std::size_t round = a.code.size();
        for (std::size_t i = 0; i < mix.functions.size(); ++i) {
            a.bytes({0xe8});
            calls.push_back(a.code.size());
            a.number(0);
        }
        a.bytes({0xff, 0xcb, 0x0f, 0x85}); // dec ebx; jnz round
        a.distance(round);
        a.clock(clock, 16);
        // write(1, r13, 32)
        a.bytes({0xb8, 1, 0, 0, 0, 0xbf, 1, 0, 0, 0, 0x4c, 0x89, 0xee, 0xba, 32, 0, 0, 0, 0x0f, 0x05});
    }
    a.bytes({0x41, 0xff, 0xcc, 0x0f, 0x85}); // dec r12d; jnz batch
    a.distance(batch);
    a.bytes({0xb8, 231, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05}); // exit_group(0)
    offsets.clear();
    for (const Mix& mix : mixes) {
        for (const Function& function : mix.functions) {
            while (a.code.size() % kAlign != 0) a.bytes({0xcc});
            const std::size_t call = calls[offsets.size()];
            const std::uint64_t distance = a.code.size() - call - 4;
            for (std::size_t k = 0; k < 4; ++k) a.code[call + k] = static_cast<std::uint8_t>(distance >> 8 * k);
            offsets.push_back(kCode + a.code.size());
            a.code.insert(a.code.end(), function.bytes.begin(), function.bytes.end());
        }
    }

    Elf64_Ehdr head{};
    std::memcpy(head.e_ident, ELFMAG, SELFMAG);
    head.e_ident[EI_CLASS] = ELFCLASS64;
    head.e_ident[EI_DATA] = ELFDATA2LSB;
    head.e_ident[EI_VERSION] = EV_CURRENT;
    head.e_type = ET_EXEC;
    head.e_machine = EM_X86_64;
    head.e_version = EV_CURRENT;
    head.e_entry = kBase + kCode;
    head.e_phoff = sizeof head;
    head.e_ehsize = sizeof head;
    head.e_phentsize = sizeof(Elf64_Phdr);
    head.e_phnum = 2;
    std::array<Elf64_Phdr, 2> segments{};
    segments[0].p_type = segments[1].p_type = PT_LOAD;
    segments[0].p_flags = PF_R | PF_X;
    segments[0].p_vaddr = kBase;
    segments[0].p_filesz = segments[0].p_memsz = kCode + a.code.size();
    segments[1].p_flags = PF_R | PF_W;
    segments[1].p_vaddr = kData;
    segments[1].p_memsz = kPage;
    segments[0].p_align = segments[1].p_align = kPage;
    std::vector<std::uint8_t> file(kCode + a.code.size());
    std::memcpy(file.data(), &head, sizeof head);
    std::memcpy(file.data() + sizeof head, segments.data(), sizeof segments);
    std::copy(a.code.begin(), a.code.end(), file.begin() + kCode);
    return file;
}

/// The program in a folder of its own, which goes with this.
class Program {
  public:
    static Result<Program> make(const std::vector<Mix>& mixes, const Timing& timing, unsigned clock) {
        Program p;
        std::string folder = std::filesystem::temp_directory_path() / "trapline-XXXXXX";
        if (::mkdtemp(folder.data()) == nullptr) return fail(fmt::format("{}: {}", folder, std::strerror(errno)));
        p.folder_ = folder;
        const std::vector<std::uint8_t> bytes = build(mixes, timing, clock, p.offsets);
        std::ofstream out(p.path(), std::ios::binary);
        out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
        out.close();
        if (!out) return fail(fmt::format("{}: cannot be written", p.path()));
        std::filesystem::permissions(p.path(), std::filesystem::perms::owner_all);
        return p;
    }
    Program(Program&& o) noexcept : offsets(std::move(o.offsets)), folder_(std::exchange(o.folder_, {})) {}
    Program& operator=(Program&&) = delete;
    ~Program() {
        std::error_code ignored;
        if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
    }
    [[nodiscard]] std::string path() const { return folder_ + "/timed"; }

    std::vector<std::uint64_t> offsets; ///< in the file, of each function

  private:
    Program() = default;
    std::string folder_;
};

/// What the program has written: in each batch a pair of times for each mix.
Result<std::vector<std::vector<double>>> read(const std::string& output, std::size_t mixes, const Timing& timing) {
    struct Pair {
        timespec began, ended;
    };
    if (output.size() != timing.batches * mixes * sizeof(Pair))
        return fail(fmt::format("the timed program did not end as it should: {} bytes", output.size()));
    std::vector<std::vector<double>> rounds(mixes);
    for (std::size_t i = mixes; i < timing.batches * mixes; ++i) {
        Pair p;
        std::memcpy(&p, output.data() + i * sizeof p, sizeof p);
        constexpr double kSecond = 1e9;
        const double ns = static_cast<double>(p.ended.tv_sec - p.began.tv_sec) * kSecond +
                          static_cast<double>(p.ended.tv_nsec - p.began.tv_nsec);
        rounds[i % mixes].push_back(ns / timing.rounds);
    }
    return rounds;
}

} // namespace

Measured summed_up(std::vector<double> rounds) {
    std::sort(rounds.begin(), rounds.end());
    const std::size_t n = rounds.size();
    return {rounds[n / 2], rounds[n / 10], rounds[n * 9 / 10]};
}

Result<std::vector<std::vector<double>>> run_live(const std::vector<Mix>& mixes, const Timing& timing) {
    const auto program = Program::make(mixes, timing, CLOCK_THREAD_CPUTIME_ID);
    if (!program) return tl::make_unexpected(program.error());
    judge::LiveRequest request;
    request.program = program->path();
    request.args = {request.program};
    std::size_t number = 0;
    for (const Mix& mix : mixes) {
        for (const Function& function : mix.functions) {
            using Probe = Function::Probe;
            judge::LiveProbe probe;
            probe.path = program->path();
            probe.offset = program->offsets[number++];
            probe.is_return = function.probe == Probe::at_return;
            if (function.probe != Probe::none) request.probes.push_back(probe);
            if (function.probe == Probe::twice) request.probes.push_back(probe);
        }
    }
    const auto report = judge::run_live(request);
    if (!report) return tl::make_unexpected(report.error());
    for (const judge::LiveCount& c : report->probes)
        if (c.error != 0 || c.hits != std::uint64_t{timing.rounds} * timing.batches)
            return fail(fmt::format("the live kernel counts {} hits, errno {}", c.hits, c.error));
    return read(report->standard_output, mixes.size(), timing);
}

Result<Measured> in_machine(const Mix& mix, const Timing& timing, const std::string& strategy,
                            const std::string& cost) {
    const auto program = Program::make({mix}, timing, CLOCK_MONOTONIC);
    if (!program) return tl::make_unexpected(program.error());
    RunRequest request;
    request.program = program->path();
    request.working_directory = "/";
    request.strategy = strategy;
    request.cost = cost;
    request.cpus = 1;
    request.capture_output = true;
    for (std::size_t i = 0; i < mix.functions.size(); ++i) {
        using Probe = Function::Probe;
        if (mix.functions[i].probe == Probe::none) continue;
        const auto spec =
            parse_probe_spec(fmt::format("{}{}:{:#x}", mix.functions[i].probe == Probe::at_return ? "uretprobe:" : "",
                                         program->path(), program->offsets[i]));
        if (!spec) return tl::make_unexpected(spec.error());
        request.probes.push_back({*spec, true, 0});
    }
    const auto report = run_program(request);
    if (!report) return tl::make_unexpected(report.error());
    auto rounds = read(report->standard_output, 1, timing);
    if (!rounds) return tl::make_unexpected(rounds.error());
    return summed_up(std::move(rounds->front()));
}

} // namespace trapline::calibrate
