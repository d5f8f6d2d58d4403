#include "loader/stack.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <elf.h>
#include <string_view>

namespace trapline {
namespace {

constexpr std::uint64_t kHardwareCapabilities = 0x78bfbfd; // CPUID.1:EDX of the emulated processor: up to SSE2, no AVX
constexpr std::uint64_t kSignalStack = 2048;               // a signal frame with the legacy FXSAVE area fits
constexpr std::string_view kPlatform = "x86_64";

/// The stack's bytes, from its top downwards.
class Downwards {
  public:
    explicit Downwards(Addr top) : top_(top) {}
    Addr push(const void* data, std::size_t n) {
        bytes_.resize(bytes_.size() + n);
        // Kept backwards, so that pushing costs only what is pushed.
        const auto* from = static_cast<const std::uint8_t*>(data);
        std::reverse_copy(from, from + n, bytes_.end() - static_cast<std::ptrdiff_t>(n));
        return top_ - bytes_.size();
    }
    Addr push(std::string_view text) {
        push("", 1);
        return push(text.data(), text.size());
    }
    void align(std::uint64_t to, std::uint64_t and_then) {
        while ((top_ - bytes_.size() - and_then) % to != 0) bytes_.push_back(0);
    }
    [[nodiscard]] Addr at() const { return top_ - bytes_.size(); }
    std::vector<std::uint8_t> upwards() {
        std::reverse(bytes_.begin(), bytes_.end());
        return std::move(bytes_);
    }

  private:
    Addr top_;
    std::vector<std::uint8_t> bytes_;
};

} // namespace

std::uint64_t most_arguments(std::uint64_t limit) {
    constexpr std::uint64_t kLeast = 32 * kPageSize, kMost = 6u << 20; // ARG_MAX pages; 3/4 of the default stack
    return std::clamp(limit / 4, kLeast, kMost);
}

long make_stack(Mm& mm, const StackContents& contents, bool executable, InitialStack& out) {
    std::uint64_t bytes = 0;
    for (const auto* strings : {&contents.args, &contents.environment})
        for (const std::string& s : *strings) {
            if (s.size() >= kLongestArgument) return -E2BIG;
            bytes += s.size() + 1 + sizeof(Addr);
        }
    if (bytes > most_arguments(mm.limit_stack)) return -E2BIG;

    Downwards stack(mm.layout().stack_top);
    constexpr std::uint64_t kNothing = 0;
    stack.push(&kNothing, sizeof kNothing);
    const Addr path = stack.push(contents.path);
    auto push_all = [&](const std::vector<std::string>& strings) {
        std::vector<std::uint64_t> at(strings.size());
        for (std::size_t i = strings.size(); i-- > 0;) at[i] = stack.push(strings[i]);
        return at;
    };
    out.environment_end = stack.at();
    const std::vector<std::uint64_t> environment = push_all(contents.environment);
    out.environment = out.arguments_end = stack.at();
    const std::vector<std::uint64_t> args = push_all(contents.args);
    out.arguments = stack.at();
    stack.align(16, 0); // Linux (arch_align_stack): how fast string functions are depends on it
    const Addr platform = stack.push(kPlatform);
    const Addr random = stack.push(contents.random.data(), contents.random.size());

    std::vector<std::uint64_t> words;
    words.push_back(args.size());
    words.insert(words.end(), args.begin(), args.end());
    words.push_back(0);
    words.insert(words.end(), environment.begin(), environment.end());
    words.push_back(0);
    auto aux = [&](std::uint64_t type, std::uint64_t value) { words.insert(words.end(), {type, value}); };
    aux(AT_MINSIGSTKSZ, kSignalStack);
    aux(AT_HWCAP, kHardwareCapabilities);
    aux(AT_PAGESZ, kPageSize);
    aux(AT_CLKTCK, 100);
    aux(AT_PHDR, contents.phdr);
    aux(AT_PHENT, sizeof(Elf64_Phdr));
    aux(AT_PHNUM, contents.phnum);
    aux(AT_BASE, contents.interpreter_base);
    aux(AT_FLAGS, 0);
    aux(AT_ENTRY, contents.entry);
    for (std::uint64_t id : {AT_UID, AT_EUID, AT_GID, AT_EGID}) aux(id, 0);
    aux(AT_SECURE, 0);
    aux(AT_RANDOM, random);
    aux(AT_HWCAP2, 0);
    aux(AT_EXECFN, path);
    aux(AT_PLATFORM, platform);
    aux(AT_NULL, 0);
    stack.align(16, words.size() * sizeof(std::uint64_t));
    out.pointer = stack.push(words.data(), words.size() * sizeof(std::uint64_t));

    constexpr std::uint64_t kRoom = 128u << 10; // mapped from the start; below it the stack grows by page faults
    Vma v;
    v.end = mm.layout().stack_top;
    v.start = page_floor(out.pointer) - kRoom;
    v.prot = static_cast<std::uint8_t>(prot::read | prot::write | (executable ? prot::exec : prot::none));
    v.grows_down = true;
    v.name = "[stack]";
    if (!mm.range_free(v.start, v.end - v.start)) return -ENOMEM; // the program wants to be where the stack is
    if (const long r = mm.map(std::move(v)); r != 0) return r;
    const std::vector<std::uint8_t> image = stack.upwards();
    return mm.write(out.pointer, image.data(), image.size()) ? 0 : -ENOMEM;
}

} // namespace trapline
