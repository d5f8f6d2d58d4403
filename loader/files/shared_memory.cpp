#include "loader/files/shared_memory.hpp"

#include "loader/files/pipe.hpp"

#include <limits.h>
#include <linux/fs.h>

namespace trapline {
namespace {

/// The name in /dev/shm that a path means.
OrErrno<std::string> name_in(std::string_view path) {
    constexpr std::string_view kPlace = "/dev/shm/";
    if (!path.starts_with(kPlace)) return refuse(path.starts_with("/dev") ? EACCES : ENOENT);
    std::string name(path.substr(kPlace.size()));
    if (name.empty() || name.find('/') != name.npos) return refuse(ENOENT);
    if (name.size() > NAME_MAX) return refuse(ENAMETOOLONG);
    return name;
}

} // namespace

OrErrno<std::shared_ptr<MemoryNode>> make_shared_file(Kernel& kernel, SharedFiles& shared, std::string_view path,
                                                      mode_t mode, bool fifo) {
    auto name = name_in(path);
    if (!name) return tl::make_unexpected(name.error());
    auto node = std::make_shared<MemoryNode>();
    const std::uint64_t number = ++shared.last_number;
    node->inode = std::make_shared<MemoryInode>(kernel.frames(), number, std::string(path), 0);
    node->mode = mode;
    node->mtime = time_of_day(kernel);
    if (fifo) node->fifo = std::make_shared<Pipe>(kernel, number);
    if (!shared.shared_memory.emplace(std::move(*name), node).second) return refuse(EEXIST);
    return node;
}

int link_shared(SharedFiles& shared, std::string_view from, std::string_view to) {
    auto old_name = name_in(from), new_name = name_in(to);
    if (!old_name || !new_name) return old_name ? new_name.error() : old_name.error();
    const auto at = shared.shared_memory.find(*old_name);
    if (at == shared.shared_memory.end()) return -ENOENT;
    if (!shared.shared_memory.emplace(std::move(*new_name), at->second).second) return -EEXIST;
    ++at->second->links;
    return 0;
}

int rename_shared(SharedFiles& shared, std::string_view from, std::string_view to, unsigned flags) {
    if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) != 0) return -EINVAL;
    auto old_name = name_in(from), new_name = name_in(to);
    if (!old_name || !new_name) return old_name ? new_name.error() : old_name.error();
    auto& all = shared.shared_memory;
    const auto at = all.find(*old_name);
    const auto there = all.find(*new_name);
    if (at == all.end()) return -ENOENT;
    if ((flags & RENAME_EXCHANGE) != 0) {
        if (there == all.end()) return -ENOENT;
        std::swap(at->second, there->second);
        return 0;
    }
    if (there != all.end()) {
        if ((flags & RENAME_NOREPLACE) != 0) return -EEXIST;
        if (there->second == at->second) return 0; // two names of one file: nothing happens (rename(2))
        --there->second->links;
    }
    all.insert_or_assign(std::move(*new_name), at->second);
    all.erase(*old_name);
    return 0;
}

int unlink_shared(SharedFiles& shared, std::string_view path) {
    auto name = name_in(path);
    if (!name) return name.error();
    const auto at = shared.shared_memory.find(*name);
    if (at == shared.shared_memory.end()) return -ENOENT;
    --at->second->links;
    shared.shared_memory.erase(at);
    return 0;
}

} // namespace trapline
