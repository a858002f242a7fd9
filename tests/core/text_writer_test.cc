// SPDX-License-Identifier: 0BSD
#include "core/text_writer.h"

#include <gtest/gtest.h>

#include <string>

namespace qv {
namespace {

TEST(TextWriter, PutsALineTogether) {
  char buffer[64];
  TextWriter line(buffer, sizeof buffer);
  line.put("rcpt=").put_escaped("a b").put(" us=").put_number(0).put_number(UINT64_MAX);
  EXPECT_EQ(line.text(), "rcpt=a\\x20b us=018446744073709551615");
  EXPECT_STREQ(buffer, "rcpt=a\\x20b us=018446744073709551615");
}

TEST(TextWriter, CutsAndStaysTerminated) {
  char buffer[8];
  memset(buffer, '#', sizeof buffer);
  TextWriter line(buffer, 5);
  line.put("abc").put("def").put("g").put_number(7).put_escaped("x");
  EXPECT_STREQ(buffer, "abcd");
  EXPECT_EQ(buffer[5], '#');
}

TEST(TextWriter, NeverWritesHalfAnEscape) {
  char buffer[8];
  TextWriter line(buffer, sizeof buffer);
  line.put("abcd").put_escaped("\n");
  EXPECT_STREQ(buffer, "abcd");
}

TEST(TextWriter, SaysWhereALimitCutAValue) {
  char buffer[32];
  TextWriter line(buffer, sizeof buffer);
  line.put_escaped("abcdef", 6).put(" ").put_escaped("abcdefg", 6);
  EXPECT_STREQ(buffer, "abcdef abcdef...");
}

TEST(TextWriter, WritesNothingIntoNoRoom) {
  char untouched = '#';
  TextWriter line(&untouched, 0);
  line.put("abc").put_number(1).put_escaped("abc");
  EXPECT_EQ(untouched, '#');
  EXPECT_EQ(line.text(), "");
}

}  // namespace
}  // namespace qv
