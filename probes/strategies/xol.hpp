// strategies/xol.hpp: the slot of the XOL area that a thread has for the length of one hit.
//
// `xol` is this as it stands; `xol-page` has the area in another place, `xol-int3` ends the copy in an int3 of its own.
// Read next: xol.cpp.
#pragma once

#include "probes/out_of_line.hpp"
#include "probes/xol_area.hpp"

namespace trapline {

class XolStep : public OutOfLineStep {
  public:
    explicit XolStep(Uprobes& u, XolArea::Place place = XolArea::Place::vma) : OutOfLineStep(u), place_(place) {}

    Path<bool> start(Hit hit) override;
    Path<bool> finish(Hit hit) override;
    void abort(const Hit& hit) override;
    void task_exit(const Hit& hit) override;
    /// Linux takes any int3 under a step for the end of the step.
    Path<bool> breakpoint(Task& t, Addr va) override;
    void forget(Mm& mm) override;
    std::string broken(Mm& mm) override;
    /// The process's area, mapped on first use; nullptr when there is no room for it.
    XolArea* area(Mm& mm) override;

  protected:
    /// What stands in the slot, and whether it is stepped with TF.
    struct Copy {
        std::array<std::uint8_t, 17> bytes{}; ///< by value: other threads' hits come between the steps
        std::size_t size = 16;                ///< of them are written
        bool stepped = true;
    };
    virtual Copy copy_of(const Uprobe& u);
    /// `finish`, where `end` is the step that says how the copy ended.
    Path<bool> end(Hit hit, Step end);

  private:
    Path<bool> ended_by_int3(Task& t);
    void free_slot(Task& t, XolArea& a);

    const XolArea::Place place_;
    std::map<std::uint32_t, std::unique_ptr<XolArea>> areas_; // by Mm::id, which is never 0
    std::uint32_t last_mm_ = 0;                               // whose area `last_` is
    XolArea* last_ = nullptr;
};

} // namespace trapline
