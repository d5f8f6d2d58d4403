#include "loader/files/file_table.hpp"

#include "emu/check.hpp"
#include "loader/files/stream.hpp"
#include "loader/system.hpp"

#include <sys/stat.h>

namespace trapline {

FileTable::FileTable(System& system) : shared(std::make_shared<SharedFiles>()) {
    auto directory_of_host = system.sandbox().resolve("/", system.working_directory(), LastLink::follow);
    if (directory_of_host && (directory_of_host->modelled || directory_of_host->exists()))
        directory = directory_of_host->path;
    const StandardFiles& host = system.standard();
    const bool redirected = static_cast<bool>(system.output);
    std::map<FileKey, std::uint64_t> numbers; // what is one file outside is one file inside: cat compares
    int number = 0;
    for (int fd : {host.in, host.out, host.err}) {
        struct stat st {};
        const bool outside = !redirected || number == 0;
        std::uint64_t inode = 0;
        if (outside && ::fstat(fd, &st) == 0)
            inode = numbers.try_emplace(key_of(st), shared->last_number + 1).first->second;
        if (inode == 0 || inode > shared->last_number) inode = ++shared->last_number;
        if (auto stream = standard_stream(fd, number, !outside, inode)) put(number, std::move(stream), false);
        ++number;
    }
}

FileTable::FileTable(const FileTable& parent)
    : Extension(), directory(parent.directory), umask(parent.umask), shared(parent.shared),
      descriptors_(parent.descriptors_) {}

FileTable::~FileTable() {
    for (const Descriptor& d : descriptors_)
        if (d.file != nullptr) d.file->flush(*this);
}

FileTable::Descriptor* FileTable::descriptor(int fd) {
    if (fd < 0 || static_cast<std::size_t>(fd) >= descriptors_.size()) return nullptr;
    Descriptor& d = descriptors_[static_cast<std::size_t>(fd)];
    return d.file != nullptr ? &d : nullptr;
}

std::shared_ptr<File> FileTable::get(int fd) const {
    if (fd < 0 || static_cast<std::size_t>(fd) >= descriptors_.size()) return nullptr;
    return descriptors_[static_cast<std::size_t>(fd)].file;
}

std::shared_ptr<File> FileTable::use(int fd) const {
    auto file = get(fd);
    return file != nullptr && file->is_path() ? nullptr : file;
}

int FileTable::free_number(std::uint64_t limit, int lowest) const {
    auto fd = static_cast<std::size_t>(lowest);
    while (fd < descriptors_.size() && descriptors_[fd].file != nullptr) ++fd;
    return fd >= limit ? -EMFILE : static_cast<int>(fd);
}

int FileTable::add(std::shared_ptr<File> file, bool close_on_exec, std::uint64_t limit, int lowest) {
    const int fd = free_number(limit, lowest);
    if (fd >= 0) put(fd, std::move(file), close_on_exec);
    return fd;
}

void FileTable::put(int fd, std::shared_ptr<File> file, bool close_on_exec) {
    const auto i = static_cast<std::size_t>(fd);
    if (i >= descriptors_.size()) descriptors_.resize(i + 1);
    Descriptor old = std::exchange(descriptors_[i], Descriptor{std::move(file), close_on_exec});
    closed(old);
    // `old` goes last: closing a pipe wakes others, who must find the table in order.
}

int FileTable::close(int fd) {
    Descriptor* d = descriptor(fd);
    if (d == nullptr) return -EBADF;
    const Descriptor old = std::exchange(*d, Descriptor{});
    closed(old);
    return 0;
}

void FileTable::closed(const Descriptor& d) const {
    if (d.file == nullptr) return;
    d.file->flush(*this);
    // A process that closes any descriptor of a file gives up its record locks there (fcntl(2)).
    if (locks == nullptr) return;
    if (const auto key = lock_key(*d.file)) locks->closed(*key);
}

void FileTable::close_on_exec() {
    for (std::size_t i = 0; i < descriptors_.size(); ++i)
        if (descriptors_[i].close_on_exec) close(static_cast<int>(i));
}

void FileTable::renamed(const std::string& from, const std::string& to) {
    auto follow = [&](std::string& path) {
        if (path == from || path.starts_with(from + "/")) path = to + path.substr(from.size());
    };
    follow(directory);
    for (Descriptor& d : descriptors_)
        if (d.file != nullptr)
            if (std::string* path = d.file->directory()) follow(*path);
}

std::unique_ptr<Extension> new_file_table(System& system) { return std::make_unique<FileTable>(system); }

std::unique_ptr<Extension> clone_file_table(const Process& parent) {
    return std::make_unique<FileTable>(files_of(parent));
}

void close_on_exec(Process& p) { files_of(p).close_on_exec(); }

FileTable& files_of(const Process& p) {
    TL_CHECK(p.files != nullptr, "process {} has no files", p.pid);
    return static_cast<FileTable&>(*p.files);
}

} // namespace trapline
