#include "loader/files/locks.hpp"

#include "loader/files/memory_file.hpp"

#include <algorithm>

namespace trapline {
namespace {

const std::vector<FileLocks::Record>& records_of(const std::map<FileKey, std::vector<FileLocks::Record>>& all,
                                                 const FileKey& file) {
    static const std::vector<FileLocks::Record> kNone;
    const auto at = all.find(file);
    return at != all.end() ? at->second : kNone;
}

} // namespace

const FileLocks::Record* FileLocks::conflict(const FileKey& file, const Record& wanted) const {
    for (const Record& r : records_of(records_, file))
        if (r.holder != wanted.holder && r.begin < wanted.end && wanted.begin < r.end &&
            (r.exclusive || wanted.exclusive))
            return &r;
    return nullptr;
}

void FileLocks::set(const FileKey& file, const Record& wanted, bool unlock) {
    std::vector<Record> now;
    Record added = wanted;
    for (const Record& r : records_of(records_, file)) {
        const bool apart = r.begin > added.end || added.begin > r.end;
        if (r.holder != wanted.holder || apart) {
            now.push_back(r);
        } else if (!unlock && r.exclusive == added.exclusive) {
            added.begin = std::min(added.begin, r.begin); // neighbours become one
            added.end = std::max(added.end, r.end);
        } else {
            Record before = r, behind = r;
            before.end = std::min(r.end, wanted.begin);
            behind.begin = std::max(r.begin, wanted.end);
            if (before.begin < before.end) now.push_back(before);
            if (behind.begin < behind.end) now.push_back(behind);
        }
    }
    if (!unlock) now.push_back(added);
    std::stable_sort(now.begin(), now.end(), [](const Record& a, const Record& b) { return a.begin < b.begin; });
    if (now.empty())
        records_.erase(file);
    else
        records_[file] = std::move(now);
    waiting_.clear(); // those who wait look again, and say anew for whom
    kernel_.wake(queue);
}

bool FileLocks::deadlock(const LockHolder* holder, const LockHolder* other) const {
    while (other != holder) {
        const auto next = waiting_.find(other);
        if (next == waiting_.end()) return false;
        other = next->second;
    }
    return true;
}

void FileLocks::waits(const LockHolder* holder, const LockHolder* other) {
    if (other == nullptr)
        waiting_.erase(holder);
    else
        waiting_[holder] = other;
}

bool FileLocks::whole_conflict(const FileKey& file, const LockHolder* holder, bool exclusive) const {
    const auto& all = records_of(whole_, file);
    return std::any_of(all.begin(), all.end(),
                       [&](const Record& r) { return r.holder != holder && (r.exclusive || exclusive); });
}

std::optional<bool> FileLocks::whole(const FileKey& file, const LockHolder* holder) const {
    for (const Record& r : records_of(whole_, file))
        if (r.holder == holder) return r.exclusive;
    return std::nullopt;
}

void FileLocks::set_whole(const FileKey& file, LockHolder* holder, std::optional<bool> exclusive) {
    forget(whole_, file, holder);
    if (exclusive) whole_[file].push_back({holder, 0, kToEnd, *exclusive});
    waiting_.clear(); // those who wait look again, and say anew for whom
    kernel_.wake(queue);
}

void FileLocks::forget(std::map<FileKey, std::vector<Record>>& all, const FileKey& file, const LockHolder* holder) {
    const auto at = all.find(file);
    if (at == all.end()) return;
    std::erase_if(at->second, [&](const Record& r) { return r.holder == holder; });
    if (at->second.empty()) all.erase(at);
}

void FileLocks::release(const LockHolder* holder, const FileKey& file) {
    forget(records_, file, holder);
    waiting_.clear(); // those who wait look again, and say anew for whom
    kernel_.wake(queue);
}

void FileLocks::release(const LockHolder* holder) {
    for (auto* all : {&records_, &whole_})
        for (auto at = all->begin(); at != all->end();) {
            const FileKey file = (at++)->first;
            forget(*all, file, holder);
        }
    waiting_.clear(); // those who wait look again, and say anew for whom
    kernel_.wake(queue);
}

std::optional<FileKey> lock_key(File& file) {
    if (const OpenedFile* opened = file.opened(); opened != nullptr) return opened->key;
    if (const auto* memory = dynamic_cast<MemoryFile*>(&file)) return FileKey{~0ull, memory->node().inode->number};
    return std::nullopt;
}

} // namespace trapline
