// probes/open_calls.hpp: the truth about returns: which calls of probed functions are open in an address space.
//
// What a kernel remembers of a call can be wrong or forgotten: that is what return probes are known for (facts M13).
// So the truth keeps its own book, by the place of the return address: a call is open from the execution of the
// function's first instruction until a return takes the word at that place. A call whose word was replaced is seen to
// return when the thread comes to the trampoline; of another one, the address that it returns to is watched. A call
// that is left by longjmp is never closed; the next call at its place takes over.
//
// Not known: calls that were open before the first return probe was registered, and a longjmp out of a call that was
// not replaced to exactly where it would have returned. Read next: returns.cpp, truth.cpp.
#pragma once

#include "emu/mm/mm.hpp"

#include <map>
#include <vector>

namespace trapline {

struct Uprobe;

class OpenCalls {
  public:
    struct Call {
        Uprobe* uprobe = nullptr;
        Addr function = 0; ///< the probe point
        Addr target = 0;   ///< where it returns to: the trampoline if the word was replaced
    };

    /// A probed function is entered whose return address is at `place`.
    enum class Word {
        replaced,        ///< the trampoline's address is there now
        replaced_before, ///< it was already: the caller is a function that ended in a jump to this one
        untouched,       ///< nobody knows of the call: its return is missed
    };
    void open(Mm& mm, Addr place, const Call& call, Word word);
    /// A return took the word at `place` and went to `target`: the calls that this ends, the innermost first.
    std::vector<Call> close(Mm& mm, Addr place, Addr target);
    /// For a forked child.
    void copy_to(OpenCalls& child, Mm& mm) const;
    [[nodiscard]] bool empty() const { return calls_.empty(); }

  private:
    struct Entry {
        Call call;
        bool watched = false; ///< `target` is watched for this call's sake
    };
    std::map<Addr, std::vector<Entry>> calls_; // by place
};

} // namespace trapline
