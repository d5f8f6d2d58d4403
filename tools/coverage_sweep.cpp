#include "tools/coverage_sweep.hpp"

#include "decoder/insn.hpp"
#include "decoder/region.hpp"
#include "loader/byte_source.hpp"
#include "loader/host_fd.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>

namespace trapline {
namespace {

constexpr std::uint64_t kLongestFunction = 1U << 28; // larger ones are no functions, and get no map

std::size_t hash_of(const Facts& facts) {
    const auto words = std::bit_cast<std::array<std::uint64_t, 2>>(facts);
    const std::uint64_t mixed = (words[0] ^ (words[1] * 0x9e3779b97f4a7c15)) * 0xd6e8feb86659fd93;
    return static_cast<std::size_t>(mixed >> 32);
}

/// What distinguishes the mnemonics of an opcode: prefixes, the widths, the fields of ModRM that belong to the opcode.
std::uint64_t form_of(const KernelCopy& copy) {
    const Outline& insn = copy.insn->shape;
    std::uint64_t form = insn.map | std::uint64_t{insn.opcode} << 8;
    constexpr std::uint64_t telling =
        prefix::operand_size | prefix::address_size | prefix::lock | prefix::repne | prefix::rep;
    form |= (insn.prefixes & telling) << 16;
    form |= std::uint64_t{static_cast<std::uint8_t>(insn.rex & 8)} << 28;
    form |= std::uint64_t{insn.vex} << 32 | std::uint64_t{insn.evex} << 33 | std::uint64_t{insn.xop} << 34;
    if (insn.has_modrm) {
        const bool in_register = insn.mod() == 3;
        form |= std::uint64_t{insn.reg()} << 35 | std::uint64_t{in_register} << 38;
        if (in_register) form |= std::uint64_t{insn.rm()} << 39;
    }
    if (insn.vector()) form |= std::uint64_t{copy.bytes[insn.vector_offset + insn.vector_size - 1u]} << 42;
    // The comparisons of SSE have a name for each immediate.
    if (insn.opcode == 0xc2 && insn.imm_size == 1) form |= std::uint64_t{copy.bytes[insn.imm_offset]} << 50;
    return form;
}

/// Counts by the number that FactsTable gives.
class Counts {
  public:
    void add(std::uint32_t number) {
        if (number >= counts_.size()) counts_.resize(number + 64);
        ++counts_[number];
    }
    void move_to(FactsCount& into, const FactsTable& table) {
        for (std::size_t i = 0; i < counts_.size(); ++i)
            if (counts_[i] != 0) into[table.all()[i]] += std::exchange(counts_[i], 0);
    }

  private:
    std::vector<std::uint64_t> counts_;
};

class Sweep {
  public:
    Sweep(FileCoverage& out, const ScanOptions& options, Mnemonics& mnemonics, std::atomic<std::uint64_t>& swept)
        : out_(out), options_(options), mnemonics_(mnemonics), swept_(swept) {}

    /// `code` holds the bytes of `range`; functions that lie in it are walked as such, what is between them by itself.
    void range(const CodeRange& range, std::span<const std::uint8_t> code, const std::vector<CodeFunction>& functions) {
        const Addr end = range.address + range.size;
        Addr at = range.address;
        auto function = std::lower_bound(functions.begin(), functions.end(), at,
                                         [](const CodeFunction& f, Addr a) { return f.address + f.size <= a; });
        for (; function != functions.end() && function->address < end; ++function) {
            const Addr from = std::max(function->address, range.address);
            at = piece(range, code, at, from, nullptr);
            // A symbol says where an instruction starts. An unwind record may start in the padding before it.
            if (at < from || !function->name.empty()) at = from;
            at = piece(range, code, at, std::min(function->address + function->size, end), &*function);
        }
        piece(range, code, at, end, nullptr);
    }

    void finish() {
        totals_.move_to(out_.counts, table_);
        for (std::uint32_t i = 0; i < by_mnemonic_.size(); ++i) {
            FactsCount counts;
            by_mnemonic_[i].move_to(counts, table_);
            if (!counts.empty()) out_.groups[mnemonics_.name(i)] = std::move(counts);
        }
    }

  private:
    struct Pending { // one instruction of the piece that is being walked
        Facts facts;
        std::uint64_t offset;
    };

    /// Returns where its last instruction ends, which may lie behind it.
    Addr piece(const CodeRange& range, std::span<const std::uint8_t> code, Addr from, Addr to,
               const CodeFunction* function) {
        if (from >= to) return from;
        const bool mapped = function != nullptr && to - from <= kLongestFunction;
        const std::span<const std::uint8_t> rest = code.subspan(from - range.address);
        const std::uint64_t size = to - from;
        map_.clear();
        std::uint64_t at = 0;
        while (at < size) {
            const KernelCopy copy(rest.subspan(at, std::min<std::uint64_t>(rest.size() - at, kernel_copy)));
            const bool cut = copy.insn && at + copy.insn->shape.length > rest.size();
            if (!copy.insn || copy.insn->shape.undefined || cut) {
                ++out_.undecodable;
                ++at;
                map_.spoil();
                continue;
            }
            if (mapped) {
                map_.add(copy, static_cast<std::uint32_t>(at));
                if (at + copy.insn->shape.length > size) map_.spoil(); // runs into the next function
            }
            pending_.push_back({facts_of(copy, from + at), at});
            if (options_.by == ScanOptions::By::mnemonic) names_.push_back(mnemonics_.number_of(copy));
            at += copy.insn->shape.length;
            if (!mapped && pending_.size() == kBatch) settle(range, rest, from, function, false);
        }
        if (mapped) map_.finish(static_cast<std::uint32_t>(size));
        settle(range, rest, from, function, mapped);
        return from + at;
    }

