// SPDX-License-Identifier: 0BSD
#include "control/constmap.h"

#include <gtest/gtest.h>

namespace qv::control {
namespace {

Constmap of(std::string_view text, Constmap::Form form, std::vector<int>* malformed = nullptr) {
  std::vector<ControlLine> lines;
  EXPECT_TRUE(parse_control_text(text, lines));
  return Constmap(lines, form, malformed);
}
Constmap keys(std::string_view text) { return of(text, Constmap::Form::keys); }
Constmap pairs(std::string_view text) { return of(text, Constmap::Form::pairs); }

// "line:value", or "-" where there is no such key.
std::string found(const Constmap& map, std::string_view key) {
  const auto entry = map.find(key);
  if (!entry) return "-";
  return std::to_string(entry->line) + ":" + std::string(entry->value);
}

TEST(Constmap, WithoutEntriesFindsNothing) {
  EXPECT_EQ(found(Constmap(), ""), "-");
  EXPECT_EQ(found(Constmap(), "a"), "-");
  EXPECT_EQ(found(keys(""), ""), "-");
}

TEST(Constmap, FindsKeysWithTheirLines) {
  const Constmap map = keys("# names\none.example\n\ntwo.example\n");
  EXPECT_EQ(map.size(), 2u);
  EXPECT_EQ(found(map, "one.example"), "2:");
  EXPECT_EQ(found(map, "two.example"), "4:");
  EXPECT_EQ(found(map, "three.example"), "-");
  EXPECT_EQ(found(map, "one.exampl"), "-");
  EXPECT_EQ(found(map, "one.example."), "-");
  EXPECT_EQ(found(map, ""), "-");
}

TEST(Constmap, IgnoresTheCaseOfLettersOnly) {
  const Constmap map = keys("MiXed@[\xc4\n");
  EXPECT_EQ(found(map, "mIxED@[\xc4"), "1:");
  EXPECT_EQ(found(map, "mixed`{\xc4"), "-") << "@[ and `{ differ by the bit that letters differ by";
  EXPECT_EQ(found(map, "mixed@[\xe4"), "-");
}

TEST(Constmap, FindsDomainsAndThoseAboveThem) {
  const Constmap map = keys("example.org\n.example.org\n.b.example.org\n.com\n");
  const auto found = [&map](std::string_view domain) {
    const auto entry = map.find_domain(domain);
    return entry ? std::string(entry->key) : "-";
  };
  EXPECT_EQ(found("Example.org"), "example.org");
  EXPECT_EQ(found("a.example.org"), ".example.org");
  EXPECT_EQ(found("a.b.example.org"), ".b.example.org");
  EXPECT_EQ(found("b.example.org"), ".example.org");
  EXPECT_EQ(found("com"), "-");
  EXPECT_EQ(found("notexample.org"), "-");
  EXPECT_EQ(found("x..com"), ".com");
  EXPECT_EQ(found(""), "-");
}

TEST(Constmap, SplitsPairsAtTheFirstColon) {
  const Constmap map = pairs("a.example:joe\nb.example:x:y\nc.example:\n:catch\n d : e \n");
  EXPECT_EQ(found(map, "a.example"), "1:joe");
  EXPECT_EQ(found(map, "b.example"), "2:x:y");
  EXPECT_EQ(found(map, "c.example"), "3:");
  EXPECT_EQ(found(map, ""), "4:catch");
  EXPECT_EQ(found(map, " d "), "5: e");
}

TEST(Constmap, OfKeysAColonIsAByteLikeAnyOther) {
  EXPECT_EQ(found(keys("a:b\n"), "a:b"), "1:");
  EXPECT_EQ(found(keys("a:b\n"), "a"), "-");
}

TEST(Constmap, OfEqualKeysTheLaterCounts) {
  const Constmap map = pairs("a:1\nb:2\nA:3\n");
  EXPECT_EQ(found(map, "a"), "3:3");
  EXPECT_EQ(map.size(), 2u);
}

TEST(Constmap, NamesTheLinesWithoutAColon) {
  std::vector<int> malformed;
  const Constmap map = of("a\n#\nb:x\nc\n", Constmap::Form::pairs, &malformed);
  EXPECT_EQ(malformed, (std::vector<int>{1, 4}));
  EXPECT_EQ(found(map, "a"), "-");
  EXPECT_EQ(found(map, "b"), "3:x");
}

TEST(Constmap, FindsEachOfMany) {
  std::string text;
  for (int i = 0; i < 20000; ++i) text += "host" + std::to_string(i) + ".example:u\n";
  const Constmap map = pairs(text);
  for (int i = 0; i < 20000; ++i) {
    ASSERT_EQ(found(map, "HOST" + std::to_string(i) + ".example"), std::to_string(i + 1) + ":u");
    ASSERT_EQ(found(map, "x" + std::to_string(i) + ".example"), "-");
  }
}

TEST(Constmap, StaysWholeWhenMoved) {
  Constmap from = pairs("a:b\n");  // short enough to lie inside the string object
  const Constmap to = std::move(from);
  EXPECT_EQ(found(to, "a"), "1:b");
  const Constmap copy = to;
  EXPECT_EQ(found(copy, "A"), "1:b");
}

}  // namespace
}  // namespace qv::control
