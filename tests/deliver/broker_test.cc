// SPDX-License-Identifier: 0BSD
#include "deliver/broker.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include "deliver/packets.h"
#include "deliver/writers.h"
#include "tests/deliver/mailbox_dir.h"

namespace qv {
namespace {

uid_t some_uid() { return geteuid() == 0 ? 61001 : getuid(); }
gid_t some_gid() { return geteuid() == 0 ? 61001 : getgid(); }

class BrokerTest : public ::testing::Test {
 protected:
  BrokerTest() {
    chmod(dir_.path("").c_str(), 0777);
    settings_.mailbox_base = dir_.path("mail");
    dir_.make_dir("mail");
    chmod(settings_.mailbox_base.c_str(), 0777);
    box_ = {settings_.mailbox_base + "/bob/", ".lists", some_uid(), some_gid(), {1000, 5}};
    auto pair = packet_pair();
    EXPECT_TRUE(pair.ok());
    theirs_ = std::move(pair.value().first);
    pid_ = fork();
    if (pid_ == 0) {
      theirs_.reset();
      serve_broker(settings_, "host", pair.value().second.get(),
                   [this](std::string_view recipient, Mailbox& mailbox) {
                     if (recipient == "gone@x") return refuse("5.1.1", "no such mailbox");
                     if (recipient == "die@x") _exit(1);
                     mailbox = box_;
                     return done(0);
                   });
      _exit(0);
    }
  }
  ~BrokerTest() override {
    theirs_.reset();
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    int status = 0;
    waitpid(pid_, &status, 0);
  }
  Job job_for(std::string recipient) const {
    Job job;
    job.envelope = envelope_for(std::move(recipient));
    job.mailbox = box_;
    job.mailbox.folder.clear();
    return job;
  }
  MailboxDir dir_;
  DeliverSettings settings_;
  Mailbox box_;
  Fd theirs_;
  pid_t pid_ = -1;
};

TEST_F(BrokerTest, FindsMailboxes) {
  BrokerClient client(std::move(theirs_));
  Mailbox mailbox;
  EXPECT_EQ(client.find("bob@x", mailbox).delivery, Delivery::done);
  EXPECT_EQ(mailbox.path, box_.path);
  EXPECT_EQ(mailbox.folder, ".lists");
  EXPECT_EQ(mailbox.uid, some_uid());
  EXPECT_EQ(mailbox.quota.messages, 5u);
  EXPECT_EQ(client.find("gone@x", mailbox).code, "5.1.1");
  EXPECT_TRUE(client.is_there());
}

TEST_F(BrokerTest, StartsWritersForThoseWhomTheTablesName) {
  BrokerClient client(std::move(theirs_));
  Writers writers(settings_, [&client](const Job& job) { return client.hire(job); });
  const Result<int> writer = writers.start(job_for("bob@x"), std::string_view("x\n"));
  ASSERT_TRUE(writer.ok());
  EXPECT_EQ(writers.finish(writer.value()).delivery, Delivery::done);
  EXPECT_EQ(dir_.list("mail/bob/new").size(), 1u);

  Job other = job_for("bob@x");
  other.mailbox.uid = some_uid() + 1;
  EXPECT_FALSE(client.hire(other).ok());
  EXPECT_FALSE(client.hire(job_for("gone@x")).ok());
  EXPECT_TRUE(client.is_there());
}

TEST_F(BrokerTest, AWriterWritesBelowTheBaseOnly) {
  BrokerClient client(std::move(theirs_));
  Writers writers(settings_, [&client](const Job& job) { return client.hire(job); });
  for (const std::string& path : {dir_.path("other/"), settings_.mailbox_base + "/../other/",
                                  settings_.mailbox_base + "/a/..", settings_.mailbox_base,
                                  std::string("other/"), settings_.mailbox_base + "x/"}) {
    Job job = job_for("bob@x");
    job.mailbox.path = path;
    const Result<int> writer = writers.start(job, dir_.message("x\n").fd);
    ASSERT_TRUE(writer.ok());
    EXPECT_EQ(writers.finish(writer.value()).code, "4.3.0") << path;
  }
  Job job = job_for("bob@x");
  job.mailbox.folder = "/../../../other";
  const Result<int> writer = writers.start(job, dir_.message("x\n").fd);
  ASSERT_TRUE(writer.ok());
  EXPECT_EQ(writers.finish(writer.value()).code, "4.3.0");
  EXPECT_TRUE(dir_.list("mail").empty());
  EXPECT_FALSE(dir_.exists("other"));
}

TEST_F(BrokerTest, ABrokerThatIsGoneIsNoAnswer) {
  BrokerClient client(std::move(theirs_));
  Mailbox mailbox;
  EXPECT_EQ(client.find("die@x", mailbox).delivery, Delivery::retry);
  EXPECT_FALSE(client.is_there());
  EXPECT_EQ(client.find("bob@x", mailbox).delivery, Delivery::retry);
  EXPECT_FALSE(client.hire(job_for("bob@x")).ok());
}

TEST_F(BrokerTest, EndsWithItsClientAndAtWhatItDoesNotUnderstand) {
  signal(SIGCHLD, SIG_DFL);
  ASSERT_TRUE(send_packet(theirs_.get(), "x"));
  std::string packet;
  Fd none;
  EXPECT_FALSE(receive_packet(theirs_.get(), packet, none));
  int status = -1;
  EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
  EXPECT_EQ(status, 0);
  pid_ = 0;
}

TEST(Packets, TwoPartsAreToldApart) {
  std::string_view first;
  std::string_view second;
  const std::string joined = join_two("a:b", "2:c");
  EXPECT_TRUE(split_two(joined, first, second));
  EXPECT_EQ(first, "a:b");
  EXPECT_EQ(second, "2:c");
  EXPECT_TRUE(split_two("0:", first, second));
  for (const char* bad : {"", "5:abc", "x:abc", "-1:abc", "99999999999999999999:a"}) {
    EXPECT_FALSE(split_two(bad, first, second)) << bad;
  }
}

}  // namespace
}  // namespace qv
