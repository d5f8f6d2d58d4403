// boost/nop_call.hpp: a nop that becomes a call into the kernel: what nop5 and nop10 share.
//
// A nop that a compiler put there for probes displaces nothing, so it can be replaced by a call to a trampoline, a page
// of code in the probed program that makes a system call. The first hit is an int3's; the thread that has it then
// replaces the nop (boost/text_patch.hpp), and from the second hit on there is no trap:
//
//   hot:  call trampoline         trampoline:  push rcx, r11, rax          what syscall clobbers
//   +n:   NEXT          <----                  mov 336, rax; syscall       the handlers run
//                                              pop rax, r11, rcx; ret
//
// What differs between the two strategies is data, a NopForm; their stories are in nop5.cpp and nop10.cpp. Everything
// that is not such a nop is served by another strategy.
#pragma once

#include "boost/code_area.hpp"
#include "boost/text_patch.hpp"
#include "probes/with_fallback.hpp"

#include <set>

namespace trapline {

struct NopForm {
    std::uint8_t size;                        ///< of the nop, in bytes
    std::vector<std::uint8_t> before_call;    ///< instructions between the probe point and the call
    std::uint64_t skipped;                    ///< bytes of stack that they skip
    std::vector<std::uint8_t> trampoline_end; ///< behind the pops: back to the program
    bool (*is_nop)(const Uprobe& u);
    /// What stays behind the first byte when the call is taken out again, and which first byte goes with it: the nop,
    /// or a jump over what a thread may still be standing in.
    std::vector<std::uint8_t> (*left_tail)(const Uprobe& u);
    std::uint8_t (*left_head)(const Uprobe& u);
    bool child_has_trampoline; ///< fork copies it
};

class NopCall final : public WithFallback {
  public:
    NopCall(Uprobes& layer, std::unique_ptr<Strategy> fallback, NopForm form)
        : WithFallback(layer, std::move(fallback)), form_(std::move(form)) {}

    Path<bool> start(Hit hit) override;
    Path<bool> disarming(Mm& mm, Site& s) override;
    Path<bool> syscall(Task& t) override;
    void duplicated(Mm& parent, Mm& child) override;
    void forget(Mm& mm) override;
    /// A call of a probe that has gone.
    std::string broken(Mm& mm) override;

  private:
    struct Space {
        Space(Kernel& kernel, CodeArea a) : area(std::move(a)), lock(kernel) {}
        CodeArea area;
        std::vector<Addr>
            trampolines; // newest first; stays when the program has unmapped one (measured on Linux 6.18.44)
        TextLock lock;
        std::set<Addr> calls; // where one was to be put, ever
    };
    Space& space(Mm& mm);
    [[nodiscard]] bool may_become_call(const Uprobe& u, Addr va) const;
    [[nodiscard]] std::vector<std::uint8_t> call_bytes(Addr va, Addr trampoline) const;
    Path<bool> first_hit(Hit hit);
    Path<bool> optimise(Hit hit);
    Path<bool> take_back(Mm& mm, Uprobe& u, Addr va);
    Path<bool> called(Task& t);
    Addr reachable_trampoline(Mm& mm, Addr va);
    Addr new_trampoline(Mm& mm, Addr va);
    bool is_call(Mm& mm, Addr va);
    static bool in_trampoline(const Mm& mm, Addr va);
    Site* ours(std::uint32_t mm, const Uprobe& u, Addr va, const TextLock::Turn& turn);

    const NopForm form_;
    std::map<std::uint32_t, Space> spaces_; // by Mm::id
    std::set<const Uprobe*> failed_;        // not tried again (Linux: a flag that is never cleared)
};

} // namespace trapline
