// tools/debug/monitor.hpp: what a debugger's user asks the virtual kernel: gdb's `monitor COMMAND`.
//
// gdb knows threads, registers and memory; probes, slots, frames and kernel steps are told in words. Two commands
// change where the next `continue` or `reverse-continue` ends: `catch` and `goto`. None changes the run.
#pragma once

#include "tools/debug/session.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace trapline {

class Monitor {
  public:
    /// What gdb is to print; `t` is the thread that it has chosen, or nullptr.
    [[nodiscard]] std::string answer(Session& session, Task* t, std::string_view line);
    /// Memory is read as it would be without probes.
    [[nodiscard]] bool shows_original() const { return original_; }
    /// The event that the next resumption is to go to.
    [[nodiscard]] const std::optional<std::uint64_t>& target() const { return target_; }
    [[nodiscard]] std::optional<std::uint64_t> take_target() { return std::exchange(target_, std::nullopt); }

    /// Names of the probe points.
    [[nodiscard]] static PlaceNames names(Session& session);
    /// A miss that the session is held at, in one sentence.
    [[nodiscard]] static std::string explain_miss(Session& session, const Stop& stop);

  private:
    std::string catch_events(Session& session, std::string_view what);
    std::string go_to(std::string_view number);
    std::string view(std::string_view which);

    bool original_ = true; // gdb takes an int3 at its own breakpoint for the program's, and would jump over it
    std::optional<std::uint64_t> target_;
};

} // namespace trapline
