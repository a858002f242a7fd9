// SPDX-License-Identifier: 0BSD
#include "core/json.h"

#include <gtest/gtest.h>

#include <string>

namespace qv {
namespace {

std::string escaped(std::string_view s, std::size_t size = 64) {
  std::string out(size, '#');
  out.resize(escape_json(s, out.data(), out.size()));
  return out;
}

TEST(Json, EscapesWhatAStringCannotHold) {
  EXPECT_EQ(escaped("bob@example.org"), "bob@example.org");
  EXPECT_EQ(escaped("a\"b\\c"), "a\\\"b\\\\c");
  EXPECT_EQ(escaped(std::string_view("\0\n\x7f", 3)), "\\u0000\\u000a\\u007f");
}

TEST(Json, KeepsUtf8AndNothingThatOnlyLooksLikeIt) {
  EXPECT_EQ(escaped("\xc3\xa9\xe2\x82\xac\xf0\x9f\x93\xae"),
            "\xc3\xa9\xe2\x82\xac\xf0\x9f\x93\xae");
  EXPECT_EQ(escaped("\xe9t\xe9"), "\\u00e9t\\u00e9");                      // Latin-1
  EXPECT_EQ(escaped("\xc0\xaf"), "\\u00c0\\u00af");                        // overlong
  EXPECT_EQ(escaped("\xe0\x80\xaf"), "\\u00e0\\u0080\\u00af");             // overlong
  EXPECT_EQ(escaped("\xed\xa0\x80"), "\\u00ed\\u00a0\\u0080");             // surrogate
  EXPECT_EQ(escaped("\xf4\x90\x80\x80"), "\\u00f4\\u0090\\u0080\\u0080");  // over U+10FFFF
  EXPECT_EQ(escaped("\xe2\x82"), "\\u00e2\\u0082");                        // cut short
}

TEST(Json, NeverWritesHalfACharacter) {
  EXPECT_EQ(escaped("abc\n", 8), "abc");
  EXPECT_EQ(escaped("abc\n", 9), "abc\\u000a");
  EXPECT_EQ(escaped("ab\xc3\xa9", 3), "ab");
}

}  // namespace
}  // namespace qv
