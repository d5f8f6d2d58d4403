#include "boost/text_patch.hpp"

#include <span>

namespace trapline {
namespace {

Kernel::StepAwait sync_cores(Uprobes& u, Addr va) {
    u.counters.ipis += u.kernel().config().cpus - 1;
    return u.kernel().step(u.kernel().actor(), Step::cores_synced, va);
}

bool patch(Uprobes& u, Mm& mm, Addr va, std::span<const std::uint8_t> bytes, const StillOurs& ours) {
    TextPage* page = ours() ? u.text_page(mm, va) : nullptr;
    if (page == nullptr) return false;
    page->patch(va, bytes);
    u.count_text_write();
    return true;
}

} // namespace

Path<bool> write_over_breakpoint(Uprobes& u, Mm& mm, Addr va, std::vector<std::uint8_t> bytes, StillOurs ours) {
    Kernel& k = u.kernel();
    Task& actor = k.actor();
    const std::span<const std::uint8_t> all(bytes);
    co_await sync_cores(u, va);
    if (!patch(u, mm, va + 1, all.subspan(1), ours)) co_return false;
    co_await k.step(actor, Step::text_tail, va, all.size() - 1);
    co_await sync_cores(u, va);
    if (!patch(u, mm, va, all.first(1), ours)) co_return false;
    co_await k.step(actor, Step::text_head, va, bytes[0]);
    co_await sync_cores(u, va);
    co_return true;
}

Path<bool> write_back_tail(Uprobes& u, Mm& mm, Addr va, std::vector<std::uint8_t> tail, StillOurs ours) {
    Kernel& k = u.kernel();
    Task& actor = k.actor();
    const std::uint8_t int3[] = {kBreakpoint};
    if (!patch(u, mm, va, int3, ours)) co_return false;
    co_await k.step(actor, Step::text_armed, va);
    co_await sync_cores(u, va);
    if (!patch(u, mm, va + 1, tail, ours)) co_return false;
    co_await k.step(actor, Step::text_tail, va, tail.size());
    co_await sync_cores(u, va);
    co_return true;
}

Path<std::uint64_t> TextLock::take(Kernel& kernel) {
    while (holder_ != 0 && !kernel.atomic()) {
        Task& actor = kernel.actor();
        (void)co_await kernel.sleep(actor, &waiters_, ~0ull, false);
    }
    co_return holder_ = ++last_;
}

void TextLock::give_back(Kernel& kernel, std::uint64_t number) {
    if (!holds(number)) return;
    holder_ = 0;
    kernel.wake(waiters_, 1);
}

} // namespace trapline
