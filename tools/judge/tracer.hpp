// tools/judge/tracer.hpp: the live kernel's own tracer, for fetch arguments.
//
// Only tracefs evaluates fetch arguments, and what is entered there stays until somebody takes it out. So a process of
// its own enters it and waits for the end of the runner, which may be a SIGKILL: then it disables the events, reads
// what they have said, and removes them and its trace instance. It is in no process group of the judge's.
//
//   runner ── tracer     entered, enabled, read while the program runs, removed     (this)
//
// tracefs need not be mounted: this process mounts one that has no name. Read next: tracer.cpp.
#pragma once

#include "emu/result.hpp"
#include "tools/judge/descriptor.hpp"
#include "tools/judge/live.hpp"

#include <map>
#include <string>
#include <sys/types.h>
#include <vector>

namespace trapline::judge {

class Tracer {
  public:
    /// Enters and enables an event for every probe of the request that has fetch arguments and no error in `errors`.
    /// `files` as make_files_private gives them.
    static Result<Tracer> start(const LiveRequest& request, const std::map<std::string, std::string>& files,
                                const std::vector<int>& errors);
    /// The program is over: what each probe of the request has fetched, hit by hit, and how many hits found no room in
    /// the buffer (of any probe: the kernel does not say which).
    std::vector<LiveCount> finish(std::size_t probes);

  private:
    pid_t process_ = -1;
    Descriptor control_; // closing it is the sign to end
    Descriptor answers_;
};

/// Enters a line like `p:GROUP/EVENT /bin/sh:0x100`, and takes the event out again. 0, or the errno of its refusal.
int enter_once(const std::string& line);

/// Whether this machine has a uprobe tracer. The error says what lacks.
Result<void> tracer_available();

} // namespace trapline::judge
