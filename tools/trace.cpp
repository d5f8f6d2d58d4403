#include "tools/trace.hpp"

#include "scenarios/picture.hpp"
#include "tools/hits.hpp"
#include "tools/json_out.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace trapline {
namespace {

// What Chrome's format calls processes and threads are groups and tracks here.
constexpr int kCpus = 1, kTasks = 2, kPlaces = 3, kCounters = 4;

class Trace {
  public:
    Trace(std::uint64_t hz, OutputFile& file) : hz_(hz), file_(file) { file_.write("{\"traceEvents\":[\n"); }

    void name(int group, std::string_view text) {
        put(fmt::format("{{\"ph\":\"M\",\"pid\":{},\"name\":\"process_name\",\"args\":{{\"name\":{}}}}}", group,
                        json_string(text)));
    }
    void name(int group, std::size_t track, std::string_view text) {
        put(fmt::format("{{\"ph\":\"M\",\"pid\":{},\"tid\":{},\"name\":\"thread_name\",\"args\":{{\"name\":{}}}}}",
                        group, track, json_string(text)));
        put(fmt::format("{{\"ph\":\"M\",\"pid\":{0},\"tid\":{1},\"name\":\"thread_sort_index\",\"args\":"
                        "{{\"sort_index\":{1}}}}}",
                        group, track));
    }
    /// `args` is a JSON object, or empty.
    void event(char phase, int group, std::size_t track, Cycles time, std::string_view text,
               const std::string& args = {}, std::string_view more = {}) {
        put(fmt::format("{{\"ph\":\"{}\",\"pid\":{},\"tid\":{},\"ts\":{},\"name\":{}{}{}{}}}", phase, group, track,
                        microseconds(time), json_string(text), args.empty() ? "" : ",\"args\":", args, more));
    }
    void end(std::string_view what) {
        file_.write(
            fmt::format("\n],\"displayTimeUnit\":\"ns\",\"otherData\":{{\"made by\":{}}}}}\n", json_string(what)));
    }

  private:
    void put(const std::string& line) {
        if (!first_) file_.write(",\n");
        first_ = false;
        file_.write(line);
    }
    /// With six decimals: a cycle is less than a nanosecond.
    std::string microseconds(Cycles c) const {
        __extension__ using Wide = unsigned __int128;
        const auto picoseconds = static_cast<std::uint64_t>(static_cast<Wide>(c) * 1'000'000'000'000 / hz_);
        return fmt::format("{}.{:06}", picoseconds / 1'000'000, picoseconds % 1'000'000);
    }

    std::uint64_t hz_;
    OutputFile& file_;
    bool first_ = true;
};

/// One track: slices that are opened and closed like brackets, at times that never fall.
class Track {
  public:
    Track() = default;
    Track(Trace& trace, int group, std::size_t number) : trace_(&trace), group_(group), number_(number) {}

    void begin(Cycles t, const std::string& text, const std::string& args = {}) {
        trace_->event('B', group_, number_, at(t), text, args);
        open_.push_back(text);
    }
    void end(Cycles t) {
        if (open_.empty()) return;
        trace_->event('E', group_, number_, at(t), open_.back());
        open_.pop_back();
    }
    void end_all(Cycles t) {
        while (!open_.empty()) end(t);
    }
    void instant(Cycles t, const std::string& text, const std::string& args) {
        trace_->event('i', group_, number_, at(t), text, args, ",\"s\":\"t\"");
    }
    /// One end of an arrow, bound to the slice that is open.
    void arrow(bool head, Cycles t, std::uint64_t id) {
        trace_->event(head ? 'f' : 's', group_, number_, at(t), "hit", {},
                      fmt::format(",\"cat\":\"hit\",\"id\":{}{}", id, head ? ",\"bp\":\"e\"" : ""));
    }
    [[nodiscard]] Cycles last() const { return last_; }

  private:
    Cycles at(Cycles t) { return last_ = std::max(last_, t); }

    Trace* trace_ = nullptr;
    int group_ = 0;
    std::size_t number_ = 0;
    Cycles last_ = 0;
    std::vector<std::string> open_;
};

class Writer {
  public:
    Writer(std::span<const Record> records, const PlaceNames& names, std::uint64_t hz, OutputFile& file)
        : records_(records), names_(names), sentences_(explain_misses(records, names)), trace_(hz, file) {
        trace_.name(kCpus, "CPUs");
        trace_.name(kTasks, "threads");
        trace_.name(kPlaces, "probe points");
        trace_.name(kCounters, "counters");
        for (const HitSpan& hit : find_hits(records)) {
            begins_.emplace(hit.first, hit);
            ends_.emplace(hit.last, hit);
        }
    }

    void go() {
        for (std::size_t i = 0; i < records_.size(); ++i) {
            const Record& r = records_[i];
            state_.apply(r);
            if (r.kind == Record::Kind::miss)
                miss(i);
            else
                event(i);
        }
        Cycles end = 0;
        for (const auto& [key, track] : tracks_) end = std::max(end, track.last());
        for (auto& [key, track] : tracks_) track.end_all(end);
        trace_.end(std::string("trapline ") + TRAPLINE_VERSION);
    }

