// SPDX-License-Identifier: 0BSD
#include "deliver/lookup.h"

#include <gtest/gtest.h>

#include <map>

namespace qv::deliver {
namespace {

// A table in memory that keeps the keys it was asked for.
class TestMap : public maps::Map {
 public:
  TestMap(std::map<std::string, std::string> rows, std::vector<std::string>* asked, bool is_pattern)
      : rows_(std::move(rows)), asked_(asked), is_pattern_(is_pattern) {}
  [[nodiscard]] bool is_pattern() const override { return is_pattern_; }
  Result<maps::Answer> lookup(std::string_view key, std::string& value) override {
    asked_->emplace_back(key);
    const auto row = rows_.find(std::string(key));
    if (row == rows_.end()) return maps::Answer::absent;
    if (row->second == "(fault)") return Error{Fault::retry, 0, "table is away"};
    value = row->second;
    return maps::Answer::found;
  }

 private:
  std::map<std::string, std::string> rows_;
  std::vector<std::string>* asked_;
  bool is_pattern_;
};

class LookupTest : public ::testing::Test {
 protected:
  LookupTest() {
    settings_.mailbox_base = "/mail";
    settings_.delimiter = "+-";
    mailbox_rows_ = {{"bob@x.org", "bob/"}, {"@x.org", "all"}};
    uid_rows_ = {{"@x.org", "500"}};
    gid_rows_ = {{"@x.org", "600"}};
  }
  Result<maps::Answer> find(std::string_view recipient, bool is_pattern = false) {
    RecipientTables tables;
    asked_.clear();
    const auto add = [](TableList& list, const std::map<std::string, std::string>& rows,
                        std::vector<std::string>& asked, bool pattern) {
      list.tables.push_back(std::make_unique<TestMap>(rows, &asked, pattern));
    };
    add(tables.mailbox, mailbox_rows_, asked_, is_pattern);
    add(tables.uid, uid_rows_, other_, false);
    add(tables.gid, gid_rows_, other_, false);
    add(tables.limit, limit_rows_, other_, false);
    return find_mailbox(settings_, tables, recipient, box_, detail_);
  }
  bool is_config_error(std::string_view recipient) {
    const Result<maps::Answer> found = find(recipient);
    return !found.ok() && found.error().fault == Fault::config && !detail_.empty();
  }
  DeliverSettings settings_;
  std::map<std::string, std::string> mailbox_rows_;
  std::map<std::string, std::string> uid_rows_;
  std::map<std::string, std::string> gid_rows_;
  std::map<std::string, std::string> limit_rows_;
  std::vector<std::string> asked_;
  std::vector<std::string> other_;
  Mailbox box_;
  std::string detail_;
};

TEST_F(LookupTest, AsksWholeThenWithoutExtensionThenDomain) {
  mailbox_rows_ = {{"@x.org", "all"}};
  ASSERT_EQ(find("Bob+A-b@X.org").value(), maps::Answer::found);
  EXPECT_EQ(asked_,
            (std::vector<std::string>{"bob+a-b@x.org", "bob+a@x.org", "bob@x.org", "@x.org"}));
  EXPECT_EQ(box_.path, "/mail/all");
  EXPECT_FALSE(box_.is_maildir());
  EXPECT_EQ(box_.uid, 500u);
  EXPECT_EQ(box_.gid, 600u);
}

TEST_F(LookupTest, FirstHitWins) {
  ASSERT_EQ(find("bob+x@x.org").value(), maps::Answer::found);
  EXPECT_EQ(box_.path, "/mail/bob/");
  EXPECT_TRUE(box_.is_maildir());
  mailbox_rows_["bob+x@x.org"] = "special/";
  ASSERT_EQ(find("bob+x@x.org").value(), maps::Answer::found);
  EXPECT_EQ(box_.path, "/mail/special/");
}

TEST_F(LookupTest, ADelimiterInFrontIsNone) {
  ASSERT_EQ(find("+x@x.org").value(), maps::Answer::found);
  EXPECT_EQ(asked_, (std::vector<std::string>{"+x@x.org", "@x.org"}));
}

TEST_F(LookupTest, PatternTablesGetTheWholeAddressOnly) {
  EXPECT_EQ(find("carol+x@x.org", true).value(), maps::Answer::absent);
  EXPECT_EQ(asked_, std::vector<std::string>{"carol+x@x.org"});
}

TEST_F(LookupTest, AbsentIsAbsentAndAFaultIsAFault) {
  EXPECT_EQ(find("bob@y.org").value(), maps::Answer::absent);
  EXPECT_EQ(find("").value(), maps::Answer::absent);
  EXPECT_EQ(find("bob\n@x.org").value(), maps::Answer::absent);
  EXPECT_EQ(find(std::string(901, 'x')).value(), maps::Answer::absent);
  mailbox_rows_["bob+x@x.org"] = "(fault)";
  const Result<maps::Answer> found = find("bob+x@x.org");
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().fault, Fault::retry);
}

TEST_F(LookupTest, RefusesPathsThatLeaveTheBase) {
  for (const char* bad : {"../etc/passwd", "a/../../b", "a/..", "..", "", "a\nb"}) {
    mailbox_rows_["bob@x.org"] = bad;
    EXPECT_TRUE(is_config_error("bob@x.org")) << bad;
  }
  for (const char* good : {"..a", "a..", "a...b/", "a/.b/"}) {
    mailbox_rows_["bob@x.org"] = good;
    EXPECT_EQ(find("bob@x.org").value(), maps::Answer::found) << good;
  }
}

TEST_F(LookupTest, RefusesIdsThatAreNotPlainOrPrivileged) {
  for (const char* bad : {"", "0", "99", "-1", "4294967295", "4294967296", "5OO", " 500", "500 ",
                          "+500", "0x1f4", "18446744073709552116"}) {
    uid_rows_["@x.org"] = bad;
    EXPECT_TRUE(is_config_error("bob@x.org")) << bad;
  }
  uid_rows_["@x.org"] = "100";
  EXPECT_EQ(find("bob@x.org").value(), maps::Answer::found);
  for (const char* bad : {"0", "-1", "4294967295", "users", ""}) {
    gid_rows_["@x.org"] = bad;
    EXPECT_TRUE(is_config_error("bob@x.org")) << bad;
  }
  gid_rows_["@x.org"] = "8";
  EXPECT_EQ(find("bob@x.org").value(), maps::Answer::found);
}

TEST_F(LookupTest, AMailboxWithoutOwnerIsAMistake) {
  uid_rows_.clear();
  EXPECT_TRUE(is_config_error("bob@x.org"));
}

TEST_F(LookupTest, ReadsQuotas) {
  ASSERT_EQ(find("bob@x.org").value(), maps::Answer::found);
  EXPECT_FALSE(box_.quota.limits());
  limit_rows_["bob@x.org"] = "1000S,5C";
  ASSERT_EQ(find("bob@x.org").value(), maps::Answer::found);
  EXPECT_EQ(box_.quota.bytes, 1000u);
  EXPECT_EQ(box_.quota.messages, 5u);
  limit_rows_["bob@x.org"] = "lots";
  EXPECT_TRUE(is_config_error("bob@x.org"));
}

TEST_F(LookupTest, NamesTheSubfolderOnlyWhenAsked) {
  ASSERT_EQ(find("bob+Lists@x.org").value(), maps::Answer::found);
  EXPECT_EQ(box_.folder, "");
  settings_.extension_folders = true;
  ASSERT_EQ(find("bob+Lists@x.org").value(), maps::Answer::found);
  EXPECT_EQ(box_.folder, ".Lists");
  ASSERT_EQ(find("bob-../x@x.org").value(), maps::Answer::found);
  EXPECT_EQ(box_.folder, "");
  ASSERT_EQ(find("bob@x.org").value(), maps::Answer::found);
  EXPECT_EQ(box_.folder, "");
}

}  // namespace
}  // namespace qv::deliver
