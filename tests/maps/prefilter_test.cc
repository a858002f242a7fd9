// SPDX-License-Identifier: 0BSD
#include "maps/types/prefilter.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <random>
#include <string>

#include "maps/open.h"
#include "tests/maps/scratch.h"

namespace qv::maps {
namespace {

// The texts with a blank between them.
std::string required(std::string_view pattern) {
  std::string all;
  for (const std::string& text : required_texts(pattern)) all += (all.empty() ? "" : " ") + text;
  return all;
}

TEST(RequiredText, OfWhatIsUnderstood) {
  const std::pair<const char*, const char*> rows[] = {
      {"", ""},
      {"abc", "abc"},
      {"^User1\\+?.*@example1\\.(org|net)$", "user1 @example1."},
      {"^abc$", "abc"},
      {"ab^c", "ab c"},
      {"ab?c", "a c"},
      {"ab*c", "a c"},
      {"ab+c", "ab c"},
      {"ab+?c", "ab c"},
      {"ab++c", "ab c"},
      {"ab*?c", "a c"},
      {"ab{2}c", "a c"},
      {"ab{0,3}c", "a c"},
      {"ab{2,}+c", "a c"},
      {"a?", ""},
      {"a.c", "a c"},
      {"a.*c", "a c"},
      {"a[xyz]c", "a c"},
      {"a[]x]c", "a c"},
      {"a[^]x]*c", "a c"},
      {"a[\\]x]c", "a c"},
      {"a[\\w.+-]+@x", "a @x"},
      {"a\\dc\\W*d", "a c d"},
      {"a\\bc\\Ad", "a c d"},
      {"a\\.c\\/d\\+e", "a.c/d+e"},
      {"a\\.?c", "a c"},
      {"a(b|c)d", "a d"},
      {"a(b(c|d)?e)*f", "a f"},
      {"a(?:b|c){1,2}d", "a d"},
      {"a([)])d", "a d"},
      {"a(\\))d", "a d"},
      {"a-b_c=d:e;f<g>h!i,j'k\"l&m%n#o~p`q@r s", "a-b_c=d:e;f<g>h!i,j'k\"l&m%n#o~p`q@r s"},
  };
  for (const auto& row : rows) EXPECT_EQ(required(row.first), row.second) << row.first;
}

TEST(RequiredText, WhatIsNotIsGivenUp) {
  for (const char* pattern :
       {"abc|def",    "abc(d|e)|f",  "(?i)abc",  "abc(?=d)",       "abc(?!d)",     "abc(?<=c)",
        "(?x)a b c",  "abc(?#x)",    "abc(?C1)", "(*UTF)abc",      "(*ACCEPT)abc", "abc(*ACCEPT)d",
        "\\Qa|b\\E",  "abc\\Ed",     "abc\\x41", "abc\\1",         "abc\\K",       "abc\\t",
        "abc\\N",     "abc\\R",      "abc\\h",   "abc[[:alpha:]]", "abc[x[y]",     "abc[\\Q]\\E]",
        "abc[\\n]",   "abc{",        "abc{x}",   "abc{,2}d",       "abc{1 }",      "a{2}{0}bcd",
        "a+{0}bcd",   "^*abc",       "abc\\b?",  "abc]",           "abc}",         "abc\xe9",
        "(?<n>a)bcd", "(?P<n>a)bcd", "(?>a)bcd", "(?|a)bcd",       "(?R)?abc",     "(abc",
        "abc)",       "abc\\",       "[abc",     "abc\\_"}) {
    EXPECT_EQ(required(pattern), "") << pattern;
  }
}

TEST(Grams, AreHeldWhateverTheCase) {
  const GramSet set("User1@Example");
  for_each_gram("USER1@eXAMPLE", [&](Gram gram) {
    EXPECT_LT(gram, kGrams);
    EXPECT_TRUE(set.has(gram));
  });
  int missing = 0;
  for_each_gram("something else", [&](Gram gram) { missing += set.has(gram) ? 0 : 1; });
  EXPECT_GT(missing, 8);
  EXPECT_TRUE(GramSet("").has(kAnyGram));
  int none = 0;
  for_each_gram("ab", [&](Gram) { ++none; });
  EXPECT_EQ(none, 0);
}

// ---- against the library -----------------------------------------------------------------------

// A rule that is negated is always run: what it says is what the library says.
class Differential : public testing::Test {
 protected:
  std::unique_ptr<Map> open(const std::string& rule) {
    // A new file: one that is written over is synced, thousands of times.
    unlink(scratch_.path("t").c_str());
    scratch_.write("t", rule);
    std::string detail;
    Result<std::unique_ptr<Map>> map = open_map("pcre:" + scratch_.path("t"), {}, detail);
    return map.ok() ? std::move(map).value() : nullptr;
  }
  // False where the pattern does not compile.
  bool compare(const std::string& pattern, const std::vector<std::string>& keys) {
    const std::unique_ptr<Map> gated = open("/" + pattern + "/ x\n");
    const std::unique_ptr<Map> plain = open("!/" + pattern + "/ x\n");
    if (!gated) return false;
    for (const std::string& key : keys) {
      std::string value;
      const Result<Answer> truth = plain->lookup(key, value);
      const Result<Answer> answer = gated->lookup(key, value);
      if (!truth.ok()) continue;  // the limit of steps, which a gate may spare
      EXPECT_TRUE(answer.ok());
      EXPECT_NE(answer.value(), truth.value()) << pattern << " and " << key;
      matches_ += answer.value() == Answer::found ? 1 : 0;
    }
    return true;
  }