  private:
    void event(std::size_t i) {
        const Record& r = records_[i];
        const Cycles start = r.time - std::min(r.time, r.cost);
        const std::string args = details(r);
        const std::string name(step_info(r.step).name);
        if (r.cpu >= 0) {
            Track& cpu = track(kCpus, static_cast<std::size_t>(r.cpu), fmt::format("CPU {}", r.cpu));
            std::uint32_t& who = on_cpu_[r.cpu];
            if (who != r.serial) {
                cpu.end_all(start);
                if (r.serial != 0) cpu.begin(start, r.task);
                who = r.serial;
            }
            cpu.begin(start, name, args);
            arrow(cpu, i, start, r.time);
            cpu.end(r.time);
        }
        if (r.serial != 0) {
            Track& task = track(kTasks, r.serial, r.task);
            if (r.step == Step::woken) {
                const auto slept = asleep_.find(r.serial);
                task.begin(slept == asleep_.end() ? start : slept->second, "asleep");
                task.end(r.time);
            }
            if (const auto hit = begins_.find(i); hit != begins_.end())
                task.begin(start, "hit " + place_name(names_, hit->second.place));
            task.begin(start, name, args);
            task.end(r.time);
            if (ends_.contains(i)) task.end(r.time);
            asleep_[r.serial] = r.time;
        }
        if (const auto byte = TextState::written(r)) wrote(r, start, *byte);
        counters(r);
    }

    /// Head or tail of the arrow from the trap to what ends the hit; none for a hit that was never finished.
    void arrow(Track& cpu, std::size_t i, Cycles start, Cycles end) {
        if (const auto tail = begins_.find(i); tail != begins_.end() && finished(tail->second))
            cpu.arrow(false, start, tail->second.first + 1);
        if (const auto head = ends_.find(i); head != ends_.end() && finished(head->second))
            cpu.arrow(true, end, head->second.first + 1);
    }
    bool finished(const HitSpan& hit) const {
        return hit.ended && records_[hit.first].cpu >= 0 && records_[hit.last].cpu >= 0;
    }

    /// The track of a probe point in one address space: what stands there, and when it is being changed.
    Track& place_track(std::uint32_t space, Addr address) {
        const auto [it, fresh] = place_numbers_.emplace(TextState::Key{space, address}, place_numbers_.size());
        return track(kPlaces, it->second, fmt::format("{} in space {}", place_name(names_, address), space));
    }
    void wrote(const Record& r, Cycles start, TextState::Byte byte) {
        Track& place = place_track(r.space, r.object);
        place.end_all(start);
        place.begin(start, "being patched");
        place.end(r.time);
        place.begin(r.time, byte == TextState::Byte::breakpoint ? "int3" : fmt::format("original byte, by {}", r.task),
                    details(r));
    }
    void miss(std::size_t i) {
        const Record& r = records_[i];
        const std::string args = fmt::format("{{\"why\":{}}}", json_string(sentences_.at(i)));
        const std::string text = describe(r, names_);
        place_track(r.space, r.object).instant(r.time, text, args);
        if (r.serial != 0) track(kTasks, r.serial, r.task).instant(r.time, text, args);
    }

    void counters(const Record& r) {
        counter_time_ = std::max(counter_time_, r.time);
        if (r.frames != frames_) {
            frames_ = r.frames;
            trace_.event('C', kCounters, 0, counter_time_, "frames in use", fmt::format("{{\"frames\":{}}}", frames_));
        }
        const auto held = slots_.find(r.serial);
        if (r.step == Step::slot_taken)
            slots_[r.serial] = true;
        else if (held != slots_.end() &&
                 (r.step == Step::slot_freed || r.step == Step::aborted || r.step == Step::exited))
            slots_.erase(held);
        else
            return;
        trace_.event('C', kCounters, 1, counter_time_, "XOL slots in use",
                     fmt::format("{{\"slots\":{}}}", slots_.size()));
    }

    std::string details(const Record& r) const {
        std::string text = fmt::format("{{\"event\":{},\"cycles\":{},\"task\":{},\"object\":\"{:#x}\"", r.number,
                                       r.time, json_string(r.task), r.object);
        if (r.value != 0) text += fmt::format(",\"value\":{}", r.value);
        if (!r.text.empty()) text += fmt::format(",\"text\":{}", json_string(r.text));
        return text + "}";
    }
    Track& track(int group, std::size_t number, const std::string& name) {
        auto it = tracks_.find({group, number});
        if (it != tracks_.end()) return it->second;
        trace_.name(group, number, name);
        return tracks_.emplace(std::pair{group, number}, Track(trace_, group, number)).first->second;
    }

    std::span<const Record> records_;
    const PlaceNames& names_;
    const std::map<std::size_t, std::string> sentences_; // for misses
    Trace trace_;
    TextState state_;
    std::map<std::size_t, HitSpan> begins_, ends_; // by index of the first and the last record
    std::map<std::pair<int, std::size_t>, Track> tracks_;
    std::map<int, std::uint32_t> on_cpu_;
    std::map<std::uint32_t, Cycles> asleep_; // by task: when it was seen last
    std::map<TextState::Key, std::size_t> place_numbers_;
    std::map<std::uint32_t, bool> slots_; // tasks that hold one
    Cycles counter_time_ = 0;
    std::uint64_t frames_ = ~0ull;
};

} // namespace

void write_trace(std::span<const Record> records, const PlaceNames& names, std::uint64_t hz, OutputFile& file) {
    Writer(records, names, hz, file).go();
}

} // namespace trapline
