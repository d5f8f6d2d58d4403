#include "tests/differential/guest_cpu.hpp"

#include <cerrno>
#include <csignal>
#include <unistd.h>

namespace trapline::testing {
namespace {

constexpr Addr kHandlerAt = 0x5a5a00000000, kSignalStackAt = kHandlerAt + (1u << 20);
constexpr std::uint64_t kSignalStackBytes = 2 * kPageSize;

// Where a handler finds the registers: the third argument is a ucontext (Linux uapi asm/sigcontext.h, by layout).
constexpr Addr kContextRegisters = 40, kContextRip = kContextRegisters + 128, kContextFlags = kContextRip + 8,
               kContextFx = kContextRegisters + 184;

KernelConfig config() {
    KernelConfig c;
    c.cpus = 1;
    c.ram = 1ull << 30;
    return c;
}

const Form* executing = nullptr; // for the message below

/// The engine can end the process: it aborts when it cannot translate an instruction.
void say_which(int number) {
    constexpr const char* digits = "0123456789abcdef";
    char text[64] = "the engine ended on ";
    std::size_t n = std::strlen(text);
    if (executing != nullptr)
        for (const std::uint8_t b : executing->bytes) {
            text[n++] = digits[b >> 4];
            text[n++] = digits[b & 15];
        }
    text[n++] = '\n';
    if (::write(2, text, n) < 0) ::_exit(3);
    std::signal(number, SIG_DFL);
    ::raise(number);
}

} // namespace

/// Every system call is answered as the filter on the real CPU does.
class GuestCpu::Calls final : public SyscallHandler {
  public:
    explicit Calls(Kernel& kernel) : kernel_(kernel) {}
    Path<bool> syscall(Task& t) override {
        kernel_.set(t, Reg::rax, static_cast<std::uint64_t>(-EPERM));
        co_return true;
    }
    void task_exit(Task&) override {}
    void process_exit(Process&) override {}

