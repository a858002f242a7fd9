// SPDX-License-Identifier: 0BSD
#include "deliver/retries.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

#include "tests/deliver/mailbox_dir.h"
#include "tests/fakes/faulty_files.h"

namespace qv::deliver {
namespace {

class RetriesTest : public ::testing::Test {
 protected:
  RetriesTest() : name_("qmail-virtual." + std::to_string(geteuid())) {
    files_.set_time(time(nullptr));
  }
  Retries run(std::string_view sender = "a@x", std::string_view body = "message\n") {
    return Retries(files_, dir_.path(""), sender, dir_.message(body));
  }
  MailboxDir dir_;
  FaultyFiles files_;
  std::string name_;
};

TEST_F(RetriesTest, KnowsWhoHasTheMessage) {
  Retries first = run();
  EXPECT_FALSE(first.has("b@x"));
  first.add("b@x");
  first.add("c@x");
  const Retries second = run();
  EXPECT_TRUE(second.has("b@x"));
  EXPECT_TRUE(second.has("c@x"));
  EXPECT_FALSE(second.has("d@x"));
  EXPECT_FALSE(second.has(""));
}

TEST_F(RetriesTest, AnotherMessageOrSenderIsAnotherDelivery) {
  run().add("b@x");
  EXPECT_FALSE(run("other@x").has("b@x"));
  EXPECT_FALSE(run("a@x", "message").has("b@x"));
}

TEST_F(RetriesTest, ForgetsWhenNobodyWaits) {
  run().add("b@x");
  run().clear();
  EXPECT_FALSE(run().has("b@x"));
  EXPECT_TRUE(dir_.list(name_).empty());
}

TEST_F(RetriesTest, ALineThatIsNotWholeIsNotBelieved) {
  run().add("b@x");
  const std::string file = name_ + "/" + dir_.list(name_).front();
  dir_.write(file, dir_.read(file) + "\n7:c@x");
  EXPECT_FALSE(run().has("c@x"));
  run().add("d@x");
  EXPECT_FALSE(run().has("c@x"));
  EXPECT_TRUE(run().has("b@x"));
  EXPECT_TRUE(run().has("d@x"));
}

TEST_F(RetriesTest, ADirectoryThatOthersCanWriteIsNotUsed) {
  dir_.make_dir(name_);
  ASSERT_EQ(chmod(dir_.path(name_).c_str(), 0770), 0);
  run().add("b@x");
  EXPECT_FALSE(run().has("b@x"));
  EXPECT_TRUE(dir_.list(name_).empty());
}

TEST_F(RetriesTest, OldOnesGo) {
  run().add("b@x");
  const std::string file = dir_.path(name_ + "/" + dir_.list(name_).front());
  const utimbuf old{time(nullptr) - 9 * 86400, time(nullptr) - 9 * 86400};
  ASSERT_EQ(utime(file.c_str(), &old), 0);
  static_cast<void>(run("other@x"));
  EXPECT_TRUE(dir_.list(name_).empty());
}

TEST_F(RetriesTest, TroubleMeansKnowingNothing) {
  run().add("b@x");
  for (int at = 1; at < 12; ++at) {
    FaultyFiles files(FaultyFiles::What::fail, at, EIO);
    Retries retries(files, dir_.path(""), "a@x", dir_.message("message\n"));
    EXPECT_FALSE(retries.has("c@x"));
    retries.add("d@x");
    retries.clear();
  }
}

}  // namespace
}  // namespace qv::deliver
