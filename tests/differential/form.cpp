#include "tests/differential/form.hpp"

#include "decoder/flow.hpp"
#include "decoder/memory_operand.hpp"
#include "emu/check.hpp"
#include "emu/rng.hpp"
#include "tests/decoder/program_code.hpp"

#include <algorithm>
#include <iterator>

namespace trapline::testing {
namespace {

constexpr std::uint64_t kPlaceInPage = 0x800;

bool is_group(const Outline& insn) {
    const uint8_t op = insn.opcode;
    if (insn.vector()) return op >= 0x71 && op <= 0x73;
    if (insn.map == map::one_byte)
        return (op >= 0x80 && op <= 0x83) || op == 0x8f || op == 0xc0 || op == 0xc1 || op == 0xc6 || op == 0xc7 ||
               (op >= 0xd0 && op <= 0xd3) || (op >= 0xd8 && op <= 0xdf) || op == 0xf6 || op == 0xf7 || op >= 0xfe;
    if (insn.map == map::m0f)
        return op <= 0x01 || op == 0x0d || op == 0x18 || op == 0x1e || (op >= 0x71 && op <= 0x73) || op == 0xae ||
               op == 0xba || op == 0xc7;
    return false;
}

/// With mod 3 the whole ModRM byte belongs to the opcode.
bool is_modrm_opcode(const Outline& insn) {
    if (insn.vector() || insn.mod() != 3) return false;
    const bool x87 = insn.map == map::one_byte && (insn.opcode & 0xf8) == 0xd8;
    return x87 || (insn.map == map::m0f && (insn.opcode == 0x01 || insn.opcode == 0x1e)) ||
           (insn.map == map::one_byte && (insn.opcode == 0xc6 || insn.opcode == 0xc7));
}

void append(std::string& key, unsigned value) {
    key += static_cast<char>(value);
    key += static_cast<char>(value >> 8);
}

} // namespace

std::string key_of(const Outline& insn, std::span<const std::uint8_t> bytes) {
    std::string key;
    append(key, static_cast<unsigned>(insn.map << 8 | insn.opcode));
    append(key, insn.prefixes);
    append(key, insn.rex == 0 ? 0u : 1u + (insn.rex >> 3 & 1u));
    append(key, insn.vector_size);
    if (insn.vector() && insn.vector_size != 0) { // W, L and pp, and what masks and rounds
        const std::uint8_t last = bytes[insn.vector_offset + (insn.vector_size == 2 ? 1u : 2u)];
        append(key, last & (insn.vector_size == 2 ? 0x07u : 0x87u));
        if (insn.evex) append(key, bytes[insn.vector_offset + 3u] & 0xf7u);
    }
    if (!insn.has_modrm) return key;
    append(key, is_group(insn) ? insn.reg() + 1u : 0u);
    if (is_modrm_opcode(insn)) append(key, insn.modrm);
    const bool reg_is_4 = insn.reg() == 4 && !(insn.rex & 4), rm_is_4 = insn.rm() == 4 && !(insn.rex & 1);
    if (insn.mod() == 3) { // rsp, or ah where a byte is meant, are a form of their own
        const bool same = insn.reg() == insn.rm() && (insn.rex >> 2 & 1) == (insn.rex & 1);
        append(key, 0x300u + (reg_is_4 ? 1u : 0u) + (rm_is_4 ? 2u : 0u) + (same ? 4u : 0u));
        return key;
    }
    const auto address = memory_operand(insn, bytes);
    const bool base = address && address->base != MemoryOperand::none,
               index = address && address->index != MemoryOperand::none;
    const bool by_rsp = base && address->base == 4, same = base && index && address->base == address->index;
    append(key, (insn.rip_relative ? 1u : 0u) + (base ? 2u : 0u) + (index ? 4u : 0u) + (by_rsp ? 8u : 0u) +
                    (same ? 16u : 0u) + (reg_is_4 ? 32u : 0u));
    append(key, insn.disp_size);
    return key;
}

void Forms::take(std::span<const std::uint8_t> bytes, const Outline& insn, bool from_map) {
    const auto own = bytes.first(insn.length);
    if (!keys_.insert(key_of(insn, own)).second) return;
    Form form;
    form.bytes.assign(own.begin(), own.end());
    form.insn = insn;
    form.from_map = from_map;
    forms_.push_back(std::move(form));
}

std::size_t Forms::harvest(const std::string& path) {
    std::size_t instructions = 0;
    for (const auto& segment : test::executable_segments(path)) {
        const std::span code(segment);
        for (std::size_t at = 0; at < code.size(); ++instructions) {
            Outline insn;
            if (decode(code.subspan(at, std::min<std::size_t>(16, code.size() - at)), insn) == Decoded::ok) {
                take(code.subspan(at, insn.length), insn, false);
                at += insn.length;
            } else {
                ++at;
            }
        }
    }
    return instructions;
}

void Forms::enumerate(std::uint64_t seed) {
    Rng random(seed);
    const std::vector<std::vector<std::uint8_t>> prefixes = {
        {}, {0x66}, {0xf2}, {0xf3}, {0x48}, {0x66, 0x48}, {0xf2, 0x48}, {0xf3, 0x48}, {0x41}, {0x67}, {0xf0}, {0x64}};
    const std::vector<std::vector<std::uint8_t>> maps = {{}, {0x0f}, {0x0f, 0x38}, {0x0f, 0x3a}};
    const std::vector<std::uint8_t> mods = {0xc0, 0x00, 0x40, 0x80, 0x05};
    for (const auto& map_bytes : maps)
        for (unsigned opcode = 0; opcode < 256; ++opcode)
            for (const auto& prefix_bytes : prefixes)
                for (const std::uint8_t mod : mods)
                    for (unsigned reg = 0; reg < 8; ++reg) {
                        std::vector<std::uint8_t> bytes = prefix_bytes;
                        bytes.insert(bytes.end(), map_bytes.begin(), map_bytes.end());
                        bytes.push_back(static_cast<std::uint8_t>(opcode));
                        const unsigned rm = mod == 0x05 ? 5 : static_cast<unsigned>(random.below(8));
                        bytes.push_back(static_cast<std::uint8_t>((mod & 0xc0) | reg << 3 | rm));
                        for (const std::uint64_t r = random.next(); bytes.size() < 16;)
                            bytes.push_back(static_cast<std::uint8_t>(r >> 8 * (bytes.size() & 7)));
                        Outline insn;
                        if (decode(bytes, insn) == Decoded::ok && !insn.undefined) take(bytes, insn, true);
                    }
}

std::vector<Form> Forms::sample(std::size_t n, std::uint64_t seed, bool (*wanted)(const Form&)) const {
    Rng random(seed);
    std::vector<Form> out;
    const auto draw = [&](bool from_map, std::size_t most) {
        std::vector<const Form*> some;
        for (const Form& form : forms_)
            if (form.from_map == from_map && wanted(form)) some.push_back(&form);
        for (std::size_t i = 0; i < std::min(most, some.size()); ++i) {
            std::swap(some[i], some[i + random.below(some.size() - i)]);
            out.push_back(*some[i]);
        }
    };
    draw(false, (n + 1) / 2);
    draw(true, n - out.size());
    return out;
}

/// lock with a bit test in a register, which a CPU refuses: the engine aborts the process while it translates it.
static bool ends_the_engine(const Outline& i) {
    const bool bit_test =
        i.opcode == 0xa3 || i.opcode == 0xab || i.opcode == 0xb3 || i.opcode == 0xbb || i.opcode == 0xba;
    return i.map == map::m0f && bit_test && (i.prefixes & prefix::lock) && i.mod() == 3;
}

const char* not_comparable(const Form& form) {
    const Outline& i = form.insn;
    if (i.vector()) return nullptr;
    if (i.map == map::one_byte) {
        if (i.opcode == 0xcd) return "a system call of 32-bit programs, or no gate";
        if (i.opcode == 0xca || i.opcode == 0xcb || i.opcode == 0xcf) return "loads a code segment";
        if (i.opcode == 0xff && (i.reg() == 3 || i.reg() == 5)) return "loads a code segment";
    }
    if (ends_the_engine(i)) return "ends the engine";
    if (i.map == map::m0f) {
        switch (i.opcode) {
        case 0x00: // sldt, str, lldt, ltr, verr, verw
        case 0x02:
        case 0x03:
            return "depends on the kernel's segment descriptors";
        case 0x01:
            return i.mod() == 3 && i.modrm != 0xd0 ? "system state, hypervisor calls, time" : "system state";
        case 0x31:
        case 0x33:
            return "time";
        case 0x34:
        case 0x35:
            return "a system call of 32-bit programs";
        case 0xa2:
            return "says which CPU it is";
        case 0xc7:
            if (i.reg() >= 6 && i.mod() == 3) return "random numbers, or the CPU's number";
            break;
        default:
            break;
        }
    }
    return nullptr;
}

namespace {

void put(Form& form, std::size_t at, std::uint64_t value, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) form.bytes[at + i] = static_cast<std::uint8_t>(value >> 8 * i);
}

bool is_relative(const Outline& insn) {
    const bool xbegin = insn.map == map::one_byte && insn.opcode == 0xc7 && insn.modrm == 0xf8 && !insn.vector();
    return xbegin || branches_relatively(flow(insn));
}

/// Somewhere among the int3 of the form's page.
Addr landing(const Form& form, Rng& random, std::uint64_t reach) {
    const Addr page = page_floor(form.at);
    for (;;) {
        const std::int64_t distance =
            static_cast<std::int64_t>(random.below(2 * reach)) - static_cast<std::int64_t>(reach);
        const Addr to = form.end() + static_cast<std::uint64_t>(distance);
        if (to >= page + 1 && to < page + kPageSize - 1 && (to + 1 < form.at || to > form.end())) return to;
    }
}

void fit(Form& form, Rng& random) {
    const Outline& insn = form.insn;
    if (is_relative(insn) && insn.imm_size != 0) {
        const Addr to = landing(form, random, insn.imm_size == 1 ? 120 : kPageSize);
        put(form, insn.imm_offset, to - form.end(), insn.imm_size);
    }
    const auto address = memory_operand(insn, form.bytes);
    if (!address) return;
    const Addr data = kDataAt + 256 + 16 * random.below((kDataBytes - 512) / 16);
    if (address->rip_relative)
        put(form, insn.disp_offset, data - form.end(), insn.disp_size);
    else if (address->base == MemoryOperand::none)
        put(form, insn.disp_offset, data, insn.disp_size);
}

} // namespace