  Scratch scratch_;
  int matches_ = 0;
};

TEST_F(Differential, TrickyPatterns) {
  if (find_map_type("pcre") == nullptr) GTEST_SKIP() << "pcre is not built in";
  const std::vector<std::string> keys = {
      "abc",     "ABC",    "def",   "ab",     "ac",       "abbc",    "abd",      "acd",
      "a b c",   "abcabc", "a|b",   "a.c",    "abc{",     "abc{x}",  "abcAbcd",  "axc",
      "a]c",     "bcd",    "abbbc", "abcabc", "ab\ncd",   "",        "abc{,2}d", "abc\xe9",
      "aaaabcd", "x",      "abcd",  "abcef",  "u1@e.org", "U1@E.NET"};
  int compiled = 0;
  for (const char* pattern : {"abc|def",        "abc(d|e)|f",
                              "(?i)abc",        "(?-i)abc",
                              "(?x) a b c",     "x?(abc)?",
                              "abc(?=d)",       "abc(?!d)",
                              "(*ACCEPT)abcd",  "abc(*ACCEPT)xyz",
                              "\\Qa|b\\E",      "\\Qabc\\E|x",
                              "abc{,2}d",       "abc{",
                              "abc{x}",         "(abc){0}x",
                              "a{2}{0}bcd",     "(?:abc)?x",
                              "(?|abc|x)",      "(abc|x)",
                              "[[:alpha:]]bc",  "ab(?#c|x)c",
                              "ab(?C)c",        "(?(?=a)abc|x)",
                              "(abc)?\\1x",     "(?<n>abc)?x",
                              "ab\\Kc",         "abc++d",
                              "ab*+c",          "ab{2,}?c",
                              "\\x61bc",        "a\\Q\\Ebc",
                              "[\\Q]\\Eabc]bc", "a[]b]c",
                              "a[^]]c",         "(*UTF)abc",
                              "(?s)ab.cd",      "abc$",
                              "^abc",           "u1\\+?.*@e\\.(org|net)$",
                              "(?<!x)abc",      "a.{0}bc",
                              "(a(?i)b|c)bc",   "abc(?:)",
                              "((a|b)c|abc)",   "(?:(?:abc|x)|y)",
                              "abc?d?e?f?",     "ab\\b|x",
                              "(?!abc)x",       "ab(c|$)"}) {
    compiled += compare(pattern, keys) ? 1 : 0;
  }
  EXPECT_GT(compiled, 45);
  EXPECT_GT(matches_, 100);
}

TEST_F(Differential, RandomPatterns) {
  if (find_map_type("pcre") == nullptr) GTEST_SKIP() << "pcre is not built in";
  constexpr std::array<const char*, 40> kPieces = {
      "a",    "b",   "abc", "bca", "@x.",   "A",     "\\.",  "\\+",  "(",      ")",
      "(?:",  "|",   "*",   "+",   "?",     "{2}",   "{0}",  "{1,}", "[ab]",   "[^a]",
      ".",    ".*",  "^",   "$",   "\\d",   "\\w",   "\\b",  "1",    "(ab|c)", "(abc)?",
      "(?i)", "\\Q", "\\E", "x",   "(?=a)", "(?!b)", "[]a]", "{",    "aab",    "cab"};
  std::mt19937 random(1);
  const auto pick = [&](std::size_t n) {
    return std::uniform_int_distribution<std::size_t>(0, n - 1)(random);
  };
  int compiled = 0;
  for (int i = 0; i < 4000; ++i) {
    std::string pattern;
    for (std::size_t n = 1 + pick(8); n > 0; --n) pattern += kPieces[pick(kPieces.size())];
    std::vector<std::string> keys;
    for (int k = 0; k < 12; ++k) {
      std::string key;
      for (std::size_t n = pick(14); n > 0; --n) key += "aaabbbccABC@x.+1"[pick(16)];
      keys.push_back(std::move(key));
    }
    compiled += compare(pattern, keys) ? 1 : 0;
  }
  EXPECT_GT(compiled, 1500);
  EXPECT_GT(matches_, 1500);
}

TEST_F(Differential, RulesBehindAGateAreFound) {
  if (find_map_type("pcre") == nullptr) GTEST_SKIP() << "pcre is not built in";
  const std::unique_ptr<Map> map = open(
      "if /@one\\.org$/\n/^abc/ one-abc\nif /def/\n/./ one-def\nendif\n!/xyz/ one-rest\nendif\n"
      "/^abc@/ two\n/@(two|three)\\.org/ $1\n");
  ASSERT_NE(map, nullptr);
  const std::pair<const char*, const char*> rows[] = {
      {"abc@one.org", "one-abc"}, {"xdef@one.org", "one-def"},
      {"q@ONE.org", "one-rest"},  {"xyz@one.org", "absent"},
      {"abc@four.org", "two"},    {"q@three.org", "three"},
      {"q@four.org", "absent"},   {"", "absent"}};
  for (const auto& row : rows) {
    std::string value;
    const Result<Answer> answer = map->lookup(row.first, value);
    ASSERT_TRUE(answer.ok());
    EXPECT_EQ(answer.value() == Answer::found ? value : "absent", row.second) << row.first;
  }
}

}  // namespace
}  // namespace qv::maps
