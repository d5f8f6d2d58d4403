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

Site* armed_site(Uprobes& uprobes, std::uint32_t mm, Addr va, const Uprobe& u) {
    Space* space = uprobes.space(mm);
    Site* s = space != nullptr ? uprobes.site(*space->mm, va) : nullptr;
    return s != nullptr && s->armed && s->uprobe == &u ? s : nullptr;
}

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

TextLock::~TextLock() {
    state_->gone = true;
    kernel_.wake(state_->waiters);
}

Path<TextLock::Turn> TextLock::take() { return wait(kernel_, state_); }

Path<TextLock::Turn> TextLock::wait(Kernel& kernel, std::shared_ptr<State> state) {
    while (state->holder != 0 && !state->gone && !kernel.atomic()) {
        Task& actor = kernel.actor();
        (void)co_await kernel.sleep(actor, &state->waiters, ~0ull, false);
    }
    Turn turn;
    turn.kernel_ = &kernel;
    turn.number_ = state->holder = ++state->last;
    turn.state_ = std::move(state);
    co_return turn;
}

TextLock::Turn::Turn(Turn&& other) noexcept
    : kernel_(other.kernel_), state_(std::move(other.state_)), number_(other.number_) {}

TextLock::Turn& TextLock::Turn::operator=(Turn&& other) noexcept {
    if (this == &other) return *this;
    give_back();
    kernel_ = other.kernel_;
    state_ = std::move(other.state_);
    number_ = other.number_;
    return *this;
}

void TextLock::Turn::give_back() {
    if (held()) {
        state_->holder = 0;
        kernel_->wake(state_->waiters, 1);
    }
    state_ = nullptr;
}

} // namespace trapline
