// boost/nop5.cpp: a nop of five bytes becomes a call to a trampoline and a system call.
//
// Jiri Olsa for Linux 6.18 (2025), for the nops that USDT probes stand on. boost/nop_call.hpp has the picture.
//
//   start (int3)   cores-synced, text-tail, cores-synced, text-head, cores-synced: 0f 1f 44 00 00 -> e8 rel32, under
//   the
//                  mmap lock; trampoline-mapped before that if no trampoline is near; emulated; resumed
//   system call    trampoline-entered, lookup, handler, resumed: no trap
//   unregister     text-armed (int3), cores-synced, text-tail (the nop's), cores-synced, then the first byte
//
// It is done on the first hit, not when the probe is registered, because the loader of the program may still want the
// addresses nearby. It fails once for good where no page is free within 2 GiB, and is not tried where the nop crosses a
// page. Only exactly this nop qualifies; everything else is stepped out of line or emulated.
//
// What the program can observe: a call in its text, and a mapping `[uprobes-trampoline]` for good. The call and the
// pushes overwrite 32 bytes below the stack pointer, where a leaf function may keep its data: the red zone (measured on
// Linux 6.18.44). A child of fork inherits the call and not the trampoline, and dies at its first hit (7.7; not in the
// dialect `fixed`). A program that unmaps the trampoline is broken for good: the kernel no longer recognises its call
// (7.5). A signal frame shows the trampoline (7.10).
//
// Costs a system call. It asks the decoder for nothing: five bytes are compared.
#include "boost/nops.hpp"

#include "boost/nop_call.hpp"

#include <algorithm>

namespace trapline {
namespace {
constexpr std::array<std::uint8_t, 5> kNop = {0x0f, 0x1f, 0x44, 0x00, 0x00};
}

std::unique_ptr<Strategy> make_nop5(Uprobes& u) {
    NopForm form;
    form.size = kNop.size();
    form.skipped = 0;
    form.trampoline_end = {0xc3}; // ret
    form.is_nop = [](const Uprobe& p) { return std::equal(kNop.begin(), kNop.end(), p.bytes.begin()); };
    form.left_tail = [](const Uprobe&) { return std::vector<std::uint8_t>(kNop.begin() + 1, kNop.end()); };
    form.left_head = [](const Uprobe&) { return kNop.front(); };
    form.child_has_trampoline = u.dialect().copies_trampoline;
    return std::make_unique<NopCall>(u, make_emulate(u), std::move(form));
}

} // namespace trapline
