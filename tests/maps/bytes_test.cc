// SPDX-License-Identifier: 0BSD
#include "maps/bytes.h"

#include <gtest/gtest.h>

#include <string>

namespace qv::maps {
namespace {

TEST(Bytes, SeesEveryUpperCaseLetterAtEveryPlace) {
  for (int c = 0; c < 256; ++c) {
    for (std::size_t at = 0; at < 19; ++at) {
      std::string s(19, 'z');
      s[at] = static_cast<char>(c);
      EXPECT_EQ(has_upper(s), c >= 'A' && c <= 'Z') << c << " at " << at;
    }
  }
  EXPECT_FALSE(has_upper(""));
}

TEST(Bytes, FindsTheFirstBlankOrControlCharacter) {
  for (int c = 0; c < 256; ++c) {
    for (std::size_t at = 0; at < 19; ++at) {
      std::string s(19, static_cast<char>(0xe9));
      s[at] = static_cast<char>(c);
      EXPECT_EQ(find_not_graphic(s, 0), c <= ' ' ? at : s.size()) << c << " at " << at;
    }
  }
  EXPECT_EQ(find_not_graphic("a b c", 2), 3u);
  EXPECT_EQ(find_not_graphic("abc", 3), 3u);
}

}  // namespace
}  // namespace qv::maps
