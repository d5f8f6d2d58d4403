#include "emu/snapshot/snapshot.hpp"

#include "emu/check.hpp"
#include "emu/snapshot/arena.hpp"
#include "emu/snapshot/descriptors.hpp"

#include <cstring>

namespace trapline {
namespace {

std::span<std::uint8_t> objects(Kernel& kernel) {
    TL_CHECK(Arena::owns(&kernel) && !Arena::active(), "a snapshot of a machine that does not lie in the arena");
    kernel.park();
    return Arena::used();
}

} // namespace

Snapshot::Snapshot(Kernel& kernel)
    : kernel_(kernel), objects_(objects(kernel)), ram_({kernel.frames().ram(), kernel.frames().bytes()}) {
    descriptors::begin_snapshot();
}

Snapshot::~Snapshot() { descriptors::end_snapshot(); }

void Snapshot::restore() {
    objects_.put_back();
    Cpu& cpu = kernel_.cpu();
    const Frames& frames = kernel_.frames();
    for (std::uint32_t frame : ram_.hot()) {
        // What is known of the code in it stays known if the bytes are the same, and if whoever changes them next will
        // say so: that is what the frame's mark is for.
        if (!cpu.knows_code(frame)) continue;
        const bool marked = frame < frames.fresh() && frames.holds_code(frame);
        if (!marked || std::memcmp(ram_.current(frame), ram_.kept(frame), kPageSize) != 0) cpu.drop_code(frame);
    }
    ram_.put_back();
    descriptors::put_back();
}

} // namespace trapline
