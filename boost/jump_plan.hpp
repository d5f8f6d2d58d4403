// boost/jump_plan.hpp: which instructions at a probe point a jump of five bytes would replace.
//
// The rules are decoder/region.hpp's. They need the whole function, so this looks it up in the file's symbols or unwind
// records and reads its bytes, as kprobes asks kallsyms. Asked once for each probe; what depends on the moment (other
// probes, threads, a detour within reach) is the strategy's business: jump.cpp.
#pragma once

#include "decoder/region.hpp"
#include "loader/code.hpp"
#include "probes/uprobe.hpp"

#include <map>

namespace trapline {

struct JumpPlan {
    Why refused = Why::no_function;
    std::vector<std::uint8_t> bytes;  ///< of the instructions that move, as the file has them
    std::vector<std::uint8_t> starts; ///< where each of them begins
    [[nodiscard]] bool possible() const { return refused == Why::none; }
    [[nodiscard]] std::uint64_t length() const { return bytes.size(); }
    /// The bytes of the instruction number `index`.
    [[nodiscard]] std::span<const std::uint8_t> instruction(std::size_t index) const {
        const std::size_t end = index + 1 < starts.size() ? starts[index + 1] : bytes.size();
        return std::span(bytes).subspan(starts[index], end - starts[index]);
    }
};

class JumpPlans {
  public:
    explicit JumpPlans(Frames& frames) : frames_(frames) {}
    const JumpPlan& of(const Uprobe& u);

  private:
    [[nodiscard]] JumpPlan make(const Uprobe& u);
    const CodeMap& code_of(const Inode& file);

    Frames& frames_;
    std::map<std::uint32_t, JumpPlan> plans_; // by Uprobe::number
    std::map<std::uint64_t, CodeMap> files_;  // by inode number
};

} // namespace trapline
