#include "tools/coverage_scan.hpp"

#include "loader/elf.hpp"
#include "loader/host_fd.hpp"
#include "tools/coverage_sweep.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <mutex>
#include <optional>
#include <set>
#include <sys/stat.h>
#include <thread>

namespace trapline {
namespace {

namespace fs = std::filesystem;

constexpr auto kProgressEvery = std::chrono::milliseconds(200);

Result<void> check_elf(const std::string& path) {
    const HostFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return fail(std::strerror(errno), {}, path);
    const auto headers = read_elf(fd.get(), path);
    if (!headers) return tl::make_unexpected(headers.error());
    return {};
}

/// Collects the files below a directory, each once whatever its names.
class Walk {
  public:
    explicit Walk(FileList& out) : out_(out) {}

    Result<void> add(const std::string& argument) {
        struct stat st {};
        if (::stat(argument.c_str(), &st) != 0) return fail(std::strerror(errno), {}, argument);
        if (S_ISDIR(st.st_mode)) return directory(argument);
        if (!S_ISREG(st.st_mode)) return fail("is no regular file", {}, argument);
        if (auto ok = check_elf(argument); !ok) return ok;
        if (first_time(st)) out_.paths.push_back(argument);
        return {};
    }

  private:
    Result<void> directory(const std::string& top) {
        std::error_code error;
        std::vector<std::string> found;
        constexpr auto options = fs::directory_options::skip_permission_denied;
        auto entry = fs::recursive_directory_iterator(top, options, error);
        if (error) return fail(error.message(), {}, top);
        for (; entry != fs::recursive_directory_iterator(); entry.increment(error)) {
            if (entry->is_symlink(error) || !entry->is_regular_file(error)) continue;
            found.push_back(entry->path().string());
        }
        std::sort(found.begin(), found.end());
        for (const std::string& path : found) {
            struct stat st {};
            if (::stat(path.c_str(), &st) != 0) continue;
            if (!check_elf(path))
                ++out_.skipped;
            else if (first_time(st))
                out_.paths.push_back(path);
        }
        return {};
    }

    bool first_time(const struct stat& st) { return seen_.emplace(st.st_dev, st.st_ino).second; }

    FileList& out_;
    std::set<std::pair<dev_t, ino_t>> seen_;
};

/// The files, handed out to threads one by one, and their results, taken in order.
class Pool {
  public:
    Pool(const std::vector<std::string>& paths, const ScanOptions& options)
        : paths_(paths), options_(options), results_(paths.size()) {
        const unsigned threads = std::min<unsigned>(std::max(1U, options.jobs), static_cast<unsigned>(paths.size()));
        for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
    }
    ~Pool() {
        next_ = paths_.size();
        for (std::thread& thread : threads_) thread.join();
    }
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    /// Waits for the result of file `index`; calls `waiting` now and then.
    Result<FileCoverage> take(std::size_t index, const std::function<void()>& waiting) {
        std::unique_lock lock(mutex_);
        while (!finished_.wait_for(lock, kProgressEvery, [&] { return results_[index].has_value(); })) {
            lock.unlock();
            waiting();
            lock.lock();
        }
        Result<FileCoverage> out = std::move(*results_[index]);
        results_[index].reset();
        return out;
    }
    [[nodiscard]] std::uint64_t swept() const { return swept_; }

  private:
    void work() {
        Mnemonics mnemonics;
        for (std::size_t i = next_++; i < paths_.size(); i = next_++) {
            auto result = sweep_file(paths_[i], options_, mnemonics, swept_);
            const std::lock_guard lock(mutex_);
            results_[i] = std::move(result);
            finished_.notify_one();
        }
    }

    const std::vector<std::string>& paths_;
    const ScanOptions& options_;
    std::atomic<std::size_t> next_ = 0;
    std::atomic<std::uint64_t> swept_ = 0;
    std::mutex mutex_;
    std::condition_variable finished_;
    std::vector<std::optional<Result<FileCoverage>>> results_;
    std::vector<std::thread> threads_;
};

} // namespace

Result<FileList> list_files(const std::vector<std::string>& arguments) {
    FileList out;
    Walk walk(out);
    for (const std::string& argument : arguments)
        if (auto ok = walk.add(argument); !ok) return tl::make_unexpected(ok.error());
    return out;
}

Result<void> scan_files(const std::vector<std::string>& paths, const ScanOptions& options,
                        const std::function<void(FileCoverage&&)>& done,
                        const std::function<void(const ScanProgress&)>& progress) {
    Pool pool(paths, options);
    for (std::size_t i = 0; i < paths.size(); ++i) {
        auto result = pool.take(i, [&] { progress({i, paths.size(), pool.swept()}); });
        if (!result) return tl::make_unexpected(result.error());
        done(std::move(*result));
    }
    progress({paths.size(), paths.size(), pool.swept()});
    return {};
}

} // namespace trapline
