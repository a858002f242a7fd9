// SPDX-License-Identifier: 0BSD
#include "deliver/broker.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include "deliver/job.h"
#include "deliver/packets.h"
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
    settings_.locks.style = {true, false, true};
    dir_.make_dir("mail");
    chmod(settings_.mailbox_base.c_str(), 0777);
    box_ = {settings_.mailbox_base + "/bob/", ".lists", some_uid(), some_gid(), {1000, 5}};
    auto pair = packet_pair();
    EXPECT_TRUE(pair.ok());
    ours_ = std::move(pair.value().first);
    pid_ = fork();
    if (pid_ == 0) {
      ours_.reset();
      serve(pair.value().second.get());
      _exit(0);
    }
  }
  ~BrokerTest() override {
    ours_.reset();
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    int status = 0;
    waitpid(pid_, &status, 0);
  }
  void serve(int socket) {
    const auto find = [this](std::string_view recipient, Mailbox& mailbox) {
      if (recipient == "gone@x") return refuse("5.1.1", "no such mailbox");
      if (recipient == "die@x") _exit(1);
      mailbox = box_;
      if (recipient == "long@x") mailbox.path += std::string(100000, 'x');
      if (recipient == "root@x") mailbox.uid = 0;
      if (recipient == "wheel@x") mailbox.gid = 0;
      return done(0);
    };
    const auto read_settings = [this] {
      box_.folder = ".new";
      return done(0);
    };
    serve_broker(socket, {settings_, host_, find, read_settings});
  }
  std::optional<BrokerReply> ask(char kind, std::string_view what, Fd& writer) {
    std::string packet;
    EXPECT_TRUE(send_packet(ours_.get(), kind + std::string(what)));
    if (!receive_packet(ours_.get(), packet, writer)) return std::nullopt;
    return decode_reply(packet);
  }
  BrokerReply ask(char kind, std::string_view what) {
    Fd none;
    return ask(kind, what, none).value_or(BrokerReply{{}, {}, -1});
  }
  Job job_for(std::string recipient) const {
    Job job;
    job.envelope = envelope_for(std::move(recipient));
    job.mailbox = box_;
    job.mailbox.folder.clear();
    return job;
  }
  // What a writer says to a job; its code is empty where it says nothing.
  Outcome run(const Fd& writer, char kind, const Job& job) {
    std::string packet;
    Fd none;
    EXPECT_TRUE(send_packet(writer.get(), kind + encode_job(job), dir_.message("x\n").fd));
    if (!receive_packet(writer.get(), packet, none)) return {Delivery::retry, "", "", 0};
    return decode_outcome(packet).value_or(Outcome{Delivery::retry, "?", "", 0});
  }
  // How a job for this recipient ends with a new writer.
  Outcome run_new(char kind, const Job& job, std::string_view recipient = "bob@x") {
    Fd writer;
    const std::optional<BrokerReply> reply = ask(kStartWriter, recipient, writer);
    EXPECT_TRUE(reply && writer.valid());
    return run(writer, kind, job);
  }
  MailboxDir dir_;
  DeliverSettings settings_;
  const std::string host_ = "host";
  Mailbox box_;
  Fd ours_;
  pid_t pid_ = -1;
};

TEST_F(BrokerTest, FindsMailboxes) {
  const BrokerReply bob = ask(kFindMailbox, "bob@x");
  EXPECT_EQ(bob.outcome.delivery, Delivery::done);
  EXPECT_EQ(bob.mailbox.path, box_.path);
  EXPECT_EQ(bob.mailbox.folder, ".lists");
  EXPECT_EQ(bob.mailbox.uid, some_uid());
  EXPECT_EQ(bob.mailbox.quota.messages, 5u);
  EXPECT_EQ(bob.writer, 0);
  EXPECT_EQ(ask(kFindMailbox, "gone@x").outcome.code, "5.1.1");
  EXPECT_EQ(ask(kFindMailbox, "long@x").outcome.code, "4.3.5");
}

TEST_F(BrokerTest, StartsWritersForThoseWhomTheTablesName) {
  Fd writer;
  const std::optional<BrokerReply> reply = ask(kStartWriter, "bob@x", writer);
  ASSERT_TRUE(reply && writer.valid());
  EXPECT_GT(reply->writer, 0);
  EXPECT_EQ(reply->mailbox.uid, some_uid());
  const Outcome outcome = run(writer, kDeliver, job_for("bob@x"));
  EXPECT_EQ(outcome.delivery, Delivery::done) << outcome.text;
  ASSERT_EQ(dir_.list("mail/bob/new").size(), 1u);
  struct stat st {};
  ASSERT_EQ(stat(dir_.path("mail/bob/new/" + dir_.list("mail/bob/new").front()).c_str(), &st), 0);
  EXPECT_EQ(st.st_uid, some_uid());
  EXPECT_EQ(st.st_gid, some_gid());
  // The same one takes the next job.
  EXPECT_EQ(run(writer, kRoom, job_for("bob@x")).delivery, Delivery::done);
  EXPECT_EQ(run(writer, kDeliver, job_for("bob@x")).delivery, Delivery::done);
  EXPECT_EQ(dir_.list("mail/bob/new").size(), 2u);

  Fd none;
  EXPECT_TRUE(ask(kStartWriter, "gone@x", none));
  EXPECT_FALSE(none.valid());
}

