#include "emu/cpu/context.hpp"

#include "emu/check.hpp"
#include "emu/cpu/engine_registers.hpp"

#include <cstring>

namespace trapline {

Context::Context(uc_struct* engine) : engine_(engine) {
    uc_context* made = nullptr;
    const uc_err e = uc_context_alloc(engine_, &made);
    TL_CHECK(e == UC_ERR_OK, "context: {}", uc_strerror(e));
    // The engine takes its memory from malloc. A thread's registers are part of the machine and lie where it does.
    const std::size_t bytes = uc_context_size(engine_);
    saved_ = static_cast<uc_context*>(::operator new(bytes));
    std::memcpy(static_cast<void*>(saved_), static_cast<const void*>(made), bytes);
    uc_context_free(made);
}

Context::~Context() { ::operator delete(static_cast<void*>(saved_)); }

void Context::copy_from(const Context& other) {
    std::memcpy(static_cast<void*>(saved_), static_cast<const void*>(other.saved_), uc_context_size(engine_));
    reported_watch = 1;
    root_ = other.root_;
}

std::uint64_t Context::get(Reg r) const {
    std::uint64_t v = 0;
    uc_context_reg_read(saved_, engine_register(r), &v);
    return v;
}

void Context::set(Reg r, std::uint64_t value) { uc_context_reg_write(saved_, engine_register(r), &value); }

std::int32_t Context::word(std::size_t offset) const {
    std::int32_t v = 0;
    std::memcpy(&v, reinterpret_cast<const char*>(saved_) + offset, sizeof v);
    return v;
}

void Context::set_word(std::size_t offset, std::int32_t value) {
    std::memcpy(reinterpret_cast<char*>(saved_) + offset, &value, sizeof value);
}

ContextLayout ContextLayout::find(const Context& before, const Context& read_fault, const Context& write_fault,
                                  std::size_t size) {
    ContextLayout layout;
    int old_exceptions = 0;
    int error_codes = 0;
    for (std::size_t o = 0; o + 4 <= size; o += 4) {
        std::int32_t a = before.word(o);
        std::int32_t b = read_fault.word(o);
        std::int32_t c = write_fault.word(o);
        if (a == -1 && b == static_cast<int>(vector::page_fault) && c == b) layout.old_exception = o, ++old_exceptions;
        if (b == static_cast<int>(pf::user) && c == static_cast<int>(pf::user | pf::write))
            layout.error_code = o, ++error_codes;
    }
    TL_CHECK(old_exceptions == 1 && error_codes == 1,
             "this build of the CPU engine keeps its fault state elsewhere ({} and {} candidates); 2.1.1 is supported",
             old_exceptions, error_codes);
    return layout;
}

} // namespace trapline