void place(std::vector<Form>& forms, std::uint64_t seed) {
    Addr page = kFormsAt;
    for (Form& form : forms) {
        std::uint64_t key = seed;
        for (const std::uint8_t b : form.bytes) key = key * 0x100000001b3 + b;
        Rng random(key);
        const bool across = form.bytes.size() > 1 && random.below(16) == 0;
        form.at =
            page + (across ? kPageSize - 1 - random.below(form.bytes.size() - 1) : kPlaceInPage + random.below(64));
        TL_CHECK(page + 2 * kPageSize <= kFormsAt + kCodeBytes, "too many forms");
        page += across ? 2 * kPageSize : kPageSize;
        fit(form, random);
    }
}

std::vector<std::uint8_t> code_of(const std::vector<Form>& forms) {
    std::vector<std::uint8_t> code(kCodeBytes, 0xcc);
    for (const Form& form : forms)
        std::copy(form.bytes.begin(), form.bytes.end(), code.begin() + static_cast<std::ptrdiff_t>(form.at - kFormsAt));
    return code;
}

namespace {

constexpr unsigned rax = 0, rcx = 1, rdx = 2, rbx = 3, rsp = 4, rbp = 5, rsi = 6, rdi = 7;

std::uint64_t data_pointer(Rng& random) {
    const std::uint64_t at = 64 + random.below(kDataBytes - 256);
    return kDataAt + (random.below(2) ? at & ~std::uint64_t{15} : at);
}

std::uint64_t stack_pointer(Rng& random) { return kStackAt + kPageSize + 8 * random.below(kPageSize / 16); }

std::uint64_t value(Rng& random) {
    constexpr std::uint64_t edges[] = {0,          1,          ~0ull,      0x7f,       0x80,
                                       0xff,       0x7fff,     0x8000,     0xffff,     0x7fffffff,
                                       0x80000000, 0xffffffff, 1ull << 32, 1ull << 63, (1ull << 63) - 1};
    const std::uint64_t r = random.next();
    switch (r % 16) {
    case 0:
    case 1:
    case 2:
    case 3:
        return r;
    case 4:
    case 5:
        return r >> 57;
    case 6:
        return r >> 32;
    case 7:
        return std::uint64_t{0} - (r >> 57);
    case 8:
    case 9:
        return edges[(r >> 32) % std::size(edges)];
    case 10:
        return kReadOnlyAt + (r >> 32) % kReadOnlyBytes;
    case 11:
        return kReadOnlyAt + kReadOnlyBytes - (r >> 32) % 32; // across the end of what is mapped
    default:
        return data_pointer(random);
    }
}

std::uint64_t double_bits(Rng& random) {
    constexpr double some[] = {0.0,   -0.0,    1.0,    -1.0,        0.5,  1.5, 3.14159265358979,
                               1e300, -1e-300, 5e-324, 123456789.0, -7.25};
    constexpr std::uint64_t special[] = {0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000000,
                                         0x7ff4000000000000, 0x7fefffffffffffff, 0x0010000000000000,
                                         0x000fffffffffffff, 0x43e0000000000000};
    const std::uint64_t r = random.next();
    if (r % 4 == 0) return special[(r >> 8) % std::size(special)];
    double d = some[(r >> 8) % std::size(some)];
    if (r % 4 == 1) d = static_cast<double>(static_cast<std::int64_t>(r)) / 1048576.0;
    std::uint64_t bits = 0;
    std::memcpy(&bits, &d, sizeof bits);
    return bits;
}

std::uint32_t float_bits(Rng& random) {
    constexpr std::uint32_t special[] = {0x7f800000, 0xff800000, 0x7fc00000, 0x7fa00000,
                                         0x7f7fffff, 0x00800000, 0x007fffff, 0x4f000000};
    const std::uint64_t r = random.next();
    if (r % 4 == 0) return special[(r >> 8) % std::size(special)];
    const float f = static_cast<float>(static_cast<std::int32_t>(r >> 20)) / (r % 4 == 1 ? 1.0f : 1024.0f);
    std::uint32_t bits = 0;
    std::memcpy(&bits, &f, sizeof bits);
    return bits;
}

void vector_registers(Fx& image, Rng& random) {
    for (std::size_t i = 0; i < 16; ++i) {
        std::uint64_t words[2];
        const std::uint64_t kind = random.below(4);
        for (std::uint64_t& w : words) {
            if (kind == 0) w = random.next();
            if (kind == 1) w = double_bits(random);
            if (kind == 2) w = std::uint64_t{float_bits(random)} << 32 | float_bits(random);
            if (kind == 3) w = random.next() >> random.below(64);
        }
        std::memcpy(image.data() + fx::xmm + 16 * i, words, 16);
    }
}

void x87_registers(Fx& image, Rng& random) {
    const std::uint16_t control = random.below(4) ? 0x37f : static_cast<std::uint16_t>(0x7f | random.below(16) << 8);
    const auto status = static_cast<std::uint16_t>(random.next() & 0x7f00); // condition codes and the top
    const std::uint64_t kind = random.below(3);
    const auto tags = static_cast<std::uint8_t>(kind == 0 ? 0 : kind == 1 ? 0xff : random.next());
    std::memcpy(image.data() + fx::control, &control, 2);
    std::memcpy(image.data() + fx::status, &status, 2);
    image[fx::tags] = tags;
    for (std::size_t i = 0; i < 8; ++i) {
        const std::uint64_t bits = double_bits(random);
        double d = 0;
        std::memcpy(&d, &bits, sizeof d);
        const long double extended = d;
        std::memcpy(image.data() + fx::st + 16 * i, &extended, 10);
    }
}

bool one_byte(const Outline& insn, unsigned first, unsigned last) {
    return insn.map == map::one_byte && !insn.vector() && insn.opcode >= first && insn.opcode <= last;
}

Addr linear(const State& state, const MemoryOperand& address, Addr next) {
    const Addr base = address.segment == Segment::fs   ? state.fs_base
                      : address.segment == Segment::gs ? state.gs_base
                                                       : 0;
    return base + address.offset([&](unsigned r) { return state.gpr[r]; }, next);
}

/// The registers of the operand's address get values that lead to `target`.
void aim(State& state, const MemoryOperand& address, Addr target, Rng& random) {
    const auto set = [&](unsigned reg, std::uint64_t v) {
        if (address.bits == 32) v = (v & 0xffffffff) | (random.next() << 32);
        state.gpr[reg] = v;
    };
    const std::uint64_t there = target - static_cast<std::uint64_t>(address.displacement);
    const bool base = address.base != MemoryOperand::none,
               index = address.index != MemoryOperand::none && !address.vector_index;
    if (index && !base) return set(address.index, random.below(8));
    if (!base) return;
    if (index && address.index == address.base) return set(address.base, there / (1u + address.scale));
    if (index) {
        set(address.index, random.below(4) == 0 ? std::uint64_t{0} - random.below(64) : random.below(64));
        const std::uint64_t scaled = state.gpr[address.index] * address.scale;
        return set(address.base, there - scaled);
    }
    set(address.base, there);
}

} // namespace

