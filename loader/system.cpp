#include "loader/system.hpp"

#include "loader/syscalls/call.hpp"

#include <cerrno>
#include <fmt/format.h>
#include <unistd.h>

namespace trapline {

Path<bool> System::syscall(Task& t) {
    ++calls_;
    const std::uint64_t number = kernel_.get(t, Reg::rax);
    const SyscallInfo* info = syscall_info(number);
    Call call{*this, kernel_, t, number, {}};
    constexpr std::array kArguments = {Reg::rdi, Reg::rsi, Reg::rdx, Reg::r10, Reg::r8, Reg::r9};
    for (std::size_t i = 0; i < kArguments.size(); ++i) call.args[i] = kernel_.get(t, kArguments[i]);
    co_await kernel_.step(t, Step::syscall, number, call.args[0], info != nullptr ? info->name : "unknown");
    long result = -ENOSYS;
    if (info == nullptr) {
        if (unknown_calls_.insert(number).second) {
            const std::string text = fmt::format("trapline: system call {} is not modelled: the guest gets ENOSYS\n", number);
            (void)!::write(standard_.err, text.data(), text.size());
        }
    } else if (info->plain != nullptr) {
        result = info->plain(call);
    } else {
        result = co_await info->sleeping(call);
    }
    kernel_.log().bytes(&result, sizeof result);
    if (call.sets_result) kernel_.set(t, Reg::rax, static_cast<std::uint64_t>(result));
    co_return true;
}

long Call::interrupted() {
    task.restart_syscall = true;
    task.restart_number = number;
    return -EINTR;
}

} // namespace trapline
