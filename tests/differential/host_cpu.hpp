// tests/differential/host_cpu.hpp: the CPU that this test runs on, as a judge.
//
// A child process has nothing mapped but the memory of state.hpp and stands under ptrace. For each execution its
// registers are set, one instruction is stepped, and its registers are read back: some ten microseconds. It cannot make
// a system call: a filter answers every one of them with EPERM.
#pragma once

#include "tests/differential/form.hpp"

#include <memory>
#include <sys/types.h>

namespace trapline::testing {

class HostCpu {
  public:
    /// nullptr, and the reason in `why_not`, where ptrace is not to be had.
    static std::unique_ptr<HostCpu> start(std::string& why_not);
    ~HostCpu();
    HostCpu(const HostCpu&) = delete;
    HostCpu& operator=(const HostCpu&) = delete;

    void set_code(const std::vector<std::uint8_t>& code);
    Outcome execute(const Form& form, const State& state);
    /// What the CPU says to `bytes` (1 to 16) with nothing mapped behind them.
    enum class Taken {
        needs_more, ///< it wants to fetch a further byte
        refused,    ///< #UD
        too_long,   ///< #GP without an address: more than 15 bytes, or privileged
        taken,      ///< executed, or another fault on the way
    };
    Taken take(std::span<const std::uint8_t> bytes);
    /// As the last execution left it.
    [[nodiscard]] const Memory& memory() const { return *memory_; }

  private:
    HostCpu() = default;
    bool wait();
    long call(long number, long a, long b, long c, long d);

    pid_t child_ = 0;
    int status_ = 0;
    int code_file_ = -1;
    std::uint8_t* code_ = nullptr;
    Memory* memory_ = nullptr;
};

} // namespace trapline::testing
