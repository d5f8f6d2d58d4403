// `trapline list`: what there is to choose from, from the tables that the machine itself uses.
#include "boost/catalogue.hpp"
#include "emu/kernel/cost.hpp"
#include "emu/kernel/step.hpp"
#include "loader/syscalls/decode.hpp"
#include "probes/dialect.hpp"
#include "scenarios/text.hpp"
#include "tools/options.hpp"
#include "tools/output_file.hpp"
#include "tools/table.hpp"

#include <array>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace trapline {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kFooter = "WHAT is one of\n"
                                "  strategies  how a probed instruction gets executed (--strategy)\n"
                                "  dialects    whose kernel's rules apply (--kernel)\n"
                                "  profiles    machines whose prices are built in (--cost)\n"
                                "  prices      what a piece of the kernel's work costs there, in nanoseconds\n"
                                "  steps       the kernel's atomic steps, as schedule scripts and logs name them\n"
                                "  syscalls    the system calls that guests can make, and what is missing in them\n"
                                "\n"
                                "Example: trapline list steps --json -\n";

/// One list: the items as JSON has them, and which of their keys are the columns of the table.
struct Listing {
    std::string_view what;
    std::vector<std::string> columns; ///< the last may be long
    Json (*items)();
    std::vector<std::string> page = {}; ///< the columns of --markdown; empty: the same
};

Json strategy_items() {
    Json items = Json::array();
    for (const StrategyInfo& info : strategies())
        items.push_back({{"name", info.name}, {"source", info.source}, {"summary", info.summary}});
    return items;
}

Json dialect_items() {
    Json items = Json::array();
    for (const Dialect& d : dialects()) {
        std::vector<std::string> rules;
        if (d.one_per_address) rules.emplace_back("one probe per address");
        if (d.per_process) rules.emplace_back("probes belong to one process");
        if (d.needs_mapping) rules.emplace_back("the place must be mapped");
        if (d.drops_copies) rules.emplace_back("copied pages go with their last probe");
        if (d.skips_writable) rules.emplace_back("writable mappings are not probed");
        if (d.leaks_step) rules.emplace_back("a step shows in pushf and syscall");
        if (d.misreads_opcodes) rules.emplace_back("some opcodes are misread when emulated");
        items.push_back({{"name", d.name},
                         {"source", d.source},
                         {"one_per_address", d.one_per_address},
                         {"per_process", d.per_process},
                         {"needs_mapping", d.needs_mapping},
                         {"drops_copies", d.drops_copies},
                         {"skips_writable", d.skips_writable},
                         {"leaks_step", d.leaks_step},
                         {"misreads_opcodes", d.misreads_opcodes},
                         {"rules", fmt::format("{}", fmt::join(rules, "; "))}});
    }
    return items;
}

/// Nanoseconds, as text: JSON keeps numbers exact by being whole, and these are not.
std::string nanoseconds(std::uint64_t ps) { return fmt::format("{}.{:03}", ps / 1000, ps % 1000); }

Json profile_items() {
    Json items = Json::array();
    for (const CostProfile& p : cost_profiles()) {
        Json prices = Json::object();
        for (std::size_t i = 0; i < kPrices; ++i)
            prices[price_info(static_cast<Price>(i)).name] = nanoseconds(p.picoseconds[i]);
        items.push_back({{"name", p.name}, {"hz", p.hz}, {"prices", std::move(prices)}, {"source", p.source}});
    }
    return items;
}

/// The pieces of work, with what each costs on every machine that is built in.
Json price_items() {
    Json items = Json::array();
    for (std::size_t i = 0; i < kPrices; ++i) {
        const PriceInfo& info = price_info(static_cast<Price>(i));
        Json item = {{"name", info.name}};
        for (const CostProfile& p : cost_profiles()) item[p.name] = nanoseconds(p.picoseconds[i]);
        item["meaning"] = info.doc;
        items.push_back(std::move(item));
    }
    return items;
}

/// A footprint in words: which kinds of objects a step reads or writes.
std::vector<std::string_view> footprint_words(std::uint16_t bits) {
    if (bits == footprint::everything) return {"everything"};
    constexpr std::array<std::pair<std::uint16_t, std::string_view>, 8> kWords = {{{footprint::registers, "registers"},
                                                                                   {footprint::text, "text"},
                                                                                   {footprint::uprobes, "uprobes"},
                                                                                   {footprint::consumers, "consumers"},
                                                                                   {footprint::slots, "slots"},
                                                                                   {footprint::slot_text, "slot-text"},
                                                                                   {footprint::frames, "frames"},
                                                                                   {footprint::memory, "memory"}}};
    std::vector<std::string_view> words;
    for (const auto& [bit, word] : kWords)
        if ((bits & bit) != 0) words.push_back(word);
    return words;
}

