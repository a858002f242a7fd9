// SPDX-License-Identifier: 0BSD
#include "deliver/quota.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

#include <functional>
#include <utility>

#include "deliver/maildir.h"
#include "tests/deliver/mailbox_dir.h"
#include "tests/fakes/faulty_files.h"

namespace qv::deliver {
namespace {

constexpr time_t kNow = 1700000000;

class QuotaTest : public ::testing::Test {
 protected:
  QuotaTest() {
    for (const char* name : {"bob", "bob/new", "bob/cur", "bob/tmp"}) dir_.make_dir(name);
  }
  Room admits(std::uint64_t size) {
    MaildirQuota quota(files_, dir_.path("bob/"), limit_);
    const Result<Room> room = quota.admits(size);
    EXPECT_TRUE(room.ok());
    return room.ok() ? room.value() : Room::full;
  }
  void add(std::uint64_t size) { MaildirQuota(files_, dir_.path("bob/"), limit_).add(size); }
  // The file as another program left it `age` seconds ago.
  void maildirsize(std::string_view text, time_t age = 0) {
    dir_.write("bob/maildirsize", text);
    const utimbuf when{kNow - age, kNow - age};
    ASSERT_EQ(utime(dir_.path("bob/maildirsize").c_str(), &when), 0);
  }
  std::string maildirsize() const { return dir_.read("bob/maildirsize"); }
  MailboxDir dir_;
  FaultyFiles files_;
  Quota limit_{1000, 10};
};

TEST_F(QuotaTest, ReadsQuotas) {
  struct Row {
    const char* text;
    std::uint64_t bytes;
    std::uint64_t messages;
  };
  for (const Row& row : {Row{"1000S,10C", 1000, 10}, Row{"10C,1000S", 1000, 10},
                         Row{"1000S", 1000, 0}, Row{"10C", 0, 10}, Row{"1000", 1000, 0},
                         Row{"5X,7S", 7, 0}, Row{" 8S ", 8, 0}, Row{"0", 0, 0}}) {
    Quota quota;
    EXPECT_TRUE(parse_quota(row.text, quota)) << row.text;
    EXPECT_EQ(quota.bytes, row.bytes) << row.text;
    EXPECT_EQ(quota.messages, row.messages) << row.text;
  }
  for (const char* bad : {"", "S", "-5S", "5S,x", "5S,6", "lots", "99999999999999999999S", "5 S"}) {
    Quota quota{3, 4};
    EXPECT_FALSE(parse_quota(bad, quota)) << bad;
    EXPECT_EQ(quota.bytes, 3u);
  }
  EXPECT_EQ(quota_line({1000, 10}), "1000S,10C");
  EXPECT_EQ(quota_line({0, 10}), "10C");
}

TEST_F(QuotaTest, CountsWhatIsThereAndWritesItDown) {
  dir_.write("bob/new/1.a", std::string(100, 'x'));
  dir_.write("bob/cur/2.a,S=250:2,S", "the name tells the size");
  dir_.write("bob/cur/3.a:2,ST", std::string(600, 'x'));  // trashed
  dir_.write("bob/cur/.hidden", std::string(600, 'x'));
  dir_.make_dir("bob/.Lists");
  dir_.make_dir("bob/.Lists/new");
  dir_.make_dir("bob/.Lists/cur");
  dir_.write("bob/.Lists/new/4.a", std::string(50, 'x'));
  dir_.make_dir("bob/.Trash");
  dir_.make_dir("bob/.Trash/cur");
  dir_.write("bob/.Trash/cur/5.a", std::string(600, 'x'));
  EXPECT_EQ(admits(600), Room::fits);
  EXPECT_EQ(maildirsize(), "1000S,10C\n        400 3\n");
  EXPECT_EQ(admits(601), Room::full);
}

TEST_F(QuotaTest, AddsLinesOfFourteenBytes) {
  EXPECT_EQ(admits(100), Room::fits);
  add(100);
  EXPECT_EQ(maildirsize(), "1000S,10C\n          0 0\n        100 1\n");
}

TEST_F(QuotaTest, BelievesAnotherProgramsSum) {
  maildirsize("1000S,10C\n200 2\n-50 -1\n  +not\n");
  EXPECT_EQ(admits(1000), Room::fits);  // damaged: counted afresh, the maildir is empty
  maildirsize("1000S,10C\n600 2\n-50 -1\n");
  EXPECT_EQ(admits(450), Room::fits);
  EXPECT_EQ(maildirsize(), "1000S,10C\n600 2\n-50 -1\n");
}

TEST_F(QuotaTest, SaysFullOnlyAfterAFreshCount) {
  maildirsize("1000S,10C\n900 2\n50 1\n");
  EXPECT_EQ(admits(100), Room::fits);  // two lines: counted, the maildir is empty
  EXPECT_EQ(maildirsize(), "1000S,10C\n          0 0\n");
  maildirsize("1000S,10C\n950 2\n", 16 * 60);
  EXPECT_EQ(admits(100), Room::fits);  // one line, too old
  maildirsize("1000S,10C\n950 2\n", 14 * 60);
  EXPECT_EQ(admits(100), Room::full);  // one line, fresh: no count
}

TEST_F(QuotaTest, ALineThatIsNotWholeDoesNotCount) {
  maildirsize("1000S,10C\n200 2\n300 3\n500 5");  // it may go on
  EXPECT_EQ(admits(500), Room::fits);
  EXPECT_EQ(maildirsize(), "1000S,10C\n200 2\n300 3\n500 5");
  maildirsize("1000S,10C\n200 2");
  EXPECT_EQ(admits(1000), Room::fits);  // nothing is left of it: counted
  EXPECT_EQ(maildirsize(), "1000S,10C\n          0 0\n");
}

TEST_F(QuotaTest, WhatIsNoMaildirsizeIsCountedAfresh) {
  for (const std::string_view bad :
       {std::string_view("1000S,10C\n"), std::string_view("\n5 1\n"), std::string_view("1000S"),
        std::string_view("1000S,10C\n5 1\n\0\0\0\n", 19), std::string_view("1000S,10C\n5\n"),
        std::string_view("1000S,10C\n5 1 1\n"), std::string_view("1000S,10C\n5 -1\n"),
        std::string_view("1000S,10C\n9223372036854775807 1\n9223372036854775807 1\n")}) {
    maildirsize(bad);
    EXPECT_EQ(admits(1000), Room::fits) << bad;
    EXPECT_EQ(maildirsize(), "1000S,10C\n          0 0\n") << bad;
  }
}

TEST_F(QuotaTest, ASizeInANameMustBeOne) {
  dir_.write("bob/new/1.a,S=100", "four");
  dir_.write("bob/new/2.a,S=100,W=103", "four");
  dir_.write("bob/cur/3.a,S=100:2,", "four");
  dir_.write("bob/new/4.a,S=100x", "four");
  dir_.write("bob/new/5.a,S=", "four");
  dir_.write("bob/new/6.a,S=99999999999999999999", "four");
  EXPECT_EQ(admits(1), Room::fits);
  EXPECT_EQ(maildirsize(), "1000S,10C\n        312 6\n");
}

TEST_F(QuotaTest, SizesThatNoDiskHoldsAreNotRoom) {
  for (const char* name :
       {"1.a,S=9223372036854775807", "2.a,S=9223372036854775807", "3.a,S=9223372036854775807"}) {
    dir_.write(std::string("bob/new/") + name, "x");
  }
  EXPECT_EQ(admits(1), Room::full);
}

// Puts a message into a folder while the sum is being written.
class Meanwhile final : public Files {
 public:
  explicit Meanwhile(std::function<void()> act) : act_(std::move(act)) {}
  int rename(const std::string& from, const std::string& to) override {
    act_();
    return Files::rename(from, to);
  }

