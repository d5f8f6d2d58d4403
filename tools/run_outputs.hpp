// tools/run_outputs.hpp: the files that one run leaves behind: --log and --trace.
//
// Both are made of the same records. The log is written as the run goes; a trace needs the whole run, so its records
// are kept.
#pragma once

#include "scenarios/record.hpp"
#include "tools/options.hpp"
#include "tools/output_file.hpp"

namespace trapline {

struct OutputOptions {
    std::optional<std::string> log, trace;
    void add_to(CommandLine& line);
    /// The option that was given, for messages; nothing when none was.
    [[nodiscard]] std::optional<std::string> given() const;
};

class RunOutputs {
  public:
    /// Opens what was asked for, before anything runs.
    static Result<RunOutputs> open(const OutputOptions& options);

    /// Makes the request tell us of everything; before each run. `scenario` may be nullptr. Both must stay where they
    /// are, as must this.
    void attach(RunRequest& request, const Scenario* scenario);
    /// The run is over: the files are completed and appear.
    [[nodiscard]] Result<void> finish(const RunRequest& request, const RunReport& report);

  private:
    RunOutputs() = default;
    void take(Record record);

    std::optional<OutputFile> log_, trace_;
    Recorder recorder_;
    std::vector<Record> records_; // for the trace
};

} // namespace trapline
