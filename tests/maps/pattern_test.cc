// SPDX-License-Identifier: 0BSD
#include <gtest/gtest.h>

#include "core/clock.h"
#include "maps/open.h"
#include "tests/maps/scratch.h"

namespace qv::maps {
namespace {

class Patterns : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (find_map_type(GetParam()) == nullptr) GTEST_SKIP() << GetParam() << " is not built in";
  }
  bool load(std::string_view text, const MapOptions& options = {}) {
    scratch_.write("t", text);
    Result<std::unique_ptr<Map>> map =
        open_map(std::string(GetParam()) + ":" + scratch_.path("t"), options, detail_);
    if (!map.ok()) return false;
    map_ = std::move(map).value();
    return true;
  }
  std::string ask(std::string_view key) {
    std::string value;
    const Result<Answer> answer = map_->lookup(key, value);
    if (!answer.ok()) return "fault";
    return answer.value() == Answer::found ? value : "absent";
  }

  Scratch scratch_;
  std::unique_ptr<Map> map_;
  std::string detail_;
};

TEST_P(Patterns, TheFirstMatchWins) {
  ASSERT_TRUE(load("/^a/ one\n/^ab/ two\n!/x/ no x\n/./ rest\n")) << detail_;
  EXPECT_EQ(ask("abc"), "one");
  EXPECT_EQ(ask("b"), "no x");
  EXPECT_EQ(ask("x"), "rest");
  EXPECT_EQ(ask("ABC"), "one") << "case does not count";
}

TEST_P(Patterns, GroupsAreSubstituted) {
  ASSERT_TRUE(load("/^(.+)@(.+)$/ $2/${1}/$(2)$$1\n/^(a)|(b)$/ <$1><$2>\n")) << detail_;
  EXPECT_EQ(ask("user@host"), "host/user/host$1");
  EXPECT_EQ(ask("b"), "<><b>");
}

TEST_P(Patterns, ConditionsNest) {
  ASSERT_TRUE(load("if /a/\nif !/b/\n/./ a without b\nendif\n/c/ a, b and c\nendif\n/./ rest\n"))
      << detail_;
  EXPECT_EQ(ask("a"), "a without b");
  EXPECT_EQ(ask("abc"), "a, b and c");
  EXPECT_EQ(ask("ab"), "rest");
  EXPECT_EQ(ask("b"), "rest");
}

TEST_P(Patterns, FlagsTurnDefaultsRound) {
  ASSERT_TRUE(load("/^A$/i upper\n#comment\n!/z/i\n  not z\n")) << detail_;
  EXPECT_EQ(ask("A"), "upper");
  EXPECT_EQ(ask("a"), "not z");
}

TEST_P(Patterns, AnyDelimiterServes) {
  ASSERT_TRUE(load("|^/path/| slash\n/a\\/b/ escaped\n")) << detail_;
  EXPECT_EQ(ask("/path/x"), "slash");
  EXPECT_EQ(ask("a/b"), "escaped");
}

TEST_P(Patterns, MistakesNameFileAndLine) {
  for (const char* bad :
       {"x", "/a", "/a/", "/a/ ", "/(/ x", "/a/q x", "/a/ $1", "!/(a)/ $1", "/a/ $x", "/a/ ${1",
        "if /a/", "endif", "if /a/ x", "if /a/\nendif x", "/a/b", "/a/ $", "/(a)/ $2"}) {
    const std::string text = "# first\n" + std::string(bad) + "\n";
    EXPECT_FALSE(load(text)) << bad;
    EXPECT_NE(detail_.find(scratch_.path("t") + ":"), std::string::npos) << detail_;
  }
  EXPECT_FALSE(load("/a/ 1\n\n/(/ x\n"));
  EXPECT_NE(detail_.find(":3:"), std::string::npos) << detail_;
}

TEST_P(Patterns, SubstitutionCanBeForbidden) {
  EXPECT_TRUE(load("/(a)/ $$ x\n", {.no_substitution = true})) << detail_;
  EXPECT_EQ(ask("a"), "$ x");
  EXPECT_FALSE(load("/(a)/ $1\n", {.no_substitution = true}));
}

TEST_P(Patterns, StandInTheNameToo) {
  const auto map =
      open_map(std::string(GetParam()) + ":{ {/^a(.)/ is $1}, {/b/ two words} }", {}, detail_);
  ASSERT_TRUE(map.ok()) << detail_;
  std::string value;
  EXPECT_EQ(map.value()->lookup("ax", value).value(), Answer::found);
  EXPECT_EQ(value, "is x");
  EXPECT_EQ(map.value()->lookup("b", value).value(), Answer::found);
  EXPECT_EQ(value, "two words");
}

INSTANTIATE_TEST_SUITE_P(Both, Patterns, testing::Values("regexp", "pcre"),
                         [](const auto& row) { return std::string(row.param); });

TEST(Pcre, AMatchThatNeverEndsIsAFault) {
  if (find_map_type("pcre") == nullptr) GTEST_SKIP() << "pcre is not built in";
  std::string detail;
  const auto map = open_map("pcre:{ {/^(a+)+$/ found} }", {}, detail);
  ASSERT_TRUE(map.ok()) << detail;
  std::string value;
  const std::int64_t begun = monotonic_us();
  EXPECT_FALSE(map.value()->lookup(std::string(40, 'a') + "!", value).ok());
  EXPECT_LT(monotonic_us() - begun, 2'000'000);
  EXPECT_EQ(map.value()->lookup("aaa", value).value(), Answer::found);
}

std::string cidr(const std::string& rules, std::string_view key) {
  std::string detail;
  const auto map = open_map("cidr:{" + rules + "}", {}, detail);
  if (!map.ok()) return "wrong";
  std::string value;
  return map.value()->lookup(key, value).value() == Answer::found ? value : "absent";
}

TEST(Cidr, ComparesNetworks) {
  const std::string rules =
      "{10.1.2.3 one} {10.0.0.0/9 half} {2001:db8::/33 six} {!0.0.0.0/0 not four} {0.0.0.0/0 any}";
  EXPECT_EQ(cidr(rules, "10.1.2.3"), "one");
  EXPECT_EQ(cidr(rules, "10.127.255.255"), "half");
  EXPECT_EQ(cidr(rules, "10.128.0.0"), "any");
  EXPECT_EQ(cidr(rules, "2001:db8:7fff::1"), "six");
  EXPECT_EQ(cidr(rules, "2001:db8:8000::1"), "not four");
  EXPECT_EQ(cidr("{10.0.0.0/8 a}", "10.0.0.1 "), "absent");
  EXPECT_EQ(cidr("{10.0.0.0/8 a$1}", "10.0.0.1"), "a$1");
  for (const char* bad : {"{10.0.0.1/8 x}", "{10.0.0.0/33 x}", "{10.0.0 x}", "{2001:db8::/129 x}",
                          "{10.0.0.0/ x}", "{10.0.0.0/8}", "{10.0.0.0/+8 x}"}) {
    EXPECT_EQ(cidr(bad, "10.0.0.1"), "wrong") << bad;
  }
}

}  // namespace
}  // namespace qv::maps
