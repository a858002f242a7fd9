// SPDX-License-Identifier: 0BSD
// Table processes and writers as processes; the test is the front, which may have been taken over.
#include "deliver/writer.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <utility>

#include "deliver/job.h"
#include "tests/deliver/mailbox_dir.h"
#include "tests/process/processes.h"

namespace qv::deliver {
namespace {

uid_t some_uid() { return geteuid() == 0 ? 61001 : getuid(); }
gid_t some_gid() { return geteuid() == 0 ? 61001 : getgid(); }

class WriterTest : public ::testing::Test {
 protected:
  WriterTest() {
    chmod(dir_.path("").c_str(), 0777);
    DeliverSettings& settings = settings_.deliver;
    settings.mailbox_base = dir_.path("mail");
    settings.locks.style = {true, false, true};
    dir_.make_dir("mail");
    chmod(settings.mailbox_base.c_str(), 0777);
    settings.mailbox_maps =
        "inline:{ bob@x=bob/ eve@x=eve/ root@x=root/ wheel@x=wheel/ other@x=other/ low@x=low/ }";
    settings.uid_maps = "inline:{ root@x=0 other@x=" + std::to_string(some_uid() + 1) +
                        " low@x=99 @x=" + std::to_string(some_uid()) + " }";
    settings.gid_maps = "inline:{ wheel@x=0 @x=" + std::to_string(some_gid()) + " }";
    settings.minimum_uid = 100;
    settings_.host = "host";
    settings_.tables = {65534, 65534};
    settings_.read_settings = [] { return std::nullopt; };
  }
  ~WriterTest() override { end(); }