TEST_F(BrokerTest, AWriterWritesBelowTheBaseOnly) {
  for (const std::string& path : {dir_.path("other/"), settings_.mailbox_base + "/../other/",
                                  settings_.mailbox_base + "/a/..", settings_.mailbox_base,
                                  std::string("other/"), settings_.mailbox_base + "x/"}) {
    Job job = job_for("bob@x");
    job.mailbox.path = path;
    EXPECT_EQ(run_new(kDeliver, job).code, "") << path;
  }
  Job job = job_for("bob@x");
  job.mailbox.folder = "/../../../other";
  EXPECT_EQ(run_new(kDeliver, job).code, "");
  EXPECT_TRUE(dir_.list("mail").empty());
  EXPECT_FALSE(dir_.exists("other"));
}

TEST_F(BrokerTest, AWriterWritesAsNobodyElse) {
  Job job = job_for("bob@x");
  job.mailbox.uid = some_uid() + 1;
  EXPECT_EQ(run_new(kDeliver, job).code, "");
  job.mailbox.uid = some_uid();
  job.mailbox.gid = some_gid() + 1;
  EXPECT_EQ(run_new(kRoom, job).code, "");
  EXPECT_EQ(run_new('?', job_for("bob@x")).code, "");
  EXPECT_TRUE(dir_.list("mail").empty());
}

TEST_F(BrokerTest, RootIsNeverWrittenAs) {
  Job job = job_for("root@x");
  job.mailbox.uid = 0;
  EXPECT_EQ(run_new(kDeliver, job, "root@x").code, "4.3.5");
  job.mailbox.uid = some_uid();
  job.mailbox.gid = 0;
  EXPECT_EQ(run_new(kDeliver, job, "wheel@x").code, "4.3.5");
  EXPECT_TRUE(dir_.list("mail").empty());
}

TEST_F(BrokerTest, RefusesWhatTheWholeMessageTells) {
  Job job = job_for("bob@x");
  job.envelope.sender = "a\nb@x";
  EXPECT_EQ(run_new(kDeliver, job).code, "5.6.0");
  EXPECT_FALSE(dir_.exists("mail/bob"));
}

TEST_F(BrokerTest, EndsAWriterEvenWhereItStandsStill) {
  Fd writer;
  const std::optional<BrokerReply> reply = ask(kStartWriter, "bob@x", writer);
  ASSERT_TRUE(reply && writer.valid());
  ASSERT_EQ(kill(reply->writer, SIGSTOP), 0);
  ASSERT_TRUE(send_packet(ours_.get(), kEndWriter + std::to_string(reply->writer)));
  pollfd end{writer.get(), POLLIN, 0};
  ASSERT_EQ(poll(&end, 1, 10000), 1);
  std::string packet;
  Fd none;
  EXPECT_FALSE(receive_packet(writer.get(), packet, none));
}

TEST_F(BrokerTest, EndsNobodyElse) {
  signal(SIGCHLD, SIG_DFL);
  const pid_t stranger = fork();
  if (stranger == 0) {
    pause();
    _exit(0);
  }
  for (const std::string& number :
       {std::to_string(stranger), std::to_string(getpid()), std::string("0"), std::string("-1"),
        std::string("x"), std::to_string(pid_), std::string()}) {
    ASSERT_TRUE(send_packet(ours_.get(), kEndWriter + number));
    EXPECT_EQ(ask(kFindMailbox, "bob@x").outcome.delivery, Delivery::done) << number;
  }
  int status = 0;
  EXPECT_EQ(waitpid(stranger, &status, WNOHANG), 0);
  kill(stranger, SIGKILL);
  EXPECT_EQ(waitpid(stranger, &status, 0), stranger);
}

TEST_F(BrokerTest, ReadsItsSettingsAgain) {
  EXPECT_EQ(ask(kReadSettings, "").outcome.delivery, Delivery::done);
  EXPECT_EQ(ask(kFindMailbox, "bob@x").mailbox.folder, ".new");
}

TEST_F(BrokerTest, ABrokerThatIsGoneIsNoAnswer) {
  Fd none;
  EXPECT_FALSE(ask(kFindMailbox, "die@x", none));
  EXPECT_FALSE(send_packet(ours_.get(), "fbob@x"));
}

TEST_F(BrokerTest, EndsWithItsClientAndAtWhatItDoesNotUnderstand) {
  signal(SIGCHLD, SIG_DFL);
  ASSERT_TRUE(send_packet(ours_.get(), "x"));
  std::string packet;
  Fd none;
  EXPECT_FALSE(receive_packet(ours_.get(), packet, none));
  int status = -1;
  EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
  EXPECT_EQ(status, 0);
  pid_ = 0;
}

TEST(BrokerReplies, SurviveBeingSentAndNothingThatIsCutIsOne) {
  const BrokerReply reply{refuse("5.2.2", "a:b"), {"/mail/bob/", ".x", 61001, 61002, {7, 8}}, 4711};
  const std::string whole = encode_reply(reply);
  const std::optional<BrokerReply> again = decode_reply(whole);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(encode_reply(*again), whole);
  EXPECT_EQ(again->writer, 4711);
  EXPECT_EQ(again->outcome.text, "a:b");
  EXPECT_EQ(again->mailbox.gid, 61002u);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(decode_reply(whole.substr(0, size)).has_value()) << size;
  }
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
