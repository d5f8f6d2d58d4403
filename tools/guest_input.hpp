// tools/guest_input.hpp: a standard input that every run of a program reads from the start.
//
// Two strategies are only comparable when their guests read the same bytes. What a scenario's `stdin` says, or a file
// that the command was redirected from, is therefore rewound before every run; anything else (a terminal, a pipe) can
// be read only once, so guests of `compare` find it empty.
#pragma once

#include "emu/result.hpp"

#include <string_view>

namespace trapline {

class GuestInput {
  public:
    /// Exactly these bytes.
    static Result<GuestInput> holding(std::string_view bytes);
    /// The command's own standard input where it is a regular file, from where it stands now; else empty.
    static Result<GuestInput> of_command();
    GuestInput(GuestInput&& other) noexcept;
    GuestInput& operator=(GuestInput&&) = delete;
    ~GuestInput();

    /// A descriptor that stands at the start.
    [[nodiscard]] int rewound() const;

  private:
    GuestInput(int fd, long start, bool owned) : fd_(fd), start_(start), owned_(owned) {}
    int fd_;
    long start_;
    bool owned_;
};

} // namespace trapline
