#include "scenarios/token.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <limits>
#include <tuple>

#include "emu/check.hpp"
#include "scenarios/text.hpp"

namespace trapline {

using namespace text;

namespace {

constexpr std::string_view kShape = "a token looks like tl1:1f2e3d4c:1:inline:12>2,17>1,19>*";

bool is_guest8(std::string_view s) {
    return s.size() == 8 && s.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string task_text(const TaskRef& task) {
    if (task.kind == TaskRef::Kind::tracer) return fmt::format("k{}", task.number);
    if (task.process == 1) return fmt::format("{}", task.number);
    return fmt::format("{}.{}", task.process, task.number);
}

std::optional<TaskRef> read_task(std::string_view text) {
    // The words of schedule scripts with their letters left out: 2 is t2, 2.1 is p2.t1.
    const auto dot = text.find('.');
    const std::string spelled = text.starts_with('k') ? std::string(text)
                                : dot == std::string_view::npos
                                    ? fmt::format("t{}", text)
                                    : fmt::format("p{}.t{}", text.substr(0, dot), text.substr(dot + 1));
    const auto task = parse_task(spelled);
    if (!task || task_text(*task) != text) return std::nullopt; // `1.2` has the shorter spelling `2`
    return *task;
}

Result<BasePolicy> read_base(std::string_view text) {
    const std::string policy_text = [&] {
        std::string out(text);
        std::replace(out.begin(), out.end(), '.', ':');
        return out;
    }();
    const auto read = parse_schedule_policy(policy_text);
    if (text.find(':') == std::string_view::npos && read) {
        if (const auto* random = std::get_if<policy::Random>(&*read)) return *random;
        if (const auto* pct = std::get_if<policy::Pct>(&*read)) return *pct;
    }
    return fail(fmt::format("'{}' is not a base policy", text), "before the '/' stands random.SEED or pct.DEPTH.SEED");
}

Result<TokenSwitch> read_switch(std::string_view text) {
    TokenSwitch out;
    const auto arrow = text.find('>');
    std::string_view position = text.substr(0, arrow);
    if (arrow == std::string_view::npos)
        return fail(fmt::format("switch '{}' has no '>'", text), "a switch is STEPS[+INSTRUCTIONS][~SLEEPS]>TASK");
    if (const auto tilde = position.find('~'); tilde != std::string_view::npos) {
        const auto idle = parse_decimal(position.substr(tilde + 1));
        if (!idle || *idle == 0)
            return fail(fmt::format("switch '{}': the number of idle turns is wrong", text), "as in 12~1>2");
        out.idle_turns = *idle;
        position = position.substr(0, tilde);
    }
    if (const auto plus = position.find('+'); plus != std::string_view::npos) {
        const auto instructions = parse_decimal(position.substr(plus + 1));
        if (!instructions || *instructions == 0)
            return fail(fmt::format("switch '{}': the number of instructions is wrong", text), "as in 12+3>2");
        out.instructions = *instructions;
        position = position.substr(0, plus);
    }
    const auto steps = parse_decimal(position);
    if (!steps) return fail(fmt::format("switch '{}': the number of steps is wrong", text), "as in 12>2");
    out.steps = *steps;
    const std::string_view task = text.substr(arrow + 1);
    if (task == "*") return out;
    out.to = read_task(task);
    if (!out.to) return fail(fmt::format("switch '{}': '{}' is not a task", text, task), "as in 12>2, 12>2.1 or 12>k1");
    return out;
}

std::optional<Error> read_deviations(std::string_view text, Token& token) {
    if (const auto slash = text.find('/'); slash != std::string_view::npos) {
        auto base = read_base(text.substr(0, slash));
        if (!base) return base.error();
        token.base = *base;
        text.remove_prefix(slash + 1);
    }
    if (text == "-") return std::nullopt;
    for (const std::string_view part : split(text, ',')) {
        auto next = read_switch(part);
        if (!next) return next.error();
        if (!token.switches.empty()) {
            const TokenSwitch& last = token.switches.back();
            if (std::tie(next->steps, next->instructions, next->idle_turns) <=
                std::tie(last.steps, last.instructions, last.idle_turns))
                return Error{
                    fmt::format("switch '{}' does not come after the one before it", part), "positions rise", {}, 0};
        }
        token.switches.push_back(*next);
    }
    return std::nullopt;
}

} // namespace

std::string to_string(const Token& token) {
    TL_CHECK(is_guest8(token.guest8) && is_kebab(token.strategy), "token for guest '{}', strategy '{}'", token.guest8,
             token.strategy);
    std::string out = fmt::format("tl1:{}:{}:{}:", token.guest8, token.model, token.strategy);
    if (const auto* random = std::get_if<policy::Random>(&token.base)) out += fmt::format("random.{}/", random->seed);
    if (const auto* pct = std::get_if<policy::Pct>(&token.base))
        out += fmt::format("pct.{}.{}/", pct->depth, pct->seed);
    if (token.switches.empty()) return out + "-";
    const TokenSwitch* last = nullptr;
    for (const TokenSwitch& next : token.switches) {
        TL_CHECK(last == nullptr || std::tie(last->steps, last->instructions, last->idle_turns) <
                                        std::tie(next.steps, next.instructions, next.idle_turns),
                 "two switches at step {}", next.steps);
        if (last != nullptr) out += ',';
        out += fmt::format("{}", next.steps);
        if (next.instructions != 0) out += fmt::format("+{}", next.instructions);
        if (next.idle_turns != 0) out += fmt::format("~{}", next.idle_turns);
        out += '>';
        out += next.to ? task_text(*next.to) : "*";
        last = &next;
    }
    return out;
}

Result<Token> parse_token(std::string_view text) {
    const std::vector<std::string_view> parts = split(trim(text), ':');
    const auto wrong = [&](std::string_view what) {
        return fail(fmt::format("token {}: {}", quoted(text), what), std::string(kShape));
    };
    const std::string_view body = trim(text);
    if (std::any_of(body.begin(), body.end(), [](char c) { return c < ' ' || c > '~'; }))
        return wrong("it holds a character that no token has");
    if (parts[0] != "tl1") return wrong("it does not begin with tl1");
    if (parts.size() != 5) return wrong(fmt::format("it has {} parts instead of 5", parts.size()));
    Token token;
    if (!is_guest8(parts[1])) return wrong(fmt::format("'{}' is not a guest's hash, eight hex digits", parts[1]));
    token.guest8 = parts[1];
    const auto model = parse_decimal(parts[2]);
    if (!model || *model == 0 || *model > std::numeric_limits<std::uint32_t>::max())
        return wrong(fmt::format("'{}' is not a model version", parts[2]));
    token.model = static_cast<std::uint32_t>(*model);
    if (!is_kebab(parts[3])) return wrong(fmt::format("'{}' is not the name of a strategy", parts[3]));
    token.strategy = parts[3];
    if (auto problem = read_deviations(parts[4], token)) {
        problem->what = fmt::format("token {}: {}", quoted(text), problem->what);
        return tl::make_unexpected(std::move(*problem));
    }
    return token;
}

std::optional<Error> token_mismatch(const Token& token, std::string_view guest8, std::uint32_t model) {
    std::string what;
    if (token.guest8 != guest8)
        what = fmt::format("the token was made on another guest: its hash is {}, this one's {}", token.guest8, guest8);
    if (token.model != model)
        what += fmt::format("{} version {} of the model, this is version {}",
                            what.empty() ? "the token was made with" : ", and with", token.model, model);
    if (what.empty()) return std::nullopt;
    return Error{std::move(what), "replay it on what it was made on, or search anew with `trapline explore`", {}, 0};
}

} // namespace trapline
