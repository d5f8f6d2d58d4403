// Registration, and arming wherever a probed file is mapped.
#include "probes/uprobes.hpp"

#include "emu/check.hpp"

#include <algorithm>
#include <cerrno>

namespace trapline {

Uprobes::Uprobes(Kernel& kernel, const Dialect& dialect, const StrategyInfo& strategy)
    : kernel_(kernel), dialect_(dialect), strategy_(strategy.make(*this)) {
    kernel.attach(this);
}

Uprobes::~Uprobes() {
    closing_ = true; // consumers may be gone already
    kernel_.abandon();
    kernel_.attach(static_cast<KernelObserver*>(nullptr));
}

Space& Uprobes::make_space(Mm& mm) {
    if (spaces_.size() <= mm.id()) spaces_.resize(mm.id() + 1);
    auto& s = spaces_[mm.id()];
    if (!s) s = std::make_unique<Space>();
    s->mm = &mm;
    return *s;
}

XolArea* Uprobes::area(Mm& mm) {
    if (XolArea* own = strategy_->area(mm); own != nullptr) return own;
    auto& a = make_space(mm).area;
    if (!a) {
        a = std::make_unique<XolArea>(mm, dialect_.area_place());
        if (a->address == 0) {
            a = nullptr;
        } else {
            prepare(*a);
            ++counters.vmas_added;
        }
    }
    return a.get();
}

Site* Uprobes::find(Space& s, Addr va) {
    auto it = s.sites.find(va);
    return it == s.sites.end() ? nullptr : s.last = &it->second;
}

TextPage* Uprobes::text_page(Mm& mm, Addr va) {
    Space* sp = space(mm);
    if (sp == nullptr) return nullptr;
    auto it = sp->pages.find(page_floor(va));
    return it == sp->pages.end() || !it->second->mapped() ? nullptr : it->second.get();
}

void Uprobes::watch(Mm& mm, Site& s, bool on) {
    if (s.watched == on) return;
    s.watched = on;
    on ? mm.fetch().watch(s.address) : mm.fetch().unwatch(s.address);
}

void Uprobes::count_text_write() {
    ++counters.text_writes;
    counters.ipis += kernel_.config().cpus - 1; // every other CPU must drop its translation of the page
}

const Process* Uprobes::owner(const Mm& mm) const {
    for (const auto& [pid, p] : kernel_.processes())
        if (p->mm.get() == &mm) return p.get();
    return nullptr;
}

void Uprobes::each_site(const std::function<void(Mm&, const Site&)>& f) {
    for (const auto& s : spaces_)
        if (s)
            for (const auto& [va, site] : s->sites) f(*s->mm, site);
}

Uprobe* Uprobes::find(std::uint64_t inode, std::uint64_t offset) const {
    auto it = tree_.find({inode, offset});
    return it == tree_.end() ? nullptr : it->second;
}

bool Uprobes::probeable(const Vma& v, const Dialect& d) {
    // Private file mappings of any protection; today's kernels skip writable ones when they register.
    return v.inode && !v.shared && !v.sealed && !(d.skips_writable && (v.prot & prot::write) != 0);
}

/// Reads the instruction from the file, as the kernel does, and judges it once. 0 or a negative errno.
int Uprobes::analyse(Uprobe& u) {
    if (u.analysed) return 0;
    u.bytes = {};
    if (u.inode) {
        for (std::size_t i = 0; i < u.bytes.size(); ++i) {
            const std::uint64_t at = u.offset + i;
            if (u.offset >= u.inode->size()) return -EIO;
            if (at >= u.inode->size()) break; // an instruction cut off by the end of the file is padded with zeroes
            const FrameNo f = u.inode->page(at / kPageSize);
            if (f == 0) return -EIO;
            u.bytes[i] = kernel_.frames().data(f)[at & kPageMask];
        }
    }
    if (u.bytes[0] == kBreakpoint) return dialect_.breakpoint_error;
    if (const Verdict v = may_probe(u.bytes, dialect_.rules); v.error != 0) return v.error;
    const std::optional<OutOfLine> copy = out_of_line(u.bytes);
    const std::optional<Outline> shape = outline(u.bytes);
    if (!copy || !shape) return enoexec;
    u.copy = *copy;
    // Linux copies all that it has read: what stands behind the instruction matters when a step trap comes late.
    std::copy(u.bytes.begin() + u.copy.length, u.bytes.end(), u.copy.bytes.begin() + u.copy.length);
    u.rep_string = shape->rep_string;
    u.flow = flow(*shape);
    u.emulation = emulated_by(u.bytes, dialect_.rules);
    if (!u.emulation.defect.empty() && !dialect_.misreads_opcodes) u.emulation = {};
    if (const int refused = strategy_->accepts(u); refused != 0) return refused;
    u.analysed = true;
    return 0;
}

namespace {
/// One thread registers or unregisters at a probe point at a time (Linux: the uprobe's register_rwsem).
class Locked {
  public:
    Locked(Kernel& kernel, Uprobe& u) : kernel_(kernel), uprobe_(u) { uprobe_.locked = true; }
    ~Locked() {
        uprobe_.locked = false;
        kernel_.wake(uprobe_.unlocked);
    }
    Locked(const Locked&) = delete;
    Locked& operator=(const Locked&) = delete;

