#include "loader/system.hpp"

#include "loader/exec.hpp"
#include "loader/files/file_table.hpp"
#include "loader/host_inode.hpp"
#include "loader/process_state.hpp"
#include "loader/syscalls/call.hpp"
#include "loader/syscalls/decode.hpp"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace trapline {

Path<bool> System::syscall(Task& t) {
    ++calls_;
    const std::uint64_t number = kernel_.get(t, Reg::rax);
    const SyscallInfo* info = syscall_info(number);
    Call call{*this, kernel_, t, number, {}};
    constexpr std::array kArguments = {Reg::rdi, Reg::rsi, Reg::rdx, Reg::r10, Reg::r8, Reg::r9};
    for (std::size_t i = 0; i < kArguments.size(); ++i) call.args[i] = kernel_.get(t, kArguments[i]);
    // Not inside the co_await: GCC 12 evaluates both arms of a conditional there.
    const std::string_view name = info != nullptr ? info->name : "unknown";
    const std::uint64_t event = kernel_.log().count() + 1;
    co_await kernel_.step(t, Step::syscall, number, call.args[0], name);
    const bool told = kernel_.log().wants_calls();
    if (told) tell(t, event, false, decode_call(call, info));
    long result = -ENOSYS;
    if (info != nullptr && info->plain != nullptr) {
        result = info->plain(call);
    } else if (info != nullptr && info->sleeping != nullptr) {
        result = co_await info->sleeping(call);
    } else {
        say_refused(number, info);
    }
    if (told) tell(t, event, true, decode_call(call, info, result));
    kernel_.log().bytes(&result, sizeof result);
    if (call.sets_result) kernel_.set(t, Reg::rax, static_cast<std::uint64_t>(result));
    co_return true;
}

void System::say_refused(std::uint64_t number, const SyscallInfo* info) {
    constexpr std::size_t kMost = 10; // a program that tries all of them must not drown its own words
    if (refused_.size() > kMost || !refused_.insert(number).second) return;
    std::string line = "trapline: further system calls that are not modelled are not named\n";
    if (refused_.size() <= kMost)
        line = fmt::format("trapline: system call {} is not modelled: the guest gets ENOSYS\n",
                           info != nullptr ? std::string(info->name) : std::to_string(number));
    (void)!::write(standard_.err, line.data(), line.size());
}

void System::tell(const Task& t, std::uint64_t event, bool returned, const std::string& text) {
    const Cycles now = t.cpu >= 0 ? kernel_.now(t) : kernel_.scheduler().global_now();
    kernel_.log().record(CallNote{event, returned, now, t.serial, static_cast<std::uint16_t>(t.cpu), text});
}

long Call::interrupted() {
    task.restart_syscall = true;
    task.restart_past_handler = true;
    task.restart_number = number;
    return -EINTR;
}

long Call::interrupted_for_good(Cycles deadline) {
    interrupted();
    task.restart_past_handler = false;
    task.restart_deadline = deadline;
    return -EINTR;
}

System::System(Kernel& kernel, Sandbox sandbox, StandardFiles standard, std::string working_directory)
    : kernel_(kernel), sandbox_(std::move(sandbox)), standard_(standard),
      working_directory_(std::move(working_directory)), futexes_(kernel) {
    kernel_.attach(this);
}

System::~System() {
    kernel_.abandon();
    kernel_.attach(static_cast<SyscallHandler*>(nullptr));
}

Result<Task*> System::start(const std::string& program, const std::vector<std::string>& args,
                            const std::vector<std::string>& environment) {
    ExecRequest request;
    request.directory = working_directory_;
    request.args = args;
    request.environment = environment;
    auto loaded = find_program(*this, program, std::move(request));
    if (!loaded) {
        start_failure_ = loaded.error().error == -ENOENT ? 127 : 126;
        return tl::make_unexpected(std::move(loaded.error().text));
    }
    Process& p = kernel_.create_process(nullptr);
    p.mm = loaded->mm;
    p.files = new_file_table(*this);
    Task& t = kernel_.create_task(p);
    enter_program(kernel_, t, *loaded);
    kernel_.start(t);
    return &t;
}

void System::task_exit(Task& t) {
    Process& p = *t.process;
    release_robust_futexes(*this, t);
    // Only somebody else can care about the word (kernel/fork.c, mm_release).
    if (t.clear_child_tid != 0 && (p.tasks.size() > 1 || p.mm.use_count() > 1)) {
        if (p.mm->put(t.clear_child_tid, std::uint32_t{0})) futexes_.wake(*p.mm, t.clear_child_tid, 1);
    }
    for (Process* child : p.children)
        if (child->vfork_waiter == &t) child->vfork_waiter = nullptr;
    ProcessState& s = state_of(p);
    if (t.tid != p.pid) {
        s.thread_names.erase(t.tid);
        s.scheduling.erase(t.tid);
    }
}

void System::process_exit(Process& p) {
    drop_timers(kernel_, p, true);
    if (p.files != nullptr) files_of(p).shared->process_events.changed(kernel_);
}

void System::signal_pending(Process& p) {
    if (p.files != nullptr) files_of(p).shared->signal_events.changed(kernel_);
}

void System::signal_taken(Process& p, SigInfo& info) { timer_signal_taken(kernel_, p, info); }

void System::cpu_time_used(Task& t) { trapline::cpu_time_used(kernel_, *t.process); }

std::shared_ptr<Inode> System::inode_of(int host_fd, const std::string& guest_path) {
    struct stat st {};
    auto view = sandbox_.stat(host_fd);
    if (!view || ::fstat(host_fd, &st) != 0) return nullptr;
    HostFd own(::fcntl(host_fd, F_DUPFD_CLOEXEC, 0));
    if (!own) return nullptr;
    std::weak_ptr<Inode>& known = inodes_[{st.st_dev, st.st_ino}];
    if (auto inode = known.lock()) {
        static_cast<HostInode&>(*inode).adopt(std::move(own));
        return inode;
    }
    auto inode = std::make_shared<HostInode>(kernel_.frames(), view->inode, guest_path, std::move(own));
    known = inode;
    return inode;
}

} // namespace trapline
