// probes/returns.hpp: return probes: who is to be told when a function comes back.
//
// On entry the kernel replaces the word at RSP, the return address, by that of a trampoline in slot 0 of the XOL area,
// and remembers the original in a list. The function returns into the trampoline, which traps (int3) or calls the
// kernel (system call 335, since Linux 6.11); the kernel takes the newest entries off the list, sends the thread to
// where it came from, and runs the handlers (facts M13, section 2, steps H and R).
//
// What can go wrong is in how the list is kept. Linux has one for each thread, in the order of the calls, and decides
// by the stack pointer alone which entries a longjmp has made obsolete: whoever switches stacks loses entries, or gets
// another function's address, or finds the list empty: SIGILL. 64 entries are the limit; it is looked at before the
// obsolete ones are dropped, so a longjmp out of 64 nested calls silences a thread for ever (measured on 6.18.44). The
// `fixed` dialect keys entries by the place of the return address, for the whole address space: threads may switch
// stacks, or hand them to each other. Read next: returns.cpp, open_calls.hpp for the truth.
#pragma once

#include "emu/kernel/kernel.hpp"

#include <vector>

namespace trapline {

class Uprobes;
class XolArea;
struct Uprobe;
struct Space;

/// A call whose return address was replaced (Linux: struct return_instance).
struct PendingReturn {
    Uprobe* uprobe = nullptr;
    Addr function = 0;        ///< the probe point
    Addr place = 0;           ///< of the return address: RSP on entry
    Addr original = 0;        ///< what stood there
    bool chained = false;     ///< the trampoline stood there already: a function has ended in a jump to this one
    std::uint64_t newest = 0; ///< registration of the newest consumer at the time
    std::vector<std::uint64_t> ignoring; ///< registrations that do not want to hear of this return
};

class Returns {
  public:
    explicit Returns(Uprobes& layer) : uprobes_(layer) {}

    /// A new area: its slot 0 is the trampoline, whether or not anybody will return there.
    void fill_slot_0(XolArea& area) const;
    /// The thread is at the start of a function with return handlers: replaces its return address. True: done; false:
    /// this return will be missed.
    bool hijack(Task& t, Uprobe& u, Addr function, std::vector<std::uint64_t> ignoring);
    /// The first instruction is about to run, and nobody was told.
    void entered_unseen(Task& t, Uprobe& u, Addr function);
    /// The trampoline's int3.
    Path<bool> trapped(Task& t);
    /// The trampoline's system call: 335, from anywhere. An empty path: this kernel has no such call.
    Path<bool> called(Task& t);
    /// About to execute a watched address: the end of calls that nobody knows of.
    void returned_unseen(Task& t, Addr va);
    /// A child with an address space of its own, or one that runs on the parent's stack (vfork), inherits the list.
    void inherit(Task& parent, Task& child);

  private:
    std::vector<PendingReturn>& list(Task& t);
    bool set_up(Mm& mm, Space& space);
    void drop_obsolete(std::vector<PendingReturn>& pending, Addr sp, bool chained);
    std::vector<PendingReturn> take(Task& t, Addr sp, bool& valid);
    Path<bool> come_back(Task& t);
    Path<bool> call_trampoline(Task& t);
    void force(Task& t, int signo);

    Uprobes& uprobes_;
};

} // namespace trapline