  private:
    Kernel& kernel_;
    Uprobe& uprobe_;
};
} // namespace

Path<bool> Uprobes::add(Consumer& c, std::shared_ptr<Inode> inode, std::uint64_t offset, int* error) {
    *error = -EINVAL;
    if (c.uprobe != nullptr || offset > inode->size() || (!c.on_entry && !c.on_return)) co_return false;
    if (c.in_interrupt && c.sleeping_handler) co_return false; // who is in an interrupt cannot sleep
    Uprobe* u = find(inode->number, offset);
    while (u != nullptr && !dialect_.one_per_address && u->locked && !mutated(Mutation::lock_ignored)) {
        if (kernel_.atomic()) {
            *error = -EBUSY;
            co_return false;
        }
        (void)co_await kernel_.sleep(kernel_.actor(), &u->unlocked, ~0ull, false);
        u = find(inode->number, offset);
    }
    if (u != nullptr && dialect_.one_per_address) {
        *error = -EBUSY;
        co_return false;
    }
    if (c.counter_offset % sizeof(std::uint16_t) != 0) co_return false;
    if (u != nullptr && u->counter_offset != c.counter_offset) co_return false;
    if (u == nullptr) {
        u = all_.emplace_back(std::make_unique<Uprobe>()).get();
        u->inode = inode;
        u->offset = offset;
        u->counter_offset = c.counter_offset;
        u->number = static_cast<std::uint32_t>(all_.size());
        tree_.emplace(std::pair{inode->number, offset}, u);
    }
    {
        const Locked lock(kernel_, *u);
        u->consumers.push_back(&c);
        c.uprobe = u;
        c.leaving = false;
        c.number = ++registrations_;
        refresh(*u);
        co_await kernel_.step(kernel_.actor(), Step::registered, offset, u->number);
        co_await arm_everywhere(*u, error);
        if (*error != 0) { // rolled back everywhere
            co_await withdraw(c);
            detach(c);
        }
    }
    if (!leaving_.empty()) sweep();
    co_return *error == 0;
}

/// In the memory of the process, whatever its file says: a debugger's, or the program's own. Today's kernels take it
/// over, and unregistering destroys it (as Linux does).
bool Uprobes::is_foreign_breakpoint(Mm& mm, Addr va) {
    std::uint8_t byte = 0;
    const Site* s = site(mm, va);
    return !dialect_.adopts_breakpoints && (s == nullptr || !s->armed) && mm.force_read(va, &byte, 1) &&
           byte == kBreakpoint;
}

Path<bool> Uprobes::arm_everywhere(Uprobe& u, int* error) {
    *error = 0;
    bool anywhere = false;
    for (std::size_t i = 0; i < spaces_.size() && *error == 0; ++i) {
        if (!spaces_[i]) continue;
        Mm& mm = *spaces_[i]->mm;
        if (!u.wants(mm, owner(mm))) continue;
        std::vector<Addr> places;
        for (const auto& [start, v] : mm.vmas())
            if (v.inode && v.inode->number == u.inode->number && probeable(v, dialect_) && u.offset >= v.offset &&
                u.offset < v.offset + (v.end - v.start))
                places.push_back(v.start + (u.offset - v.offset));
        for (Addr va : places) {
            anywhere = true;
            if (spaces_[i] && is_foreign_breakpoint(mm, va)) {
                *error = u.error = dialect_.breakpoint_error;
                break;
            }
            if (!spaces_[i] || !co_await arm(mm, u, va, error)) break;
        }
        if (anywhere && mutated(Mutation::arm_in_one)) break;
    }
    if (*error == 0 && !anywhere && dialect_.needs_mapping) *error = -EINVAL;
    co_return *error == 0;
}

Path<bool> Uprobes::add_at(Consumer& c, Process& p, Addr address, int* error) {
    const Vma* v = p.mm->find(address);
    *error = -EINVAL;
    if (v == nullptr || !v->inode || v->shared || (v->prot & prot::exec) == 0) co_return false;
    c.pid = p.pid;
    co_return co_await add(c, v->inode, v->file_offset(address), error);
}

Path<bool> Uprobes::remove(Consumer& c) {
    Uprobe* u = c.uprobe;
    while (u != nullptr && u->locked && !mutated(Mutation::lock_ignored)) {
        if (kernel_.atomic()) { // whoever has the lock sees to it
            if (!c.leaving) leaving_.push_back(&c);
            c.leaving = true;
            co_return true;
        }
        (void)co_await kernel_.sleep(kernel_.actor(), &u->unlocked, ~0ull, false);
        u = c.uprobe;
    }
    if (u == nullptr) co_return false;
    {
        const Locked lock(kernel_, *u);
        co_await withdraw(c);
        while (c.running > 0 && !kernel_.atomic())
            (void)co_await kernel_.sleep(kernel_.actor(), &u->idle, ~0ull, false);
        detach(c);
    }
    if (!leaving_.empty()) sweep();
    co_return true;
}

/// No handler of the consumer begins any more, and where nobody else wants the probe the original byte is back.
Path<bool> Uprobes::withdraw(Consumer& c) {
    Uprobe* u = c.uprobe;
    c.leaving = true;
    refresh(*u);
    for (std::size_t i = 0; i < spaces_.size(); ++i) {
        if (!spaces_[i] || u->wants(*spaces_[i]->mm, owner(*spaces_[i]->mm))) continue;
        std::vector<Addr> places;
        for (const auto& [va, s] : spaces_[i]->sites)
            if (s.uprobe == u) places.push_back(va);
        std::sort(places.begin(), places.end());
        for (Addr va : places) {
            if (!spaces_[i]) break; // the process has ended meanwhile
            co_await disarm(*spaces_[i]->mm, va);
        }
        if (!places.empty() && mutated(Mutation::restore_in_one)) break;
    }
    const bool last = std::none_of(u->consumers.begin(), u->consumers.end(),
                                   [](const Consumer* other) { return other != nullptr && !other->leaving; });
    if (last && u->inode && find(u->inode->number, u->offset) == u) tree_.erase({u->inode->number, u->offset});
    co_await kernel_.step(kernel_.actor(), Step::unregistered, u->offset, u->number);
    co_return true;
}

int Uprobes::add_now(Consumer& c, std::shared_ptr<Inode> inode, std::uint64_t offset) {
    int error = 0;
    kernel_.run_atomically(add(c, std::move(inode), offset, &error));
    return error;
}

int Uprobes::add_at_now(Consumer& c, Process& p, Addr address) {
    int error = 0;
    kernel_.run_atomically(add_at(c, p, address, &error));
    return error;
}

void Uprobes::remove_now(Consumer& c) {
    if (c.uprobe == nullptr) return;
    if (c.uprobe->running > 0) {
        if (!c.leaving) leaving_.push_back(&c);
        c.leaving = true;
        refresh(*c.uprobe);
        return;
    }
    kernel_.run_atomically(remove(c));
}

} // namespace trapline
