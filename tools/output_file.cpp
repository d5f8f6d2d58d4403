#include "tools/output_file.hpp"

#include "scenarios/text.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <unistd.h>

namespace trapline {
namespace {

tl::unexpected<Error> refuse(const std::string& option, const std::string& path, int problem) {
    return fail(fmt::format("{} {}: {}", option, text::quoted(path), std::strerror(problem)));
}

} // namespace

void OutputFile::Close::operator()(std::FILE* file) const {
    if (file != stdout) std::fclose(file);
}

Result<OutputFile> OutputFile::open(std::string option, const std::string& path) {
    namespace fs = std::filesystem;
    OutputFile out(std::move(option), path);
    if (out.is_standard_output()) {
        out.file_.reset(stdout);
        return out;
    }
    if (path.empty()) return fail(fmt::format("{} needs the name of a file", out.option_));
    std::error_code problem;
    const fs::file_status status = fs::status(path, problem);
    const bool regular = fs::is_regular_file(status);
    int fd = -1;
    if (fs::exists(status) && !regular) {
        fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    } else {
        // Through links: the file that a link names is replaced, not the link.
        const fs::path target = fs::weakly_canonical(path, problem);
        out.target_ = problem ? path : target.string();
        out.temporary_ = fmt::format("{}.{}.tmp", out.target_, ::getpid());
        fd = ::open(out.temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    }
    if (fd < 0) {
        const int error = errno;
        out.temporary_.clear();
        return refuse(out.option_, path, error);
    }
    out.file_.reset(::fdopen(fd, "w"));
    return out;
}

OutputFile::~OutputFile() {
    if (file_ != nullptr && !temporary_.empty()) ::unlink(temporary_.c_str());
}

void OutputFile::write(std::string_view bytes) {
    if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size() && problem_ == 0) problem_ = errno;
}

Result<void> OutputFile::commit() {
    if (std::fflush(file_.get()) != 0 && problem_ == 0) problem_ = errno;
    if (problem_ == 0 && !temporary_.empty() && ::rename(temporary_.c_str(), target_.c_str()) != 0) problem_ = errno;
    if (problem_ != 0) return refuse(option_, path_, problem_);
    temporary_.clear();
    return {};
}

Result<void> write_output(std::string option, const std::string& path, std::string_view bytes) {
    auto file = OutputFile::open(std::move(option), path);
    if (!file) return tl::make_unexpected(file.error());
    file->write(bytes);
    return file->commit();
}

} // namespace trapline
