// SPDX-License-Identifier: 0BSD
#include <gtest/gtest.h>

#include "control/settings.h"

namespace qv::control {
namespace {

TEST(Duration, TakesPostfixUnits) {
  EXPECT_EQ(parse_duration("31d", 's'), 31 * 86400);
  EXPECT_EQ(parse_duration("3H", 's'), 3 * 3600);
  EXPECT_EQ(parse_duration("90", 's'), 90);
  EXPECT_EQ(parse_duration("90", 'm'), 5400);
  EXPECT_EQ(parse_duration("2w", 'd'), 14 * 86400);
  EXPECT_EQ(parse_duration("0", 'd'), 0);
}

TEST(Duration, RefusesEverythingElse) {
  for (const char* text : {"", "d", "-1d", "1 d", "1dd", "1y", "d1", "1.5h", "99999999999d"}) {
    EXPECT_EQ(parse_duration(text, 's'), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace qv::control
