// tools/output_file.hpp: a file that appears whole or not at all.
//
// What a command writes goes to a temporary name in the same folder and is renamed when it is complete, so that nobody
// reads half a report, and an old one survives a failure. What is no regular file (a pipe, a terminal, /dev/null) is
// written to as it is: renaming over it would replace it. "-" is standard output.
#pragma once

#include "emu/result.hpp"

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

namespace trapline {

class OutputFile {
  public:
    /// Opens it, before anything runs: a folder that is not there should not cost a run. `option` goes into errors.
    static Result<OutputFile> open(std::string option, const std::string& path);
    OutputFile(OutputFile&&) = default;
    OutputFile& operator=(OutputFile&&) = delete;
    /// Without commit() the temporary file goes, and whatever had the name before stays.
    ~OutputFile();

    void write(std::string_view bytes);
    /// Everything was written: the file gets its name. An error also for bytes that write() could not write.
    [[nodiscard]] Result<void> commit();
    [[nodiscard]] bool is_standard_output() const { return path_ == "-"; }

  private:
    struct Close {
        void operator()(std::FILE* file) const;
    };
    OutputFile(std::string option, std::string path) : option_(std::move(option)), path_(std::move(path)) {}
    std::string option_, path_;
    std::string target_, temporary_; // empty: written in place
    std::unique_ptr<std::FILE, Close> file_;
    int problem_ = 0; // the first errno of a write
};

/// Opens, writes and commits.
[[nodiscard]] Result<void> write_output(std::string option, const std::string& path, std::string_view bytes);

} // namespace trapline
