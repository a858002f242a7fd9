// SPDX-License-Identifier: 0BSD
#include "proxymap/answer_cache.h"

#include <gtest/gtest.h>

namespace qv::proxymap {
namespace {

TEST(AnswerCache, KeepsBothAnswersForTheirTime) {
  AnswerCache cache({.time_us = 100, .bytes = 10000});
  cache.store("a", maps::Answer::found, "value", 1000);
  cache.store("b", maps::Answer::absent, "", 1000);
  EXPECT_EQ(cache.find("a", 1099).value().answer, maps::Answer::found);
  EXPECT_EQ(cache.find("a", 1099).value().value, "value");
  EXPECT_EQ(cache.find("b", 1099).value().answer, maps::Answer::absent);
  EXPECT_FALSE(cache.find("a", 1100).has_value());
  EXPECT_FALSE(cache.find("c", 1000).has_value());
}

TEST(AnswerCache, KeepsNothingWithoutATime) {
  AnswerCache cache({.time_us = 0, .bytes = 10000});
  cache.store("a", maps::Answer::found, "value", 1000);
  EXPECT_EQ(cache.bytes(), 0u);
}

TEST(AnswerCache, TheOldestMakeRoom) {
  AnswerCache cache({.time_us = 1000, .bytes = 300});
  cache.store("a", maps::Answer::found, "1", 0);
  cache.store("b", maps::Answer::found, "2", 0);
  cache.store("c", maps::Answer::found, "3", 0);
  EXPECT_FALSE(cache.find("a", 1).has_value());
  EXPECT_TRUE(cache.find("b", 1).has_value());
  EXPECT_TRUE(cache.find("c", 1).has_value());
  EXPECT_LE(cache.bytes(), 300u);
  cache.store("d", maps::Answer::found, std::string(1000, 'x'), 0);
  EXPECT_FALSE(cache.find("d", 1).has_value());
  EXPECT_TRUE(cache.find("c", 1).has_value());
}

TEST(AnswerCache, ANewAnswerTakesTheOldOnesPlace) {
  AnswerCache cache({.time_us = 1000, .bytes = 1000});
  cache.store("a", maps::Answer::found, "old", 0);
  cache.store("a", maps::Answer::absent, "", 0);
  EXPECT_EQ(cache.find("a", 1).value().answer, maps::Answer::absent);
  cache.forget("a");
  EXPECT_FALSE(cache.find("a", 1).has_value());
  EXPECT_EQ(cache.bytes(), 0u);
}

TEST(ParseCacheLines, TakesTableTimeAndSize) {
  std::vector<control::Problem> problems;
  const auto caches =
      parse_cache_lines("f", {{"proxy:pgsql:/a 30", 1}, {"proxy:ldap:/b, 5, 2000", 2}}, problems);
  EXPECT_TRUE(problems.empty());
  EXPECT_EQ(caches.at("pgsql:/a").time_us, 30000000);
  EXPECT_EQ(caches.at("ldap:/b").bytes, 2000u);
}

TEST(ParseCacheLines, SaysWhichLineIsWrong) {
  std::vector<control::Problem> problems;
  const auto caches = parse_cache_lines("f",
                                        {{"pgsql:/a 30", 1},
                                         {"proxy:pgsql:/a", 2},
                                         {"proxy:pgsql:/a -1", 3},
                                         {"proxy:pgsql:/a 1 2 3", 4}},
                                        problems);
  EXPECT_TRUE(caches.empty());
  ASSERT_EQ(problems.size(), 4u);
  EXPECT_EQ(problems[3].line, 4);
}

}  // namespace
}  // namespace qv::proxymap