  void start(const process::SpawnerSettings& spawner, const std::string& order) {
    end();
    process::Child child = process::start_child(spawner.confinement, [&](Fd theirs) {
                             spawner.run(order, std::move(theirs));
                           }).value();
    socket_ = std::move(child.socket);
    pid_ = child.pid;
    const timeval limit{10, 0};
    setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  void start_writer(const std::string& recipient) { start(writer_spawner(settings_), recipient); }
  void end() {
    socket_.reset();
    if (pid_ > 0) waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  std::optional<std::string> ask(const std::string& body, int file = -1) {
    if (!process::send_message(socket_, 0, 1, body, file, process::Waiting::allowed).ok()) {
      return std::nullopt;
    }
    auto answer = process::receive_message(socket_, process::Waiting::allowed);
    if (!answer.ok()) return std::nullopt;
    return std::move(answer).value().body;
  }
  FoundMailbox find(const std::string& recipient) {
    return decode_found(ask(recipient).value_or("")).value_or(FoundMailbox{});
  }
  // A job as an honest front sends it.
  static Job job_for(const std::string& recipient) {
    Job job;
    job.envelope = envelope_for(recipient);
    return job;
  }
  // How it ends; code "" where the writer is gone.
  Outcome run(char kind, const Job& job) {
    const MessageSource message = dir_.message("Subject: x\n\nbody\n");
    const auto answer = ask(kind + encode_job(job), kind == kDeliver ? message.fd : -1);
    return answer ? decode_outcome(*answer).value() : Outcome{Delivery::retry, "", "", 0};
  }

  MailboxDir dir_;
  WriterSettings settings_;
  Fd socket_;
  pid_t pid_ = -1;
};

TEST_F(WriterTest, TableProcessesFindMailboxes) {
  start(table_spawner(settings_), "");
  const FoundMailbox bob = find("bob@x");
  EXPECT_EQ(bob.outcome.delivery, Delivery::done);
  EXPECT_EQ(bob.mailbox.path, settings_.deliver.mailbox_base + "/bob/");
  EXPECT_EQ(bob.mailbox.uid, some_uid());
  EXPECT_EQ(find("gone@x").outcome.code, "5.1.1");
  if (geteuid() != 0) return;
  EXPECT_EQ(process::status_of(pid_, "Uid"), "65534\t65534\t65534\t65534");
}

TEST_F(WriterTest, WritesAsWhomTheTablesName) {
  start_writer("bob@x");
  const Outcome outcome = run(kDeliver, job_for("bob@x"));
  EXPECT_EQ(outcome.delivery, Delivery::done) << outcome.text;
  ASSERT_EQ(dir_.list("mail/bob/new").size(), 1u);
  struct stat st {};
  ASSERT_EQ(stat(dir_.path("mail/bob/new/" + dir_.list("mail/bob/new").front()).c_str(), &st), 0);
  EXPECT_EQ(st.st_uid, some_uid());
  EXPECT_EQ(st.st_gid, some_gid());
  // The same one takes the next job, also for another mailbox of the account.
  EXPECT_EQ(run(kRoom, job_for("bob@x")).delivery, Delivery::done);
  EXPECT_EQ(run(kDeliver, job_for("bob@x")).delivery, Delivery::done);
  EXPECT_EQ(dir_.list("mail/bob/new").size(), 2u);
  EXPECT_EQ(run(kDeliver, job_for("eve@x")).delivery, Delivery::done);
  EXPECT_EQ(dir_.list("mail/eve/new").size(), 1u);
}

// ---- what a front that was taken over may try ---------------------------------------------------

TEST_F(WriterTest, NobodyNamesAMailboxButByItsRecipient) {
  start_writer("bob@x");
  Job job = job_for("bob@x");
  for (const std::string& path :
       {dir_.path("elsewhere/"), settings_.deliver.mailbox_base + "/eve/", std::string("/etc/")}) {
    job.mailbox = {path, "../../x", 0, 0, {}};
    EXPECT_EQ(run(kDeliver, job).delivery, Delivery::done) << "it goes where the tables say";
  }
  EXPECT_EQ(dir_.list("mail/bob/new").size(), 3u);
  EXPECT_FALSE(dir_.exists("elsewhere"));
  EXPECT_FALSE(dir_.exists("mail/eve"));
}

TEST_F(WriterTest, NobodyWritesAsAnotherAccount) {
  start_writer("bob@x");
  EXPECT_EQ(run(kDeliver, job_for("other@x")).text, "mailbox has a new owner");
  EXPECT_EQ(run(kRoom, job_for("other@x")).text, "mailbox has a new owner");
  EXPECT_EQ(run(kDeliver, job_for("gone@x")).code, "5.1.1");
  EXPECT_TRUE(dir_.list("mail").empty());
}

TEST_F(WriterTest, RootAndTheSystemsAccountsAreNeverWrittenAs) {
  for (const char* recipient : {"root@x", "wheel@x", "low@x"}) {
    start_writer(recipient);
    const Outcome outcome = run(kDeliver, job_for(recipient));
    EXPECT_EQ(outcome.delivery, Delivery::retry) << recipient;
    EXPECT_EQ(outcome.code, "4.3.5") << recipient;
  }
  EXPECT_TRUE(dir_.list("mail").empty());
}

// Tables that say such are the operator's mistake, or a table process that was taken over.
TEST_F(WriterTest, WritesBelowTheBaseOnly) {
  for (const char* path : {"../other/", "a/../../other/", ".."}) {
    settings_.deliver.mailbox_maps = "inline:{ {bob@x=" + std::string(path) + "} }";
    start_writer("bob@x");
    EXPECT_NE(run(kDeliver, job_for("bob@x")).delivery, Delivery::done) << path;
  }
  EXPECT_TRUE(dir_.list("mail").empty());
  EXPECT_FALSE(dir_.exists("other"));
}

TEST_F(WriterTest, WhatIsNoJobEndsIt) {
  for (const std::string& body :
       {std::string(), std::string("x"), std::string("d"), "?" + encode_job(job_for("bob@x"))}) {
    start_writer("bob@x");
    EXPECT_FALSE(ask(body).has_value());
  }
}

TEST_F(WriterTest, RefusesWhatTheWholeMessageTells) {
  start_writer("bob@x");
  Job job = job_for("bob@x");
  job.envelope.sender = "a\nb@x";
  EXPECT_EQ(run(kDeliver, job).code, "5.6.0");
  EXPECT_FALSE(dir_.exists("mail/bob"));
}

TEST_F(WriterTest, WithoutItsTableProcessMailWaits) {
  start_writer("bob@x");
  EXPECT_EQ(run(kRoom, job_for("bob@x")).delivery, Delivery::done);
  pid_t tables = 0;
  std::ifstream(
      ("/proc/" + std::to_string(pid_) + "/task/" + std::to_string(pid_) + "/children")) >>
      tables;
  ASSERT_GT(tables, 0);
  ASSERT_EQ(kill(tables, SIGKILL), 0);
  EXPECT_EQ(run(kDeliver, job_for("bob@x")).code, "4.3.0");
  EXPECT_FALSE(dir_.exists("mail/bob"));
}

TEST_F(WriterTest, AReloadOrderReadsTheSettingsAgain) {
  DeliverSettings fresh = settings_.deliver;
  fresh.mailbox_maps = "inline:{ bob@x=new/ }";
  settings_.read_settings = [fresh] { return fresh; };
  const process::SpawnerSettings spawner = writer_spawner(settings_);
  spawner.reload();
  start(spawner, "bob@x");
  EXPECT_EQ(run(kDeliver, job_for("bob@x")).delivery, Delivery::done);
  EXPECT_EQ(dir_.list("mail/new/new").size(), 1u);
}

TEST(FoundMailboxes, SurviveBeingSentAndNothingThatIsCutIsOne) {
  const FoundMailbox found{refuse("5.2.2", "a:b"), {"/mail/bob/", ".x", 61001, 61002, {7, 8}}};
  const std::string whole = encode_found(found);
  const std::optional<FoundMailbox> again = decode_found(whole);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(encode_found(*again), whole);
  EXPECT_EQ(again->outcome.text, "a:b");
  EXPECT_EQ(again->mailbox.gid, 61002u);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(decode_found(whole.substr(0, size)).has_value()) << size;
  }
  for (const char* bad : {"", "5:abc", "x:abc", "-1:abc", "99999999999999999999:a"}) {
    EXPECT_FALSE(decode_found(bad).has_value()) << bad;
  }
}

}  // namespace
}  // namespace qv::deliver
