// SPDX-License-Identifier: 0BSD
#include "rcpt/users_cdb.h"

#include <gtest/gtest.h>

#include "tests/fakes/test_tree.h"

namespace qv::rcpt {
namespace {

const std::string kJoe = user_record({"joe", "1000", "100", "/home/joe", "", ""});

class UsersCdbTest : public testing::Test {
 protected:
  void build(const TestTree::Records& records, std::string_view wildcards = "-") {
    TestTree::Records all = records;
    all.emplace_back("", wildcards);
    tree_.write_cdb("users/cdb", all);
  }
  void refresh() {
    problems_.clear();
    now_us_ += 1000000;
    last_ = users_.refresh(now_us_, problems_);
  }
  // "user=dash+ext|rest", "exact " in front where it was; "-" absent; "fault".
  std::string find(std::string_view local) {
    UserRecord record;
    const Result<maps::Answer> answer = users_.find(local, record);
    if (!answer.ok()) return "fault";
    if (answer.value() == maps::Answer::absent) return "-";
    if (record.broken_at != 0) return "broken " + std::to_string(record.broken_at);
    return (record.source == OwnerSource::exact ? "exact " : "") + std::string(record.user.view()) +
           "=" + std::string(record.dash.view()) + "+" + std::string(record.ext.view()) + "|" +
           std::string(record.rest);
  }
  // A wildcard entry that belongs to a user of this name.
  static std::pair<std::string, std::string> wild(const std::string& prefix,
                                                  const std::string& user,
                                                  const std::string& ext = "") {
    return {"!" + prefix, user_record({user, "1", "1", "/h", "-", ext})};
  }
  static std::pair<std::string, std::string> exact(const std::string& local,
                                                   const std::string& user) {
    return {exact_key(local), user_record({user, "1", "1", "/h", "", ""})};
  }