    /// Counts what is pending, now that the whole function has been seen.
    void settle(const CodeRange& range, std::span<const std::uint8_t> rest, Addr from, const CodeFunction* function,
                bool mapped) {
        for (std::size_t i = 0; i < pending_.size(); ++i) {
            Facts& facts = pending_[i].facts;
            if (mapped) facts.jump = map_.jump_region_of(i).refused;
            const std::uint32_t number = table_.number_of(facts);
            totals_.add(number);
            if (options_.by == ScanOptions::By::mnemonic) count_mnemonic(names_[i], number);
            if (options_.by == ScanOptions::By::function) of_function_.add(number);
            if (options_.listed && options_.listed(facts)) list(range, rest, from, pending_[i].offset, function);
        }
        out_.instructions += pending_.size();
        swept_ += pending_.size();
        if (options_.by == ScanOptions::By::function && !pending_.empty())
            of_function_.move_to(out_.groups[name_of(function)], table_);
        pending_.clear();
        names_.clear();
    }

    void count_mnemonic(std::uint32_t name, std::uint32_t number) {
        if (name >= by_mnemonic_.size()) by_mnemonic_.resize(name + 1);
        by_mnemonic_[name].add(number);
    }

    static std::string name_of(const CodeFunction* function) {
        if (function == nullptr) return "(no function)";
        return function->name.empty() ? fmt::format("function at {:#x}", function->address) : function->name;
    }

    /// A line: a probe specification, the place, the bytes, the text.
    void list(const CodeRange& range, std::span<const std::uint8_t> rest, Addr from, std::uint64_t offset,
              const CodeFunction* function) {
        const auto bytes = rest.subspan(offset, std::min<std::size_t>(rest.size() - offset, kernel_copy));
        const Addr address = from + offset;
        std::string place = fmt::format("{:#x}", address);
        if (function != nullptr) {
            place = name_of(function);
            if (address != function->address) place += fmt::format("+{:#x}", address - function->address);
        }
        const auto shape = outline(bytes);
        out_.listing += fmt::format("{}:{:#x}\t{}\t{}\t{}\n", out_.path, address - range.address + range.offset, place,
                                    hex(bytes.first(shape ? shape->length : 1)), printer_.text(bytes, address));
    }

    static constexpr std::size_t kBatch = 1 << 16;

    FileCoverage& out_;
    const ScanOptions& options_;
    Mnemonics& mnemonics_;
    std::atomic<std::uint64_t>& swept_;
    FactsTable table_;
    Counts totals_, of_function_;
    std::vector<Counts> by_mnemonic_;
    FunctionMap map_;
    std::vector<Pending> pending_;
    std::vector<std::uint32_t> names_; // of the pending ones
    Disassembler printer_;
};

} // namespace

std::uint32_t FactsTable::number_of(const Facts& facts) {
    std::size_t slot = hash_of(facts);
    for (;; ++slot) {
        const std::uint32_t number = slots_[slot & (slots_.size() - 1)];
        if (number == 0) break;
        if (facts_[number - 1] == facts) return number - 1;
    }
    if (facts_.size() * 2 >= slots_.size()) {
        slots_.assign(slots_.size() * 2, 0);
        for (std::size_t i = 0; i < facts_.size(); ++i) {
            std::size_t at = hash_of(facts_[i]);
            while (slots_[at & (slots_.size() - 1)] != 0) ++at;
            slots_[at & (slots_.size() - 1)] = static_cast<std::uint32_t>(i + 1);
        }
        slot = hash_of(facts);
        while (slots_[slot & (slots_.size() - 1)] != 0) ++slot;
    }
    facts_.push_back(facts);
    slots_[slot & (slots_.size() - 1)] = static_cast<std::uint32_t>(facts_.size());
    return static_cast<std::uint32_t>(facts_.size() - 1);
}

struct Mnemonics::Printer {
    Disassembler disassembler;
};

Mnemonics::Mnemonics() : printer_(std::make_unique<Printer>()) {}
Mnemonics::~Mnemonics() = default;
Mnemonics::Mnemonics(Mnemonics&&) noexcept = default;

std::uint32_t Mnemonics::number_of(const KernelCopy& copy) {
    const auto [form, added] = forms_.try_emplace(form_of(copy));
    if (!added) return form->second;
    const std::string name = printer_->disassembler.mnemonic(copy.bytes);
    const auto [known, first] = numbers_.try_emplace(name, static_cast<std::uint32_t>(names_.size()));
    if (first) names_.push_back(name);
    return form->second = known->second;
}

Result<FileCoverage> sweep_file(const std::string& path, const ScanOptions& options, Mnemonics& mnemonics,
                                std::atomic<std::uint64_t>& swept) {
    const HostFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd.get() < 0) return fail(std::strerror(errno), {}, path);
    const auto code = read_code(fd.get(), path);
    if (!code) return tl::make_unexpected(code.error());
    FileCoverage out;
    out.path = path;
    Sweep sweep(out, options, mnemonics, swept);
    const ByteSource file(fd.get());
    std::vector<std::uint8_t> bytes;
    for (const CodeRange& range : code->ranges) {
        bytes.resize(range.size);
        if (!file.read(range.offset, bytes.data(), bytes.size())) return fail("cannot be read", {}, path);
        sweep.range(range, bytes, code->functions);
    }
    sweep.finish();
    return out;
}

} // namespace trapline