  private:
    Kernel& kernel_;
};

GuestCpu::GuestCpu(const std::vector<Form>& forms, const std::vector<std::uint8_t>& code, const StrategyInfo* strategy,
                   const Dialect& dialect)
    : forms_(forms), kernel_(config(), policy_), calls_(std::make_unique<Calls>(kernel_)), errors_(forms.size()) {
    kernel_.attach(calls_.get());
    pristine_ = kernel_.cpu().new_context();
    if (strategy != nullptr) uprobes_ = std::make_unique<Uprobes>(kernel_, dialect, *strategy);
    kernel_.attach(this);
    Process& process = kernel_.create_process(nullptr);
    mm_ = process.mm = kernel_.create_mm();

    auto file = std::make_shared<MemoryInode>(kernel_.frames(), 1, "/forms", code.size());
    for (std::uint64_t at = 0; at < code.size(); at += kPageSize)
        std::memcpy(kernel_.frames().data(file->page(at / kPageSize)), code.data() + at, kPageSize);
    map(kFormsAt, code.size(), prot::read | prot::exec, file);
    map(kDataAt, kDataBytes, prot::read | prot::write);
    map(kReadOnlyAt, kReadOnlyBytes, prot::read);
    map(kStackAt, kStackBytes, prot::read | prot::write);
    map(kSignalStackAt, kSignalStackBytes, prot::read | prot::write);
    auto handler = std::make_shared<MemoryInode>(kernel_.frames(), 2, "/handler", kPageSize);
    std::memset(kernel_.frames().data(handler->page(0)), 0xcc, kPageSize);
    map(kHandlerAt, kPageSize, prot::read | prot::exec, handler);
    for (Addr at = kDataAt; at < kReadOnlyAt + kReadOnlyBytes; at += kPageSize) pages_.push_back(host_view(at));
    for (Addr at = kStackAt; at < kStackAt + kStackBytes; at += kPageSize) pages_.push_back(host_view(at));

    for (SigAction& action : process.actions) {
        action.handler = kHandlerAt;
        action.flags = sig::sa_siginfo | sig::sa_onstack | sig::sa_nodefer;
    }
    task_ = &kernel_.create_task(process);
    task_->alt_stack = {kSignalStackAt, kSignalStackBytes, 0};
    if (uprobes_ == nullptr) return;
    for (std::size_t i = 0; i < forms.size(); ++i) {
        consumers_.push_back(std::make_unique<Consumer>());
        consumers_.back()->handler = [](HitContext&) {};
        errors_[i] = uprobes_->add_now(*consumers_.back(), file, forms[i].at - kFormsAt);
    }
}

GuestCpu::~GuestCpu() {
    kernel_.abandon();
    uprobes_.reset();
}

void GuestCpu::map(Addr at, std::uint64_t bytes, std::uint8_t protection, std::shared_ptr<Inode> inode) {
    Vma v;
    v.inode = std::move(inode);
    v.start = at;
    v.end = at + bytes;
    v.prot = protection;
    mm_->map(std::move(v));
}

/// A page of the process, there for good, as this program sees it.
std::uint8_t* GuestCpu::host_view(Addr at) {
    const Vma* vma = mm_->find(at);
    const bool writable = (vma->prot & prot::write) != 0;
    std::uint8_t* page = mm_->page(at, pf::user | (writable ? pf::write : 0), kPageSize);
    if (writable) return page;
    // A page that was never written to is the shared one of zeroes: it gets a frame of its own.
    const FrameNo own = kernel_.frames().allocate();
    mm_->replace_frame(at, own);
    return kernel_.frames().data(own);
}

void GuestCpu::run(std::uint64_t states, std::uint64_t seed, const std::function<bool(std::size_t)>& wanted,
                   Done done) {
    states_ = states;
    seed_ = seed;
    wanted_ = &wanted;
    done_ = std::move(done);
    form_ = forms_.size();
    state_ = states_;
    std::signal(SIGABRT, say_which);
    std::signal(SIGSEGV, say_which);
    // The thread starts at a breakpoint that stands for the end of an execution before the first.
    kernel_.set(*task_, Reg::rip, kHandlerAt + 1);
    kernel_.start(*task_);
    kernel_.run();
}

Path<bool> GuestCpu::breakpoint(Task& t) {
    const Addr va = kernel_.get(t, Reg::rip) - 1;
    if (page_floor(va) == kHandlerAt) {
        if (va == kHandlerAt) note(t, true);
        return ended(t);
    }
    const Form& form = forms_[form_];
    const bool among_forms = va >= kFormsAt && va < kDataAt;
    if (among_forms && (va < form.at || va >= form.end())) {
        kernel_.set(t, Reg::rip, va);
        note(t, false);
        return ended(t);
    }
    return uprobes_ != nullptr ? uprobes_->breakpoint(t) : Path<bool>();
}

void GuestCpu::note(Task& t, bool signal) {
    Outcome out;
    Mm& mm = *mm_;
    if (signal) {
        const Addr info = kernel_.get(t, Reg::rsi), context = kernel_.get(t, Reg::rdx);
        std::int32_t number = 0, code = 0;
        std::uint64_t r[16] = {}, image = 0;
        mm.get(info, number);
        mm.get(info + 8, code);
        mm.get(info + 16, out.address);
        mm.read(context + kContextRegisters, r, sizeof r);
        out.gpr = {r[13], r[14], r[12], r[11], r[15], r[10], r[9], r[8],
                   r[0],  r[1],  r[2],  r[3],  r[4],  r[5],  r[6], r[7]};
        mm.get(context + kContextRip, out.rip);
        mm.get(context + kContextFlags, out.flags);
        mm.get(context + kContextFx, image);
        mm.read(image, out.fx.data(), out.fx.size());
        out.signo = number;
        out.code = code;
        // It completed, and what it led to is not there.
        if (number == sig::segv && out.rip == out.address && out.rip != forms_[form_].at) out.signo = out.code = 0;
        if (out.signo == 0 || number == sig::trap) out.address = 0;
    } else {
        for (unsigned i = 0; i < 16; ++i) out.gpr[i] = kernel_.get(t, static_cast<Reg>(i));
        out.rip = kernel_.get(t, Reg::rip);
        out.flags = kernel_.get(t, Reg::eflags);
        kernel_.cpu().get_fx(out.fx.data());
    }
    for (std::size_t i = 0; i < pages_.size(); ++i) std::memcpy(memory_->data() + i * kPageSize, pages_[i], kPageSize);
    hash_memory(out, *memory_, state_now_);
    out.ran = true;
    if (uprobes_ != nullptr) out.hits = static_cast<std::uint32_t>(consumers_[form_]->hits - hits_before_);
    done_(form_, state_, out, *memory_);
}

Path<bool> GuestCpu::ended(Task& t) {
    co_await kernel_.outside(t);
    kernel_.load(t);
    next(t);
    co_return true;
}

/// On to the next state, or the next form that is wanted.
void GuestCpu::next(Task& t) {
    if (++state_ >= states_) {
        state_ = 0;
        do {
            form_ = form_ >= forms_.size() ? 0 : form_ + 1;
        } while (form_ < forms_.size() && (errors_[form_] != 0 || !(*wanted_)(form_)));
        if (form_ >= forms_.size()) return kernel_.exit(t, 0, true);
    }
    load(t, forms_[form_], state_now_ = state_for(forms_[form_], state_, seed_));
}

void GuestCpu::load(Task& t, const Form& form, const State& state) {
    fill(*memory_, state);
    kernel_.cpu().load(*pristine_); // selectors and whatever else the state does not name
    for (std::size_t i = 0; i < pages_.size(); ++i) std::memcpy(pages_[i], memory_->data() + i * kPageSize, kPageSize);
    kernel_.cpu().set_fx(state.fx.data());
    for (unsigned i = 0; i < 16; ++i) kernel_.set(t, static_cast<Reg>(i), state.gpr[i]);
    kernel_.set(t, Reg::eflags, state.flags);
    kernel_.set(t, Reg::fs_base, state.fs_base);
    kernel_.set(t, Reg::gs_base, state.gs_base);
    kernel_.set(t, Reg::rip, form.at);
    t.blocked_signals = 0;
    executing = &form;
    if (uprobes_ != nullptr) hits_before_ = consumers_[form_]->hits;
}

// What is the uprobes layer's.

Path<bool> GuestCpu::single_step(Task& t) { return uprobes_ != nullptr ? uprobes_->single_step(t) : Path<bool>(); }
void GuestCpu::not_executed(Task& t, Addr rip) {
    if (uprobes_ != nullptr) uprobes_->not_executed(t, rip);
}
void GuestCpu::before_fault_signal(Task& t) {
    if (uprobes_ != nullptr) uprobes_->before_fault_signal(t);
}
bool GuestCpu::steps_end_behind_calls(const Task& t) {
    return uprobes_ != nullptr && uprobes_->steps_end_behind_calls(t);
}
bool GuestCpu::holds_signals(Task& t) { return uprobes_ != nullptr && uprobes_->holds_signals(t); }
Path<bool> GuestCpu::fetch(Task& t, Addr va) { return uprobes_ != nullptr ? uprobes_->fetch(t, va) : Path<bool>(); }
Path<bool> GuestCpu::syscall(Task& t) { return uprobes_ != nullptr ? uprobes_->syscall(t) : Path<bool>(); }
void GuestCpu::before_signal_frame(Task& t) {
    if (uprobes_ != nullptr) uprobes_->before_signal_frame(t);
}
void GuestCpu::task_created(Task& parent, Task& child) {
    if (uprobes_ != nullptr) uprobes_->task_created(parent, child);
}
void GuestCpu::task_exit(Task& t) {
    if (uprobes_ != nullptr) uprobes_->task_exit(t);
}
void GuestCpu::executed(Task& t) {
    if (uprobes_ != nullptr) uprobes_->executed(t);
}
void GuestCpu::mapped(Mm& mm, const Vma& vma) {
    if (uprobes_ != nullptr) uprobes_->mapped(mm, vma);
}
void GuestCpu::unmapping(Mm& mm, const Vma& vma, Addr from, Addr to) {
    if (uprobes_ != nullptr) uprobes_->unmapping(mm, vma, from, to);
}
void GuestCpu::duplicated(Mm& parent, Mm& child) {
    if (uprobes_ != nullptr) uprobes_->duplicated(parent, child);
}
void GuestCpu::destroyed(Mm& mm) {
    if (uprobes_ != nullptr) uprobes_->destroyed(mm);
}

} // namespace trapline::testing
