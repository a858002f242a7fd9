// SPDX-License-Identifier: 0BSD
#include <gtest/gtest.h>

#include "probe/limits.h"

namespace qv::probe {
namespace {

constexpr std::int64_t kSecond = 1000000;

int taken(RateLimit& rate, std::string_view name, std::int64_t now, int tries) {
  int allowed = 0;
  for (int i = 0; i < tries; ++i) {
    if (rate.take(name, now) == RateLimit::Pass::allowed) ++allowed;
  }
  return allowed;
}

TEST(Rate, AllowsAMinutesWorthAtOnceAndThenTheRate) {
  RateLimit rate(60);
  std::int64_t now = 1000 * kSecond;
  EXPECT_EQ(taken(rate, "a", now, 100), 60);
  EXPECT_EQ(taken(rate, "b", now, 100), 60);
  now += 10 * kSecond;
  EXPECT_EQ(taken(rate, "a", now, 100), 10);
  now += 3600 * kSecond;
  EXPECT_EQ(taken(rate, "a", now, 100), 60);
}

TEST(Rate, NoLimitIsNoLimit) {
  RateLimit rate(0);
  EXPECT_EQ(taken(rate, "a", 5, 10000), 10000);
  EXPECT_EQ(rate.size(), 0u);
}

TEST(Rate, ForgetsThoseThatAreQuiet) {
  RateLimit rate(10);
  for (int i = 0; i < 1000; ++i) taken(rate, std::to_string(i), kSecond, 1);
  EXPECT_EQ(rate.size(), 1000u);
  taken(rate, "new", 200 * kSecond, 1);
  EXPECT_EQ(rate.size(), 1u);
}

}  // namespace
}  // namespace qv::probe