State state_for(const Form& form, std::uint64_t number, std::uint64_t seed) {
    const Outline& insn = form.insn;
    std::uint64_t key = seed * 0x9e3779b97f4a7c15 + number;
    for (const std::uint8_t b : form.bytes) key = key * 0x100000001b3 + b;
    Rng random(key);
    State state;
    for (std::uint64_t& r : state.gpr) r = value(random);
    state.gpr[rsp] = stack_pointer(random);
    if (random.below(16) == 0) state.gpr[rsp] = random.below(2) ? kStackAt + random.below(16) : value(random);
    constexpr std::uint64_t arithmetic = 0x8d5, direction = 0x400; // CF PF AF ZF SF OF; DF
    state.flags |= random.next() & arithmetic;
    if (random.below(4) == 0) state.flags |= direction;
    state.fs_base = 8 * random.below(16);
    state.gs_base = 8 * random.below(16);
    std::uint32_t mxcsr = 0x1f80;
    if (random.below(4) == 0) mxcsr |= static_cast<std::uint32_t>(random.below(4)) << 13;
    if (random.below(16) == 0) mxcsr |= 0x8040; // flush to zero, denormals are zeroes
    const std::uint32_t mask = 0xffff;
    std::memcpy(state.fx.data() + fx::mxcsr, &mxcsr, 4);
    std::memcpy(state.fx.data() + fx::mxcsr + 4, &mask, 4);
    x87_registers(state.fx, random);
    vector_registers(state.fx, random);
    state.memory_seed = random.next();

    // Most executions shall get somewhere; some shall fault.
    const bool string = one_byte(insn, 0x6c, 0x6f) || one_byte(insn, 0xa4, 0xa7) || one_byte(insn, 0xaa, 0xaf);
    if (string && random.below(8) != 0) {
        state.gpr[rsi] = data_pointer(random);
        state.gpr[rdi] = data_pointer(random);
    }
    if (insn.rep_string && random.below(8) != 0) state.gpr[rcx] = random.below(40);
    if (one_byte(insn, 0xd7, 0xd7)) state.gpr[rbx] = data_pointer(random); // xlat
    const bool mask_move = insn.map == map::m0f && insn.opcode == 0xf7 && !insn.vector();
    if (mask_move && random.below(8) != 0) state.gpr[rdi] = data_pointer(random);
    if (one_byte(insn, 0xc9, 0xc9) && random.below(8) != 0) state.gpr[rbp] = stack_pointer(random);
    const bool division = one_byte(insn, 0xf6, 0xf7) && insn.reg() >= 6;
    if (division && random.below(2)) state.gpr[rdx] = random.below(2) ? 0 : ~0ull, state.gpr[rax] >>= random.below(48);

    const Addr to = page_floor(form.at) + 0x100 + random.below(0x400);
    const bool branch = one_byte(insn, 0xff, 0xff) && (insn.reg() == 2 || insn.reg() == 4);
    Addr target = random.below(2) ? data_pointer(random) & ~std::uint64_t{63} : data_pointer(random);
    auto address = memory_operand(insn, form.bytes);
    if (insn.rex2) address.reset(); // no such registers, and no such instruction on either CPU
    const bool split_lock = (insn.prefixes & prefix::lock) || one_byte(insn, 0x86, 0x87); // slow, and reported
    if (split_lock) target &= ~std::uint64_t{63};
    if (address && address->base == rsp) target = stack_pointer(random);
    if (address && (split_lock || random.below(8) != 0)) {
        aim(state, *address, target, random);
        if (branch) state.pokes[0] = {linear(state, *address, form.end()), to};
    }
    if (branch && !address && random.below(8) != 0) {
        const unsigned reg = insn.rm() | (insn.rex & 1u) << 3;
        if (reg != rsp) state.gpr[reg] = to;
    }
    if (one_byte(insn, 0xc2, 0xc3)) state.pokes[0] = {state.gpr[rsp], to};
    // popf shall not set TF, or what follows belongs to another instruction; and not ID, which ptrace cannot clear.
    constexpr std::uint64_t kPersistent = kFlagTrap | 1u << 21;
    if (one_byte(insn, 0x9d, 0x9d)) state.pokes[1] = {state.gpr[rsp], random.next() & ~kPersistent};
    return state;
}

} // namespace trapline::testing
