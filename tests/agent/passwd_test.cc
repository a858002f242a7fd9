// SPDX-License-Identifier: 0BSD
#include "agent/passwd.h"

#include <errno.h>
#include <gtest/gtest.h>

#include "maps/cdb_file.h"
#include "process/memory_file.h"
#include "tests/agent/home_tree.h"

namespace qv::agent {
namespace {

class PasswdIndex : public testing::Test {
 protected:
  Finding index(const control::FileStamp& have = control::FileStamp{},
                control::WallClock clock = control::wall_clock_ns) {
    return index_passwd(passwd_index_request(have), tree_.path("passwd").c_str(), clock);
  }
  HomeTree tree_;
};

TEST_F(PasswdIndex, HoldsEveryUserOnceAndTheFirstWins) {
  tree_.write("passwd",
              "root:x:0:0::/root:/bin/sh\n"
              "joe:x:broken:100::/home/no:/bin/sh\n"
              "joe:x:1000:100::/home/joe:/bin/sh\n"
              "joe:x:1001:101::/home/other:/bin/sh\n"
              "# comment\n\n+::::::\n"
              "homeless:x:5:6:::\n"
              "last:x:7:8::/home/last:");
  const Finding found = index(control::FileStamp{}, control::end_of_time_ns);
  ASSERT_EQ(found.response.failed, 0);
  ASSERT_EQ(found.response.outcome, Outcome::found);
  EXPECT_TRUE(process::is_sealed(found.file));
  const maps::CdbFile table = maps::CdbFile::map(Fd(dup(found.file.get()))).value();
  std::string_view value;
  ASSERT_EQ(table.find("joe", value).value(), maps::Answer::found);
  const PasswdEntry joe = decode_passwd(value).value();
  EXPECT_EQ(joe.uid, 1000U);
  EXPECT_EQ(joe.gid, 100U);
  EXPECT_EQ(joe.home, "/home/joe");
  ASSERT_EQ(table.find("homeless", value).value(), maps::Answer::found);
  EXPECT_EQ(decode_passwd(value).value().home, "");
  EXPECT_EQ(table.find("last", value).value(), maps::Answer::found);
  EXPECT_EQ(table.find("root", value).value(), maps::Answer::found);
  for (const char* none : {"", "nobody", "+", "# comment"}) {
    EXPECT_EQ(table.find(none, value).value(), maps::Answer::absent) << none;
  }
}

TEST_F(PasswdIndex, SaysWhenNothingChanged) {
  tree_.write("passwd", "joe:x:1000:100::/home/joe:/bin/sh\n");
  control::FileStamp have = index().response.stamp;
  EXPECT_EQ(index(have).response.outcome, Outcome::found) << "it was written a moment ago";
  have.settled = 1;
  const Finding same = index(have);
  EXPECT_EQ(same.response.outcome, Outcome::unchanged);
  EXPECT_FALSE(same.file.valid());
  tree_.write("passwd", "joe:x:1000:100::/home/joe:/bin/zsh\n");
  EXPECT_EQ(index(have).response.outcome, Outcome::found);
}

TEST_F(PasswdIndex, AFileBeingWrittenIsNotBelieved) {
  tree_.write("passwd", "joe:x:1000:100::/home/joe:/bin/sh\n");
  control::FileStamp have = index().response.stamp;
  for (const char* half : {"", "joe:x:1000:100::/home/joe:/bin/sh\njim:x:10"}) {
    tree_.write("passwd", half);
    EXPECT_EQ(index().response.failed, 1);
    EXPECT_EQ(index().response.fault, Fault::retry);
    const Finding old = index(have);
    EXPECT_EQ(old.response.outcome, Outcome::unchanged) << "what the asker has serves";
    EXPECT_TRUE(control::is_unchanged(old.response.stamp, have));
    EXPECT_EQ(index(have, control::end_of_time_ns).response.outcome, Outcome::found);
  }
}

TEST_F(PasswdIndex, AMissingFileIsAFaultNotNobody) {
  const Finding missing = index();
  EXPECT_EQ(missing.response.failed, 1);
  EXPECT_EQ(missing.response.fault, Fault::config);
  EXPECT_EQ(missing.response.errnum, ENOENT);
  tree_.make_directory("passwd", 0755);
  EXPECT_EQ(index().response.failed, 1);
}

TEST(PasswdUser, AsTheSystemKnowsThem) {
  const Finding root = find_passwd_user(passwd_user_request("root").value());
  ASSERT_EQ(root.response.failed, 0);
  ASSERT_EQ(root.response.outcome, Outcome::found);
  EXPECT_EQ(root.response.uid, 0U);
  EXPECT_EQ(root.response.user_view(), "root");
  EXPECT_EQ(root.response.home_view(), "/root");
  const Finding none = find_passwd_user(passwd_user_request("no-such-user-here").value());
  EXPECT_EQ(none.response.failed, 0);
  EXPECT_EQ(none.response.outcome, Outcome::absent);
}

}  // namespace
}  // namespace qv::agent
