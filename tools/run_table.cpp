#include "tools/run_table.hpp"

#include "decoder/rules.hpp"
#include "tools/json_out.hpp"
#include "tools/table.hpp"

#include <cstring>
#include <fmt/format.h>

namespace trapline {
namespace {

std::string status(const ProbeReport& probe) {
    if (probe.state != ProbeReport::State::refused) return std::string(to_string(probe.state));
    // The one errno that user space has no name for (decoder/rules.hpp).
    const char* name = probe.error_number == -enotsupp ? "ENOTSUPP" : strerrorname_np(probe.error_number);
    return name != nullptr ? fmt::format("refused: {}", name) : fmt::format("refused: errno {}", probe.error_number);
}

std::string counted(std::uint64_t n, std::string_view one) { return fmt::format("{} {}{}", n, one, n == 1 ? "" : "s"); }

std::string lines(const std::string& text) {
    std::string out;
    for (const std::string& line : wrap(text, Table::kWidth)) out += line + "\n";
    return out;
}

} // namespace

std::string hit_line(const RunRequest& request, const Fetched& hit) {
    const ProbeSpec& spec = request.probes[hit.probe].spec;
    const std::string back = hit.returns_to != 0 ? fmt::format("{:#x} <- ", hit.returns_to) : "";
    constexpr std::uint64_t kSecond = 1'000'000'000, kMicrosecond = 1000;
    return printable(fmt::format("{}-{} [{:03}] {}.{:06}: {}: ({}{:#x}){}", hit.command, hit.tid, hit.cpu,
                                 hit.nanoseconds / kSecond, hit.nanoseconds % kSecond / kMicrosecond,
                                 spec.name.empty() ? to_string(static_cast<const ProbePlace&>(spec)) : spec.name, back,
                                 hit.address, hit.values));
}

std::string run_table(const RunRequest& request, const RunReport& report) {
    std::string out;
    if (!report.probes.empty()) {
        using Kind = Table::Kind;
        Table table({{"probe", Kind::shortened},
                     {"executions", Kind::number},
                     {"hits", Kind::number},
                     {"missed", Kind::number},
                     {"repeated", Kind::number},
                     {"status", Kind::text}});
        for (const ProbeReport& probe : report.probes)
            table.add({probe.spec, std::to_string(probe.truth.executions), std::to_string(probe.truth.hits),
                       std::to_string(probe.truth.missed), std::to_string(probe.truth.repeated), status(probe)});
        out += table.text();
    }
    const ProbeCounters& c = report.counters;
    out += lines(fmt::format("{}, {}, {}, {} copied, {}, {}", counted(c.breakpoint_traps, "breakpoint trap"),
                             counted(c.step_traps, "step trap"), counted(c.text_writes, "text write"),
                             counted(c.pages_copied, "page"), counted(c.xol_slots_used, "XOL slot"),
                             counted(c.ipis, "IPI")));
    out += lines(fmt::format("{}, {}, {} ({}); {} on {}, {}", counted(report.instructions, "instruction"),
                             counted(report.syscalls, "system call"), counted(report.virtual_cycles, "virtual cycle"),
                             request.cost, request.strategy, request.kernel, counted(request.cpus, "CPU")));
    out += fmt::format("log {:016x}, token {}\n", report.log_hash, report.token);
    return out;
}

} // namespace trapline
