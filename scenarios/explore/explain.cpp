#include "scenarios/explore/explain.hpp"

#include "emu/snapshot/arena.hpp"
#include "scenarios/explore/search.hpp"
#include "scenarios/record.hpp"
#include "scenarios/text_state.hpp"

#include <algorithm>
#include <bit>
#include <fmt/format.h>

namespace trapline {
namespace {

/// A run of more stretches is not explained: every two are looked at.
constexpr std::size_t kLongest = 2'000;
constexpr std::size_t kMostRaces = 200;

/// A stretch of the run, with what there is to say about it.
struct Piece {
    unsigned task = 0;
    Stretch stretch;
    std::vector<bool> after; // which of the pieces before it happened before it
    std::size_t first_record = 0, last_record = 0;
    bool fetches = false;      // begins with a probed instruction
    Addr address = 0;          // that one
    Addr reaches = 0;          // ends before this one
    std::uint64_t retired = 0; // instructions that it executed
    bool ends_with_step = false;
};

class Explainer {
  public:
    Explainer(const RunRequest& request, const ExploreSection& section, const Token& token)
        : request_(request), section_(section), token_(token) {}

    Result<Explanation> go(const std::function<bool(const RunReport&)>& like_this) {
        // The recorder and what it makes outlive every run: none of it is the machine's.
        auto recorder = std::make_shared<Recorder>();
        request_.log = [this, recorder](const Event& e, const Kernel& k) {
            const Arena::Off off;
            if (keep_) records_.push_back(recorder->record(e, k));
        };
        auto built = MachineSpace::build(request_, section_);
        if (!built) return tl::make_unexpected(built.error());
        space_ = std::move(*built);
        if (auto r = follow(); !r) return tl::make_unexpected(r.error());
        names_ = place_names(space_->report());
        Explanation out;
        out.script = script();
        if (pieces_.size() > kLongest) return out;
        order();
        std::size_t races = 0;
        for (std::size_t j = 0; j < pieces_.size() && races < kMostRaces; ++j)
            for (std::size_t i = j; i-- > 0 && races < kMostRaces;) {
                if (!race(i, j)) continue;
                ++races;
                turn_round(i, j);
                if (!like_this(space_->report())) out.decisive.push_back({name(pieces_[i]), name(pieces_[j])});
            }
        return out;
    }

  private:
    /// The token's run, noting everything.
    Result<void> follow() {
        space_->restart();
        Kernel& k = space_->rig().kernel();
        keep_ = true;
        start_ = records_.size();
        retired_before_ = k.cpu().retired();
        std::size_t next = 0;
        std::optional<TaskRef> holder;
        std::array<std::optional<Addr>, 64> fetching{};
        for (TaskSet ready = space_->ready(); ready != 0; ready = space_->ready()) {
            while (next < token_.switches.size() && space_->is_due(token_.switches[next]))
                holder = token_.switches[next++].to;
            const Task* t = holder ? k.task_named(to_string(*holder)) : nullptr;
            if (t == nullptr || (ready & only(t->serial)) == 0)
                return fail("the token leaves the space that was searched", "it was made with another [explore]");
            Piece& p = pieces_.emplace_back();
            p.task = t->serial;
            p.first_record = records_.size();
            if (fetching[p.task]) {
                p.fetches = true;
                p.address = *fetching[p.task];
            }
            fetching[p.task].reset();
            const std::uint64_t before = k.cpu().retired(), fetches = space_->fetch_points();
            space_->advance(p.task, &p.stretch);
            p.last_record = records_.size();
            p.retired = k.cpu().retired() - before;
            p.ends_with_step = k.position().second == 0;
            if (space_->fetch_points() != fetches)
                for (const auto& task : k.tasks())
                    if (task->serial == p.task) fetching[p.task] = p.reaches = k.get(*task, Reg::rip);
        }
        keep_ = false;
        return {};
    }

    /// What happened before what: the same task's, what made a task ready, what conflicts; and all that follows.
    void order() {
        for (std::size_t j = 0; j < pieces_.size(); ++j) {
            Piece& p = pieces_[j];
            p.after.assign(j, false);
            for (std::size_t i = j; i-- > 0;) {
                const Piece& e = pieces_[i];
                if (p.after[i] || (e.task != p.task && (e.stretch.made_ready & only(p.task)) == 0 &&
                                   !e.stretch.footprint.conflicts(p.stretch.footprint)))
                    continue;
                p.after[i] = true;
                for (std::size_t k = 0; k < i; ++k)
                    if (e.after[k]) p.after[k] = true;
            }
        }
    }

    /// The two conflict, and nothing between them says which comes first.
    [[nodiscard]] bool race(std::size_t i, std::size_t j) const {
        const Piece &e = pieces_[i], &l = pieces_[j];
        if (e.task == l.task || (e.stretch.made_ready & only(l.task)) != 0 ||
            !e.stretch.footprint.conflicts(l.stretch.footprint))
            return false;
        for (std::size_t k = i + 1; k < j; ++k)
            if (l.after[k] && pieces_[k].after[i]) return false;
        return true;
    }

