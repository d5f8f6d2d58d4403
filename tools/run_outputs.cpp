#include "tools/run_outputs.hpp"

#include "tools/event_log.hpp"
#include "tools/trace.hpp"

namespace trapline {

void OutputOptions::add_to(CommandLine& line) {
    line.value("--log", log, "write every event as a line of JSON", "FILE");
    line.value("--trace", trace, "write a trace for Perfetto or chrome://tracing", "FILE");
}

std::optional<std::string> OutputOptions::given() const {
    if (log) return "--log";
    if (trace) return "--trace";
    return std::nullopt;
}

Result<RunOutputs> RunOutputs::open(const OutputOptions& options) {
    RunOutputs outputs;
    const auto open = [](const char* option, const std::optional<std::string>& path,
                         std::optional<OutputFile>& into) -> Result<void> {
        if (!path) return {};
        auto file = OutputFile::open(option, *path);
        if (!file) return tl::make_unexpected(file.error());
        into.emplace(std::move(*file));
        return {};
    };
    if (auto done = open("--log", options.log, outputs.log_); !done) return tl::make_unexpected(done.error());
    if (auto done = open("--trace", options.trace, outputs.trace_); !done) return tl::make_unexpected(done.error());
    return outputs;
}

void RunOutputs::attach(RunRequest& request, const Scenario* scenario) {
    if (!log_ && !trace_) return;
    if (log_) log_->write(log_header(request, scenario) + "\n");
    request.log = [this](const Event& e, const Kernel& k) { take(recorder_.record(e, k)); };
    request.missed = [this](const Miss& m, const Kernel& k) { take(recorder_.record(m, k)); };
    if (!log_) return;
    request.called = [this](const CallNote& n, const Kernel& k) {
        log_->write(log_line(n, recorder_.task_name(n.task, k)) + "\n");
    };
}

void RunOutputs::take(Record record) {
    if (log_) log_->write(log_line(record) + "\n");
    if (trace_) records_.push_back(std::move(record));
}

Result<void> RunOutputs::finish(const RunRequest& request, const RunReport& report) {
    if (log_) {
        log_->write(log_footer(request, report) + "\n");
        if (auto done = log_->commit(); !done) return done;
    }
    if (trace_) {
        put_in_order(records_);
        write_trace(records_, place_names(report), hz_of(request), *trace_);
        if (auto done = trace_->commit(); !done) return done;
    }
    return {};
}

} // namespace trapline
