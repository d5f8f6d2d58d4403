#include "emu/snapshot/pages.hpp"

#include "emu/check.hpp"

#include <array>
#include <csignal>
#include <cstring>
#include <sys/mman.h>

namespace trapline {
namespace {

constexpr std::size_t kMostRegions = 4;
std::array<TrackedPages*, kMostRegions> tracked{};
struct sigaction before;

/// A page in each 4 KiB is one mapping more for the host's kernel, which has a limit (vm.max_map_count, 65,530). Past
/// half of it, pages become hot in groups.
constexpr std::size_t kSinglePages = 16'384;
constexpr std::size_t kGroup = 64;

void* reserve(std::size_t bytes) {
    void* p = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    TL_CHECK(p != MAP_FAILED, "no address space for a snapshot of {} bytes", bytes);
    return p;
}

} // namespace

/// Only what a signal handler may do: memory is copied and protections are changed.
void TrackedPages::on_fault(int, void* info, void*) {
    const auto* address = static_cast<const std::uint8_t*>(static_cast<siginfo_t*>(info)->si_addr);
    for (TrackedPages* t : tracked)
        if (t != nullptr && t->heat(address)) return;
    ::sigaction(SIGSEGV, &before, nullptr); // not ours: it happens again, as if we had not been here
}

bool TrackedPages::heat(const std::uint8_t* address) {
    const auto offset = static_cast<std::size_t>(address - region_.data());
    if (offset >= region_.size()) return false;
    std::size_t first = offset / kBytes, count = 1;
    if (hot_count_ >= kSinglePages) {
        first = first / kGroup * kGroup;
        count = std::min(kGroup, region_.size() / kBytes - first);
    }
    if (::mprotect(region_.data() + first * kBytes, count * kBytes, PROT_READ | PROT_WRITE) != 0) return false;
    for (std::size_t page = first; page < first + count; ++page) {
        bool& known = reinterpret_cast<bool*>(shadow_ + region_.size())[page];
        if (known) continue; // in the group, and hot already
        known = true;
        std::memcpy(shadow_ + page * kBytes, region_.data() + page * kBytes, kBytes);
        hot_[hot_count_++] = static_cast<std::uint32_t>(page);
    }
    return true;
}

TrackedPages::TrackedPages(std::span<std::uint8_t> region) : region_(region) {
    const std::size_t pages = region.size() / kBytes;
    shadow_ = static_cast<std::uint8_t*>(reserve(region.size() + pages)); // behind it, one flag for each page
    hot_ = static_cast<std::uint32_t*>(reserve(pages * sizeof *hot_));
    auto* slot = std::find(tracked.begin(), tracked.end(), nullptr);
    TL_CHECK(slot != tracked.end(), "too many regions are tracked");
    if (std::all_of(tracked.begin(), tracked.end(), [](auto* t) { return t == nullptr; })) {
        struct sigaction action {};
        action.sa_sigaction = reinterpret_cast<void (*)(int, siginfo_t*, void*)>(&TrackedPages::on_fault);
        action.sa_flags = SA_SIGINFO;
        ::sigaction(SIGSEGV, &action, &before);
    }
    *slot = this;
    TL_CHECK(::mprotect(region_.data(), region_.size(), PROT_READ) == 0, "cannot protect the machine's memory");
}

TrackedPages::~TrackedPages() {
    *std::find(tracked.begin(), tracked.end(), this) = nullptr;
    ::mprotect(region_.data(), region_.size(), PROT_READ | PROT_WRITE);
    if (std::all_of(tracked.begin(), tracked.end(), [](auto* t) { return t == nullptr; }))
        ::sigaction(SIGSEGV, &before, nullptr);
    ::munmap(shadow_, region_.size() + region_.size() / kBytes);
    ::munmap(hot_, region_.size() / kBytes * sizeof *hot_);
}

void TrackedPages::put_back() {
    for (std::uint32_t page : hot()) std::memcpy(region_.data() + page * kBytes, shadow_ + page * kBytes, kBytes);
}

} // namespace trapline
