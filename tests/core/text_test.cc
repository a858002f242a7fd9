// SPDX-License-Identifier: 0BSD
#include "core/text.h"

#include <gtest/gtest.h>

#include <string>

namespace qv {
namespace {

std::string escaped(std::string_view s, std::size_t size = 64) {
  std::string out(size, '#');
  out.resize(escape(s, out.data(), out.size()));
  return out;
}

TEST(Text, EscapesWhatALogLineCannotHold) {
  EXPECT_EQ(escaped("bob@example.org"), "bob@example.org");
  EXPECT_EQ(escaped("a b\n"), "a\\x20b\\x0a");
  EXPECT_EQ(escaped("\\\""), "\\x5c\\x22");
  EXPECT_EQ(escaped(std::string_view("\0\xff", 2)), "\\x00\\xff");
}

TEST(Text, EscapeNeverWritesHalfAnEscape) {
  EXPECT_EQ(escaped("abc\n", 6), "abc");
  EXPECT_EQ(escaped("abc\n", 7), "abc\\x0a");
  EXPECT_EQ(escaped("abc", 0), "");
}

TEST(Text, ParsesDecimalWithinItsBound) {
  std::uint64_t n = 7;
  EXPECT_TRUE(parse_decimal("0", 10, n));
  EXPECT_EQ(n, 0u);
  EXPECT_TRUE(parse_decimal("65535", 65535, n));
  EXPECT_EQ(n, 65535u);
  EXPECT_TRUE(parse_decimal("18446744073709551615", UINT64_MAX, n));
  EXPECT_EQ(n, UINT64_MAX);
  n = 7;
  for (const char* bad : {"", "-1", "+1", " 1", "1 ", "1a", "65536", "99999999999999999999"}) {
    EXPECT_FALSE(parse_decimal(bad, 65535, n)) << bad;
  }
  EXPECT_FALSE(parse_decimal("18446744073709551616", UINT64_MAX, n));
  EXPECT_FALSE(parse_decimal("9", 8, n));
  EXPECT_EQ(n, 7u);
}

TEST(Text, FindsBytes) {
  EXPECT_EQ(find_byte("a@b@c", '@'), 1u);
  EXPECT_EQ(find_last_byte("a@b@c", '@'), 3u);
  EXPECT_EQ(find_byte("abc", '@'), 3u);
  EXPECT_EQ(find_last_byte("", '@'), 0u);
}

TEST(Text, TakesUntilASeparator) {
  std::string_view rest = "a,,b";
  EXPECT_EQ(take_until(rest, ','), "a");
  EXPECT_EQ(take_until(rest, ','), "");
  EXPECT_EQ(take_until(rest, ','), "b");
  EXPECT_TRUE(rest.empty());
}

TEST(Text, ComparesWithoutCase) {
  EXPECT_TRUE(equal_ignoring_case("ABC@x", "abc@X"));
  EXPECT_FALSE(equal_ignoring_case("abc", "abcd"));
  EXPECT_FALSE(equal_ignoring_case("[", "{"));
}

}  // namespace
}  // namespace qv