 private:
  std::function<void()> act_;
};

TEST_F(QuotaTest, ASumOfWhatChangedMeanwhileIsNotKept) {
  dir_.make_dir("bob/.Lists");
  dir_.make_dir("bob/.Lists/new");
  for (const char* where : {"bob/new/1.a", "bob/.Lists/new/2.a"}) {
    Meanwhile files([&] {
      usleep(20000);  // more than the file system's clock ticks in
      dir_.write(where, "x");
    });
    MaildirQuota quota(files, dir_.path("bob/"), limit_);
    ASSERT_TRUE(quota.admits(1).ok());
    EXPECT_FALSE(dir_.exists("bob/maildirsize")) << where;
  }
  EXPECT_EQ(admits(1), Room::fits);
  EXPECT_TRUE(dir_.exists("bob/maildirsize"));
}

TEST_F(QuotaTest, LimitsTheNumberOfMessages) {
  maildirsize("1000S,10C\n9 9\n");
  EXPECT_EQ(admits(1), Room::fits);
  maildirsize("1000S,10C\n10 10\n");
  EXPECT_EQ(admits(1), Room::full);
}

TEST_F(QuotaTest, CountsAfreshForAnotherQuotaAndForALongFile) {
  maildirsize("999S,10C\n950 2\n");
  EXPECT_EQ(admits(100), Room::fits);
  EXPECT_EQ(maildirsize(), "1000S,10C\n          0 0\n");
  std::string text = "1000S,10C\n";
  while (text.size() < 5120) text += "          0 0\n";
  maildirsize(text);
  EXPECT_EQ(admits(100), Room::fits);
  EXPECT_EQ(maildirsize(), "1000S,10C\n          0 0\n");
}

TEST_F(QuotaTest, ANegativeSumIsNotBelieved) {
  maildirsize("1000S,10C\n-5 1\n");
  EXPECT_EQ(admits(1000), Room::fits);
  EXPECT_EQ(maildirsize(), "1000S,10C\n          0 0\n");
}

TEST_F(QuotaTest, WhatCannotBeCountedIsAnErrorNotFull) {
  for (int at = 1; at < 12; ++at) {
    dir_.write("bob/new/1.a", "x");
    FaultyFiles files(FaultyFiles::What::fail, at, EIO);
    MaildirQuota quota(files, dir_.path("bob/"), {10, 0});
    const Result<Room> room = quota.admits(1);
    if (room.ok()) {
      EXPECT_EQ(room.value(), Room::fits) << files.where();
    }
  }
}

TEST_F(QuotaTest, ADeliveryIsCountedAndNamesItsSize) {
  MaildirTarget target;
  target.path = target.root = dir_.path("bob/");
  target.quota = {350, 0};
  target.host = "host";
  const auto deliver = [&] {
    return deliver_maildir(files_, target, envelope_for(), dir_.message("body\n"));
  };
  const Outcome first = deliver();
  ASSERT_EQ(first.delivery, Delivery::done);
  const std::string size = std::to_string(first.bytes);
  const std::string name = dir_.list("bob/new").front();
  EXPECT_EQ(name.substr(name.find(',')), ",S=" + size);
  EXPECT_NE(maildirsize().find(" " + size + " 1\n"), std::string::npos) << maildirsize();
  ASSERT_EQ(deliver().delivery, Delivery::done);
  ASSERT_EQ(deliver().delivery, Delivery::done);
  const Outcome over = deliver();
  EXPECT_EQ(over.delivery, Delivery::refuse);
  EXPECT_EQ(over.code, "5.2.2");
  EXPECT_EQ(dir_.list("bob/new").size(), 3u);
}

}  // namespace
}  // namespace qv::deliver