Json price_name(Price p) { return p == Price::none ? Json(nullptr) : Json(price_info(p).name); }

Json step_items() {
    Json items = Json::array();
    for (const StepInfo& s : all_steps())
        items.push_back({{"name", s.name},
                         {"reads", footprint_words(s.reads)},
                         {"writes", footprint_words(s.writes)},
                         {"price", price_name(s.price.once)},
                         {"price_each_other_cpu", price_name(s.price.each_other_cpu)},
                         {"meaning", s.doc}});
    return items;
}

Json syscall_items() {
    Json items = Json::array();
    for (const SyscallInfo& s : syscall_table()) {
        std::vector<std::string_view> arguments;
        for (const char letter : s.arguments) arguments.push_back(argument_kind(letter));
        items.push_back({{"number", s.number},
                         {"name", s.name},
                         {"arguments", arguments},
                         {"call", fmt::format("{}({})", s.name, fmt::join(arguments, ", "))},
                         {"status", s.status}});
    }
    return items;
}

std::vector<std::string> price_columns() {
    std::vector<std::string> columns = {"name"};
    for (const CostProfile& p : cost_profiles()) columns.push_back(p.name);
    columns.emplace_back("meaning");
    return columns;
}

const std::vector<Listing>& listings() {
    static const std::vector<Listing> all = {
        {"strategies", {"name", "source", "summary"}, strategy_items},
        {"dialects", {"name", "source", "rules"}, dialect_items},
        {"profiles", {"name", "hz", "source"}, profile_items},
        {"prices", price_columns(), price_items},
        {"steps", {"name", "meaning"}, step_items},
        {"syscalls", {"number", "name", "status"}, syscall_items, {"number", "call", "status"}},
    };
    return all;
}

std::string table_of(const Listing& listing, const Json& items) {
    std::vector<Table::Column> columns;
    for (const std::string& key : listing.columns) {
        const bool number = !items.empty() && items.front().at(key).is_number();
        columns.push_back({key, number ? Table::Kind::number : Table::Kind::text});
    }
    columns.back().kind = Table::Kind::wrapped;
    Table table(std::move(columns));
    for (const Json& item : items) {
        std::vector<std::string> cells;
        for (const std::string& key : listing.columns) {
            const Json& value = item.at(key);
            cells.push_back(value.is_string() ? value.get<std::string>() : value.dump());
        }
        table.add(std::move(cells));
    }
    return table.text();
}

/// The same table for a page of the manual.
std::string markdown_of(const Listing& listing, const Json& items) {
    const std::vector<std::string>& columns = listing.page.empty() ? listing.columns : listing.page;
    std::string text = fmt::format("| {} |\n|", fmt::join(columns, " | "));
    for (std::size_t i = 0; i < columns.size(); ++i) text += "---|";
    text += "\n";
    for (const Json& item : items) {
        text += "|";
        for (const std::string& key : columns) {
            const Json& value = item.at(key);
            text += fmt::format(" {} |", value.is_string() ? value.get<std::string>() : value.dump());
        }
        text += "\n";
    }
    return text;
}

Result<void> print_list(const std::string& what, const std::optional<std::string>& json, bool markdown) {
    std::vector<std::string> names;
    for (const Listing& listing : listings()) {
        names.emplace_back(listing.what);
        if (listing.what != what) continue;
        const Json items = listing.items();
        if (json) {
            const Json document = {{"schema", 1}, {"command", "list"}, {"what", what}, {"items", items}};
            return write_output("--json", *json, document.dump(2) + "\n");
        }
        fmt::print("{}", markdown ? markdown_of(listing, items) : table_of(listing, items));
        return {};
    }
    return fail(fmt::format("there is no list of {}", text::quoted(what)), text::suggest(what, names));
}

} // namespace

int list_command(const Arguments& arguments) {
    std::vector<std::string> what;
    std::optional<std::string> json;
    bool markdown = false;
    CommandLine line("list", "WHAT [--markdown | --json FILE]", "Prints what there is to choose from.", kFooter);
    line.values("WHAT", what, "strategies, dialects, profiles, prices, steps or syscalls", "");
    std::vector<std::string> names;
    for (const Listing& listing : listings()) names.emplace_back(listing.what);
    line.choices("WHAT", std::move(names));
    line.value("--json", json, "write the list as JSON; - for standard output", "FILE");
    line.flag("--markdown", markdown, "print a Markdown table");
    if (const auto over = line.parse(arguments, exit_status::misuse)) return *over;
    Result<void> done;
    if (what.size() != 1 || arguments.program)
        done = fail("list needs one word", "strategies, dialects, profiles, prices, steps or syscalls");
    else
        done = print_list(what.front(), json, markdown);
    if (done) return exit_status::done;
    complain(done.error());
    return exit_status::misuse;
}

} // namespace trapline
