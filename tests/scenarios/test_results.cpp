#include "scenarios/results.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "scenarios/text.hpp"

using namespace trapline;

namespace {

const std::string kToken = "tl1:1f2e3d4c:1:inline:12>2,17>1,19>*";

std::vector<ResultRow> rows() {
    return {{"race", "inline", Status::holds, "missed 1", "tl1:00000000:1:inline:-", "a.toml", 3},
            {"race", "xol", Status::violated, "missed is 1, expected never", kToken, "a.toml", 14},
            {"slow", "xol", Status::inconclusive, "the budget ran out", "", "b.toml", 5},
            {"slow", "boosted", Status::skipped, "needs root", "", "b.toml", 0},
            {"lost", "xol", Status::diverged, "diverged: item 1 `t1 until trap`: t1 has exited", "", "c.toml", 9},
            {"gone", "", Status::error, "no program", "", "d.toml", 0}};
}

ResultRow nasty() {
    return {"a<b>&\"'#",    "x,y:z", Status::violated, "100% <wrong>\nsecond\r line \x01\xff ]]>", kToken,
            "dir,1:x.toml", 2};
}

bool mentions(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

} // namespace

TEST_SUITE("scenarios/results") {
    TEST_CASE("text has a line for each row and a line to copy for what was found") {
        const std::string text = results_text(rows());
        CHECK(mentions(text, "holds        race: inline: missed 1\n"));
        CHECK(mentions(text, "violated     race: xol: missed is 1, expected never\n  trapline replay a.toml --token '" +
                                 kToken + "'\n"));
        CHECK(mentions(text, "error        gone: no program\n"));
        CHECK_FALSE(mentions(text, "00000000")); // nobody needs to replay what holds
    }

    TEST_CASE("the line to copy is safe in a shell: a token holds '>' and a file may hold anything") {
        ResultRow row = nasty();
        row.file = "it's here/$(rm).toml";
        CHECK(mentions(results_text({row}), "trapline replay 'it'\\''s here/$(rm).toml' --token '" + kToken + "'\n"));
        row.token = "tl1:1f2e3d4c:1:xol:-";
        row.file = "scenarios/a-b/c_d.toml";
        CHECK(mentions(results_text({row}), "trapline replay scenarios/a-b/c_d.toml --token tl1:1f2e3d4c:1:xol:-\n"));
    }

    TEST_CASE("text is at most 100 columns wide, whatever the details say") {
        std::vector<ResultRow> wide = rows();
        for (ResultRow& row : wide) {
            for (int i = 0; i < 40; ++i) row.detail += "; another reason \xc3\xa4\xc3\xb6\xc3\xbc";
            row.file = std::string(60, 'f');
        }
        wide[0].detail = std::string(350, 'x');
        wide[1].scenario = std::string(130, 's');
        const std::string text = results_text(wide);
        for (const std::string_view line : trapline::text::split(text, '\n')) {
            CAPTURE(line);
            const auto columns = std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xc0) != 0x80; });
            CHECK(columns <= 100);
        }
        CHECK(mentions(results_text({nasty()}), "<wrong> second  line"));
    }

    TEST_CASE("JSON has the keys of the interface and survives bytes that are not text") {
        const auto document = nlohmann::json::parse(results_json(rows()));
        CHECK(document["schema"] == 1);
        CHECK(document["command"] == "replay");
        REQUIRE(document["results"].size() == 6);
        const auto& row = document["results"][1];
        CHECK(row["scenario"] == "race");
        CHECK(row["strategy"] == "xol");
        CHECK(row["status"] == "violated");
        CHECK(row["detail"] == "missed is 1, expected never");
        CHECK(row["token"] == kToken);
        CHECK(nlohmann::json::parse(results_json({nasty()}))["results"][0]["scenario"] == "a<b>&\"'#");
    }

    TEST_CASE("XML text is escaped, and what XML cannot hold is spelled out") {
        CHECK(xml_escape("a<b>&\"'") == "a&lt;b&gt;&amp;&quot;&apos;");
        CHECK(xml_escape("tab\tand\r\n") == "tab&#9;and&#13;&#10;");
        CHECK(xml_escape(std::string_view("\0\x01\x1b\x7f", 4)) == "\\x00\\x01\\x1b\\x7f");
        CHECK(xml_escape("gr\xc3\xb6\xc3\x9f"
                         "e \xe2\x82\xac \xf0\x9f\x98\x80") == "gr\xc3\xb6\xc3\x9f"
                                                               "e \xe2\x82\xac \xf0\x9f\x98\x80");
        CHECK(xml_escape("\xff") == "\\xff");
        CHECK(xml_escape("\xc3") == "\\xc3");                            // cut off
        CHECK(xml_escape("\xc0\xaf") == "\\xc0\\xaf");                   // an overlong '/'
        CHECK(xml_escape("\xe0\x80\xaf") == "\\xe0\\x80\\xaf");          // another
        CHECK(xml_escape("\xed\xa0\x80") == "\\xed\\xa0\\x80");          // a surrogate
        CHECK(xml_escape("\xef\xbf\xbf") == "\\xef\\xbf\\xbf");          // U+FFFF, no character of XML 1.0
        CHECK(xml_escape("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80"); // past U+10FFFF
    }

    TEST_CASE("JUnit has a suite for each scenario and counts what failed, broke and was skipped") {
        const std::string xml = results_junit(rows());
        CHECK(mentions(xml, "<testsuites name=\"trapline\" tests=\"6\" failures=\"1\" errors=\"3\" skipped=\"1\">"));
        CHECK(mentions(xml, "<testsuite name=\"race\" tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"0\">"));
        CHECK(mentions(xml, "<testcase classname=\"race\" name=\"inline\" file=\"a.toml\" line=\"3\"/>"));
        CHECK(mentions(
            xml, "<failure type=\"violated\" message=\"missed is 1, expected never\">"
                 "trapline replay a.toml --token &apos;tl1:1f2e3d4c:1:inline:12&gt;2,17&gt;1,19&gt;*&apos;</failure>"));
        CHECK(mentions(xml, "<error type=\"inconclusive\" message=\"the budget ran out\"></error>"));
        CHECK(mentions(xml, "<skipped message=\"needs root\"></skipped>"));
        CHECK(mentions(results_junit({nasty()}), "classname=\"a&lt;b&gt;&amp;&quot;&apos;#\""));
        CHECK(mentions(results_junit({nasty()}),
                       "message=\"100% &lt;wrong&gt;&#10;second&#13; line \\x01\\xff ]]&gt;\""));
    }

    TEST_CASE("TAP has a plan, a point for each row and a block where it is not ok") {
        const std::string tap = results_tap(rows());
        CHECK(tap.starts_with(
            "TAP version 13\n1..6\nok 1 - race: inline\nnot ok 2 - race: xol\n  ---\n  status: violated\n"
            "  detail: \"missed is 1, expected never\"\n  at: \"a.toml:14\"\n"
            "  replay: \"trapline replay a.toml --token '" +
            kToken + "'\"\n  ...\nnot ok 3 - slow: xol\n"));
        CHECK(mentions(tap, "ok 4 - slow: boosted # SKIP needs root\n"));
        CHECK(mentions(tap, "not ok 5 - lost: xol\n"));
    }

    TEST_CASE("a name cannot smuggle a directive or a line into TAP") {
        ResultRow row = nasty();
        row.scenario = "x # SKIP\nok 7 - y # TODO";
        const std::string tap = results_tap({row});
        CHECK(mentions(tap, "not ok 1 - x _ SKIP ok 7 - y _ TODO: x,y:z\n"));
        CHECK(mentions(tap, "  detail: \"100% <wrong>\\nsecond\\r line \\u0001\\ufffd ]]>\"\n"));
    }

    TEST_CASE("GitHub's commands are escaped: in messages % and line ends, in properties also ':' and ','") {
        CHECK(github_escape("50%: a,b\r\n", false) == "50%25: a,b%0D%0A");
        CHECK(github_escape("50%: a,b\r\n", true) == "50%25%3A a%2Cb%0D%0A");
        const std::string text = results_github({nasty()});
        CHECK(text.starts_with(
            "::error file=dir%2C1%3Ax.toml,line=2,title=a<b>&\"'#%3A x%2Cy%3Az (violated)::100%25 <wrong>%0A"));
        CHECK(std::count(text.begin(), text.end(), '\n') == 1);
    }

    TEST_CASE("GitHub shows what is not fine, and only counts what comes after the ninth") {
        const std::string few = results_github(rows());
        CHECK(std::count(few.begin(), few.end(), '\n') == 4);
        CHECK(mentions(few, "::error file=d.toml,line=1,title=gone (error)::no program\n"));
        const std::string many = results_github(std::vector<ResultRow>(30, rows()[1]));
        CHECK(std::count(many.begin(), many.end(), '\n') == 10);
        CHECK(mentions(many, "and 21 more"));
    }
}