  TestTree tree_;
  UsersCdb users_{tree_.path("users/cdb")};
  std::vector<control::Problem> problems_;
  std::int64_t now_us_ = 0;
  control::Change last_ = control::Change::none;
};

TEST_F(UsersCdbTest, CannotTellBeforeItIsOpened) { EXPECT_EQ(find("joe"), "fault"); }

TEST_F(UsersCdbTest, NoFileIsAnAnswer) {
  refresh();
  EXPECT_EQ(find("joe"), "-");
  EXPECT_EQ(problems_.size(), 0u);
  EXPECT_EQ(users_.current().value(), nullptr);
}

TEST_F(UsersCdbTest, FindsAnExactAssignmentFirst) {
  build({exact("joe-a", "exact"), wild("joe-", "wild"), wild("joe-a", "whole")}, "-a");
  refresh();
  EXPECT_NE(users_.current().value(), nullptr);
  EXPECT_EQ(find("joe-a"), "exact exact=+|");
  EXPECT_EQ(find("JOE-A"), "exact exact=+|");
  EXPECT_EQ(find("joe-a1"), "whole=-+|1");
  EXPECT_EQ(find("joe-b"), "wild=-+|b");
  EXPECT_EQ(find("joe-"), "wild=-+|");
  EXPECT_EQ(find("joe"), "-");
}

TEST_F(UsersCdbTest, TheLongestPrefixWins) {
  build({wild("a-", "one"), wild("a-b-", "two", "x-"), wild("", "catch")});
  refresh();
  EXPECT_EQ(find("a-b-c-d"), "two=-+x-|c-d");
  EXPECT_EQ(find("a-b"), "one=-+|b");
  EXPECT_EQ(find("A-B"), "one=-+|B");
  EXPECT_EQ(find("q"), "catch=-+|q");
  EXPECT_EQ(find(""), "catch=-+|");
}

TEST_F(UsersCdbTest, PrefixesEndInAWildcardCharacter) {
  build({wild("a+", "plus"), wild("a-", "minus")}, "+");
  refresh();
  EXPECT_EQ(find("a+b"), "plus=-+|b");
  EXPECT_EQ(find("a-b"), "-") << "'-' is not among the characters stored under the empty key";
}

TEST_F(UsersCdbTest, AWildcardCharacterInUpperCaseIsNeverMet) {
  build({wild("jox", "x")}, "X");
  refresh();
  EXPECT_EQ(find("jox1"), "-");
  EXPECT_EQ(find("JOX1"), "-");
}

TEST_F(UsersCdbTest, TheExactKeyEndsInANul) {
  build({{"!joe", kJoe}}, "-");
  refresh();
  EXPECT_EQ(find("joe"), "-");
}

TEST_F(UsersCdbTest, EightBitBytesAreBytes) {
  build({exact("j\xf6", "o"), wild("\xff", "y")}, "\xff");
  refresh();
  EXPECT_EQ(find("J\xf6"), "exact o=+|");
  EXPECT_EQ(find("j\xd6"), "-");
  EXPECT_EQ(find("\xff\xfe"), "y=-+|\xfe");
}

TEST_F(UsersCdbTest, ALocalPartOverTheLimitCannotBeTold) {
  build({wild("", "catch")});
  refresh();
  EXPECT_EQ(find(std::string(kMaxLocal, 'a')), "catch=-+|" + std::string(kMaxLocal, 'a'));
  EXPECT_EQ(find(std::string(kMaxLocal + 1, 'a')), "fault");
}

TEST_F(UsersCdbTest, AFileWithoutTheEmptyKeyIsAFault) {
  tree_.write_cdb("users/cdb", {exact("joe", "joe")});
  refresh();
  EXPECT_EQ(find("joe"), "fault");
  ASSERT_EQ(problems_.size(), 1u);
  EXPECT_EQ(problems_[0].where, "users/cdb");
}

TEST_F(UsersCdbTest, WhatIsNoCdbIsAFault) {
  for (const std::string& bytes :
       {std::string(), std::string("x"), std::string(2047, '\0'), std::string(4096, '\xff')}) {
    tree_.replace("users/cdb", bytes);
    UsersCdb users(tree_.path("users/cdb"));
    std::vector<control::Problem> problems;
    EXPECT_EQ(users.refresh(1, problems), control::Change::changed);
    UserRecord record;
    EXPECT_FALSE(users.find("joe", record).ok()) << bytes.size();
    EXPECT_FALSE(users.current().ok());
    EXPECT_EQ(problems.size(), 1u);
  }
}

TEST_F(UsersCdbTest, ADirectoryIsAFault) {
  tree_.write("users/cdb/x", "");
  refresh();
  EXPECT_EQ(find("joe"), "fault");
}

TEST_F(UsersCdbTest, ANewFileIsNoticedWithinASecond) {
  build({exact("joe", "old")});
  refresh();
  build({exact("joe", "new")});
  now_us_ -= 500000;
  refresh();
  EXPECT_EQ(find("joe"), "exact old=+|");
  now_us_ -= 500000;
  refresh();
  EXPECT_EQ(find("joe"), "exact new=+|");
  EXPECT_EQ(last_, control::Change::changed);
}

TEST_F(UsersCdbTest, TheWildcardsAreThoseOfTheNewFile) {
  build({wild("a-", "minus"), wild("a+", "plus")}, "-");
  refresh();
  build({wild("a-", "minus"), wild("a+", "plus")}, "+");
  users_.force();
  refresh();
  EXPECT_EQ(find("a-b"), "-");
  EXPECT_EQ(find("a+b"), "plus=-+|b");
}

TEST_F(UsersCdbTest, ARemovedFileIsNoLongerThere) {
  build({exact("joe", "joe")});
  refresh();
  tree_.remove("users/cdb");
  refresh();
  EXPECT_EQ(find("joe"), "-");
  EXPECT_EQ(problems_.size(), 0u);
}

TEST_F(UsersCdbTest, ASuccessorThatIsNotWholeIsAFaultUntilItIs) {
  build({exact("joe", "old")});
  refresh();
  tree_.replace("users/cdb", "half");
  refresh();
  EXPECT_EQ(find("joe"), "fault");
  ASSERT_EQ(problems_.size(), 1u);
  refresh();
  EXPECT_EQ(problems_.size(), 0u) << "said once";
  build({exact("joe", "new")});
  refresh();
  EXPECT_EQ(find("joe"), "exact new=+|");
}

TEST_F(UsersCdbTest, AFileDamagedInPlaceIsAFaultUntilItIsWhole) {
  maps::guard_against_truncation();
  build({exact("joe", "old")});
  refresh();
  tree_.write("users/cdb", "half");
  refresh();
  EXPECT_EQ(find("joe"), "fault");
  refresh();
  EXPECT_EQ(find("joe"), "fault");
  build({exact("joe", "new")});
  refresh();
  EXPECT_EQ(find("joe"), "exact new=+|");
}

TEST_F(UsersCdbTest, AFileCutShortIsAFaultBeforeThatIsNoticed) {
  maps::guard_against_truncation();
  build({exact("joe", "joe")});
  refresh();
  ASSERT_EQ(truncate(tree_.path("users/cdb").c_str(), 0), 0);
  EXPECT_EQ(find("joe"), "fault");
}

TEST_F(UsersCdbTest, FetchingAheadIsForLargeTables) {
  build({exact("joe", "joe")});
  refresh();
  EXPECT_EQ(users_.prefetch("joe").table(), nullptr);
  TestTree::Records many;
  for (int i = 0; i < 40000; ++i) many.push_back(exact("user" + std::to_string(i), "joe"));
  build(many);
  refresh();
  const CdbPrefetch prefetch = users_.prefetch("User7");
  ASSERT_NE(prefetch.table(), nullptr);
  EXPECT_EQ(prefetch.hash(), maps::CdbFile::hash_of(exact_key("user7")));
  prefetch.fetch_record();
  EXPECT_EQ(find("user7"), "exact joe=+|");
  users_.prefetch("nobody").fetch_record();
  EXPECT_EQ(find("nobody"), "-");
}

TEST_F(UsersCdbTest, FetchingAheadSurvivesAFileCutShort) {
  maps::guard_against_truncation();
  TestTree::Records many;
  for (int i = 0; i < 40000; ++i) many.push_back(exact("user" + std::to_string(i), "joe"));
  build(many);
  refresh();
  ASSERT_EQ(truncate(tree_.path("users/cdb").c_str(), 0), 0);
  users_.prefetch("user7").fetch_record();
  EXPECT_EQ(find("user7"), "fault");
}

struct Record {
  const char* name;
  std::string bytes;
  int broken_at;
};

class Records : public testing::TestWithParam<Record> {};

TEST_P(Records, AreWholeOrBroken) {
  UserRecord record;
  parse_user_record(GetParam().bytes, record);
  EXPECT_EQ(record.broken_at, GetParam().broken_at);
}

Record of(const char* name, const std::vector<std::string>& fields, int broken_at) {
  return {name, user_record(fields), broken_at};
}

INSTANTIATE_TEST_SUITE_P(
    Table, Records,
    testing::Values(of("empty", {""}, 3), of("after_user", {"joe"}, 3),
                    of("after_uid", {"joe", "1"}, 4), of("after_gid", {"joe", "1", "2"}, 5),
                    of("after_home", {"joe", "1", "2", "/h"}, 6),
                    of("after_dash", {"joe", "1", "2", "/h", "-"}, 7),
                    of("whole", {"joe", "1", "2", "/h", "-", "x"}, 0),
                    of("whole_with_last_nul", {"joe", "1", "2", "/h", "-", "x", ""}, 0),
                    of("more_than_whole", {"joe", "1", "2", "/h", "-", "x", "y", "z"}, 0),
                    of("empty_dash_and_ext", {"joe", "1", "2", "/h", "", ""}, 0),
                    of("uid_empty", {"joe", "", "2", "/h", "", ""}, 4),
                    of("uid_not_decimal", {"joe", "1x", "2", "/h", "", ""}, 4),
                    of("uid_negative", {"joe", "-1", "2", "/h", "", ""}, 4),
                    of("uid_blank", {"joe", " 1", "2", "/h", "", ""}, 4),
                    of("uid_largest", {"joe", "4294967294", "2", "/h", "", ""}, 0),
                    of("uid_no_change", {"joe", "4294967295", "2", "/h", "", ""}, 4),
                    of("uid_wraps_to_root", {"joe", "4294967296", "2", "/h", "", ""}, 4),
                    of("gid_not_decimal", {"joe", "1", "wheel", "/h", "", ""}, 5),
                    of("gid_no_change", {"joe", "1", "4294967295", "/h", "", ""}, 5),
                    of("home_empty", {"joe", "1", "2", "", "", ""}, 6),
                    of("home_relative", {"joe", "1", "2", "home/joe", "", ""}, 6),
                    of("user_too_long", {std::string(256, 'u'), "1", "2", "/h", "", ""}, 3),
                    of("home_too_long", {"joe", "1", "2", "/" + std::string(4095, 'h'), "", ""}, 6),
                    of("dash_too_long", {"joe", "1", "2", "/h", std::string(256, '-'), ""}, 7),
                    of("ext_too_long", {"joe", "1", "2", "/h", "-", std::string(1025, 'e')}, 7)),
    [](const auto& row) { return std::string(row.param.name); });

TEST(UserRecord, HoldsItsFields) {
  UserRecord record;
  parse_user_record(user_record({"joe", "17", "23", "/home/joe", "-", "ext", ""}), record);
  EXPECT_EQ(record.user.view(), "joe");
  EXPECT_EQ(record.uid, 17u);
  EXPECT_EQ(record.gid, 23u);
  EXPECT_EQ(record.home.view(), "/home/joe");
  EXPECT_EQ(record.dash.view(), "-");
  EXPECT_EQ(record.ext.view(), "ext");
}

}  // namespace
}  // namespace qv::rcpt