    /// A run in which `later` comes before `earlier`, and else as much as possible as it was.
    void turn_round(std::size_t earlier, std::size_t later) {
        TaskOrder wanted, then;
        for (std::size_t i = 0; i < pieces_.size(); ++i) {
            const bool moves = i > earlier && i < later && pieces_[i].after[earlier];
            if (i == earlier || moves || i > later)
                then.push_back(pieces_[i].task);
            else
                wanted.push_back(pieces_[i].task);
        }
        wanted.insert(wanted.end(), then.begin(), then.end());
        space_->restart();
        unsigned last = space_->holder();
        std::size_t next = 0, length = 0;
        for (TaskSet ready = space_->ready(); ready != 0; ready = space_->ready()) {
            if (++length > 2 * kLongest) return space_->give_up();
            while (next < wanted.size() && (ready & only(wanted[next])) == 0) ++next;
            unsigned task = next < wanted.size() ? wanted[next++] : last;
            if ((ready & only(task)) == 0) task = static_cast<unsigned>(std::countr_zero(ready));
            space_->advance(task, nullptr);
            last = task;
        }
    }

    [[nodiscard]] const Record* last_step(const Piece& p) const {
        for (std::size_t i = p.last_record; i-- > p.first_record;)
            if (records_[i].serial == p.task) return &records_[i];
        return nullptr;
    }

    [[nodiscard]] std::string task_name(unsigned serial) const {
        for (const Record& r : records_)
            if (r.serial == serial) return r.task;
        return fmt::format("task {}", serial);
    }

    [[nodiscard]] std::string name(const Piece& p) const {
        const Record* step = last_step(p);
        if (p.fetches && (step == nullptr || step->step != Step::trap))
            return fmt::format("{} executes {}", task_name(p.task), place_name(names_, p.address));
        if (p.reaches != 0) return fmt::format("{} reaches {}", task_name(p.task), place_name(names_, p.reaches));
        if (step == nullptr) return fmt::format("{} runs on", task_name(p.task));
        std::string text = fmt::format("{} {}", step->task, step_info(step->step).name);
        if (!step->text.empty() && step->step == Step::syscall) text += " " + step->text;
        return text;
    }

    /// A part of the run in which one task was alone.
    struct Turn {
        unsigned task = 0;
        std::size_t first_record = 0, last_record = 0;
        std::uint64_t retired = 0;
        bool ends_with_step = true;
    };

    /// The turns from the program's first instruction on. None when several tasks ran before the search began: what
    /// they did then was round robin's choice, and cannot be said in a script.
    [[nodiscard]] std::vector<Turn> turns() const {
        std::vector<Turn> out;
        unsigned first = pieces_.empty() ? 0 : pieces_.front().task;
        for (std::size_t i = start_; i-- > 0;)
            if (records_[i].serial != 0 && records_[i].step != Step::created) first = records_[i].serial;
        for (std::size_t i = 0; i < start_; ++i)
            if (records_[i].serial != 0 && records_[i].step != Step::created && records_[i].serial != first) return {};
        out.push_back({first, 0, start_, retired_before_, true});
        for (const Piece& p : pieces_) {
            if (out.back().task != p.task) out.push_back({p.task, p.first_record, 0, 0, true});
            Turn& t = out.back();
            t.last_record = p.last_record;
            t.retired += p.retired;
            t.ends_with_step = p.ends_with_step;
        }
        return out;
    }

    /// "t1 until text-restored; t2 until 3 instructions": a turn ends at a step, or between two.
    [[nodiscard]] std::string script() const {
        std::string out;
        const std::vector<Turn> all = turns();
        for (std::size_t i = 0; i + 1 < all.size(); ++i) { // who runs last needs no telling
            const Turn& t = all[i];
            const auto own = [&](const Record& r) { return r.serial == t.task || r.step == Step::created; };
            const Record* last = nullptr;
            for (std::size_t k = t.first_record; k < t.last_record; ++k)
                if (own(records_[k])) last = &records_[k];
            std::string until;
            if (last != nullptr && t.ends_with_step) {
                const bool call = last->step == Step::syscall;
                std::uint64_t times = 0;
                for (std::size_t k = t.first_record; k < t.last_record; ++k)
                    if (own(records_[k]) && records_[k].step == last->step && (!call || records_[k].text == last->text))
                        ++times;
                until = call                         ? "syscall " + last->text
                        : last->step == Step::exited ? "exit"
                                                     : std::string(step_info(last->step).name);
                if (times > 1) until += fmt::format(" x{}", times);
            } else if (t.retired > 0) {
                until = fmt::format("{} instructions", t.retired);
            }
            if (!until.empty()) out += fmt::format("{}{} until {}", out.empty() ? "" : "; ", task_name(t.task), until);
        }
        return out;
    }

    RunRequest request_;
    const ExploreSection& section_;
    const Token& token_;
    std::unique_ptr<MachineSpace> space_;
    bool keep_ = true; // also while the machine runs to the start
    std::vector<Record> records_;
    std::size_t start_ = 0; // of the search, among the records
    std::uint64_t retired_before_ = 0;
    std::vector<Piece> pieces_;
    PlaceNames names_;
};

} // namespace

Result<Explanation> explain(const RunRequest& request, const ExploreSection& section, const Token& token,
                            const std::function<bool(const RunReport&)>& like_this) {
    return Explainer(request, section, token).go(like_this);
}

} // namespace trapline
