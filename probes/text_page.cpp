#include "probes/text_page.hpp"

#include "emu/check.hpp"

#include <algorithm>
#include <array>

namespace trapline {

TextPage::TextPage(Mm& mm, Addr page) : mm_(mm), page_(page) {
    std::uint8_t probe = 0;
    if (!mm.force_read(page, &probe, 1)) return; // brings the page in
    frame_ = mm.frames().allocate_copy(mm.frame_at(page));
}

TextPage::TextPage(Mm& child, const TextPage& parent)
    : mm_(child), page_(parent.page_), frame_(parent.frame_), originals_(parent.originals_) {
    child.frames().get(frame_);
    // A byte that is lifted at the moment of the fork stays lifted in the child for good: it has the frame it has.
    for (auto [at, byte] : parent.lifted_) originals_.erase(at);
    if (!parent.lifted_.empty()) {
        child.frames().put(frame_);
        frame_ = child.frame_at(page_);
        child.frames().get(frame_);
    }
}

TextPage::~TextPage() {
    drop_variants();
    if (frame_ != 0) mm_.frames().put(frame_);
}

void TextPage::drop_variants() {
    for (auto& [key, frame] : variants_) mm_.frames().put(frame);
    variants_.clear();
}

std::vector<Addr> TextPage::patched() const {
    std::vector<Addr> places;
    for (const auto& [at, byte] : originals_) places.push_back(page_ + at);
    return places;
}

bool TextPage::mapped() const {
    const FrameNo now = mm_.frame_at(page_);
    if (now == frame_) return true;
    for (const auto& [key, frame] : variants_)
        if (now == frame) return true;
    return false;
}

/// The program has written to the page, and copy-on-write gave it another frame; or it has given the page up, and the
/// file's is back. What is mapped now is what bytes are changed in.
void TextPage::adopt() {
    std::uint8_t probe = 0;
    if (mapped() || !mm_.force_read(page_, &probe, 1)) return;
    const FrameNo now = mm_.frame_at(page_);
    if (now == 0) return;
    drop_variants();
    mm_.frames().put(frame_);
    mm_.frames().get(now);
    frame_ = now;
    for (const auto& [at, byte] : lifted_) poke(at, std::array{kBreakpoint}); // it was a variant that was copied
}

/// After a fork the frame belongs to two address spaces; whoever changes a byte first takes a copy.
void TextPage::make_exclusive() {
    Frames& frames = mm_.frames();
    const std::uint32_t ours = 1 + (mm_.frame_at(page_) == frame_ ? 1 : 0);
    if (frames.references(frame_) <= ours || !defects_.copies) return;
    const FrameNo own = frames.allocate_copy(frame_);
    TL_CHECK(own != 0, "out of RAM for a text page");
    frames.put(frame_);
    frame_ = own;
}

void TextPage::poke(std::uint16_t at, std::span<const std::uint8_t> bytes) {
    make_exclusive();
    Frames& frames = mm_.frames();
    std::uint8_t* p = frames.data(frame_) + at;
    if (std::equal(bytes.begin(), bytes.end(), p)) return;
    std::copy(bytes.begin(), bytes.end(), p);
    // Translations of the old bytes must go (facts: a frame whose content changed keeps stale translations).
    if (frames.holds_code(frame_)) mm_.cpu().drop_code(frame_base(frame_) + at, bytes.size());
    drop_variants();
}

void TextPage::patch(Addr va, std::span<const std::uint8_t> bytes) {
    TL_CHECK(offset(va) + bytes.size() <= kPageSize, "a patch at {:#x} crosses a page", va);
    poke(offset(va), bytes);
    show();
}

void TextPage::arm(Addr va, std::uint8_t original) {
    adopt();
    originals_[offset(va)] = original;
    poke(offset(va), std::array{kBreakpoint});
    show();
}

bool TextPage::disarm(Addr va) {
    const std::uint16_t at = offset(va);
    auto it = originals_.find(at);
    if (it == originals_.end()) return false;
    const std::uint8_t original = it->second;
    originals_.erase(it);
    adopt();
    lifted_.erase(at);
    if (mm_.frames().data(frame_)[at] != kBreakpoint) return false;
    poke(at, std::array{original});
    if (mapped() || variants_.empty()) show();
    return true;
}

void TextPage::lift(Addr va) {
    adopt();
    lifted_[offset(va)] = originals_.at(offset(va));
    show();
}

void TextPage::lower(Addr va) {
    adopt();
    lifted_.erase(offset(va));
    show();
}

void TextPage::show() {
    Frames& frames = mm_.frames();
    FrameNo want = frame_;
    if (!lifted_.empty()) {
        std::vector<std::uint16_t> key;
        for (auto [at, byte] : lifted_) key.push_back(at);
        FrameNo& variant = variants_[key];
        if (variant == 0) {
            variant = frames.allocate_copy(frame_);
            TL_CHECK(variant != 0, "out of RAM for a text page");
            for (auto [at, byte] : lifted_) frames.data(variant)[at] = byte;
        }
        want = variant;
    }
    if (mm_.frame_at(page_) == want) return;
    frames.get(want);
    mm_.replace_frame(page_, want);
}

bool TextPage::equals(FrameNo frame) const {
    const std::uint8_t* ours = mm_.frames().data(frame_);
    return std::equal(ours, ours + kPageSize, mm_.frames().data(frame));
}

void TextPage::give_up(FrameNo frame) { mm_.replace_frame(page_, frame); }

} // namespace trapline
