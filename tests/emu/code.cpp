#include "tests/emu/code.hpp"

namespace trapline::testing {

Path<bool> CodeMachine::syscall(Task& t) {
    const std::uint64_t number = kernel.get(t, Reg::rax);
    co_await kernel.step(t, Step::syscall, number);
    if (number == 60) {
        results.push_back(kernel.get(t, Reg::rdi));
        kernel.exit(t, 0, false);
    } else {
        kernel.set(t, Reg::rax, number == 24 ? 0 : static_cast<std::uint64_t>(-38));
    }
    co_return true;
}

} // namespace trapline::testing
