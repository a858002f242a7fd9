// SPDX-License-Identifier: 0BSD
// The records of the tables that an agent sends to the front.
#include <gtest/gtest.h>

#include "agent/home.h"
#include "agent/passwd.h"

namespace qv::agent {
namespace {

using namespace std::string_view_literals;

TEST(PasswdLine, TakesWhatTheSystemTakes) {
  PasswdEntry entry;
  ASSERT_TRUE(parse_passwd_line("joe:x:1000:100:Joe,,:/home/joe:/bin/sh", entry));
  EXPECT_EQ(entry.name, "joe");
  EXPECT_EQ(entry.uid, 1000U);
  EXPECT_EQ(entry.gid, 100U);
  EXPECT_EQ(entry.home, "/home/joe");
}

struct LineCase {
  std::string_view line;
  bool taken;
  std::string_view home;
};

TEST(PasswdLine, OddOnes) {
  const LineCase cases[] = {
      {"  joe:x:1:2:::", true, ""},
      {"joe:x:1:2", true, ""},
      {"joe:x:1:2::/h", true, "/h"},
      {"joe:x:1:2::relative:/bin/sh", true, ""},
      {"joe:x:4294967294:4294967294::/h:", true, "/h"},
      {"", false, ""},
      {"   ", false, ""},
      {"# comment:x:1:2::/h:", false, ""},
      {"+::::::", false, ""},
      {"+joe:x:1:2::/h:", false, ""},
      {"-joe:x:1:2::/h:", false, ""},
      {":x:1:2::/h:", false, ""},
      {"joe", false, ""},
      {"joe:x", false, ""},
      {"joe:x:1", false, ""},
      {"joe:x::2::/h:", false, ""},
      {"joe:x:1:::/h:", false, ""},
      {"joe:x:-1:2::/h:", false, ""},
      {"joe:x:1x:2::/h:", false, ""},
      {"joe:x:1:4294967295::/h:", false, ""},
      {"joe:x:99999999999999999999:2::/h:", false, ""},
      {"jo\0e:x:1:2::/h:"sv, false, ""},
      {"joe:x:1:2::/h\0/i:"sv, false, ""},
  };
  for (const LineCase& c : cases) {
    PasswdEntry entry;
    EXPECT_EQ(parse_passwd_line(c.line, entry), c.taken) << c.line;
    EXPECT_EQ(entry.home, c.home) << c.line;
  }
}

TEST(PasswdRecord, ComesBack) {
  const PasswdEntry entry{"joe", 1000, 4294967294U, "/home/joe"};
  std::string value;
  encode_passwd(entry, value);
  EXPECT_EQ(value, "1000\0004294967294\0/home/joe\0"sv);
  const Result<PasswdEntry> back = decode_passwd(value);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back.value().uid, entry.uid);
  EXPECT_EQ(back.value().gid, entry.gid);
  EXPECT_EQ(back.value().home, entry.home);
}

TEST(PasswdRecord, AnythingElseIsRefused) {
  for (const std::string_view bad :
       {""sv, "1"sv, "1\0"sv, "1\0002"sv, "1\0002\0"sv, "1\0002\0/h"sv, "1\0002\0/h\0x\0"sv,
        "x\0002\0/h\0"sv, "1\0004294967295\0/h\0"sv}) {
    EXPECT_FALSE(decode_passwd(bad).ok()) << bad.size();
  }
}

TEST(IndexSummary, ComesBackAndNothingElseDoes) {
  const std::string value = encode_summary({12, 30, 14});
  const Result<IndexSummary> back = decode_summary(value);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back.value().count, 12U);
  EXPECT_EQ(back.value().longest, 30U);
  EXPECT_EQ(back.value().longest_default, 14U);
  for (const std::string_view bad : {""sv, "1\0002\0"sv, "1\0002\0003"sv, "1\0002\0003\0004\0"sv}) {
    EXPECT_FALSE(decode_summary(bad).ok());
  }
}

}  // namespace
}  // namespace qv::agent
