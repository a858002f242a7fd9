// SPDX-License-Identifier: 0BSD
#include "deliver/writers.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deliver/as_user.h"
#include "deliver/spool.h"
#include "tests/deliver/mailbox_dir.h"

namespace qv {
namespace {

// Whom this test may deliver to: itself, or, as root, numbers that need no account.
uid_t some_uid() { return geteuid() == 0 ? 61001 : getuid(); }
gid_t some_gid() { return geteuid() == 0 ? 61001 : getgid(); }

class WritersTest : public ::testing::Test {
 protected:
  WritersTest() {
    settings_.locks.style = {true, false, true};
    settings_.writer_limit = 2;
    chmod(dir_.path("").c_str(), 0777);
    job_.envelope = envelope_for();
    job_.mailbox.path = dir_.path("bob/");
    job_.mailbox.uid = some_uid();
    job_.mailbox.gid = some_gid();
  }
  Outcome run(Writers& writers) {
    const Result<int> writer = writers.start(job_, dir_.message("x\n").fd);
    EXPECT_TRUE(writer.ok());
    return writer.ok() ? writers.finish(writer.value()) : Outcome{};
  }
  MailboxDir dir_;
  DeliverSettings settings_;
  Job job_;
};

TEST_F(WritersTest, DeliversAsTheRecipient) {
  Writers writers(settings_, "host");
  const Outcome outcome = run(writers);
  ASSERT_EQ(outcome.delivery, Delivery::done) << outcome.text;
  ASSERT_EQ(dir_.list("bob/new").size(), 1u);
  struct stat st {};
  ASSERT_EQ(stat(dir_.path("bob/new/" + dir_.list("bob/new").front()).c_str(), &st), 0);
  EXPECT_EQ(st.st_uid, some_uid());
  EXPECT_EQ(st.st_gid, some_gid());
}

TEST_F(WritersTest, KeepsAWriterForTheNextJob) {
  Writers writers(settings_, "host");
  const Result<int> first = writers.start(job_, dir_.message("x\n").fd);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(writers.finish(first.value()).delivery, Delivery::done);
  const Result<int> second = writers.start(job_, dir_.message("x\n").fd);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second.value(), first.value());
  EXPECT_EQ(writers.finish(second.value()).delivery, Delivery::done);
}

TEST_F(WritersTest, HasRoomForSoManyAtATime) {
  Writers writers(settings_, "host");
  const Result<int> first = writers.start(job_, dir_.message("x\n").fd);
  EXPECT_TRUE(writers.has_room());
  const Result<int> second = writers.start(job_, dir_.message("x\n").fd);
  EXPECT_FALSE(writers.has_room());
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_NE(first.value(), second.value());
  EXPECT_EQ(writers.finish(first.value()).delivery, Delivery::done);
  EXPECT_TRUE(writers.has_room());
  EXPECT_EQ(writers.finish(second.value()).delivery, Delivery::done);
}

TEST_F(WritersTest, RootIsNeverWrittenAs) {
  Writers writers(settings_, "host");
  job_.mailbox.uid = 0;
  EXPECT_EQ(run(writers).code, "4.3.5");
  job_.mailbox.uid = some_uid();
  job_.mailbox.gid = 0;
  EXPECT_EQ(run(writers).code, "4.3.5");
  EXPECT_FALSE(dir_.exists("bob"));
}

TEST_F(WritersTest, AnEnvelopeThatIsTooLongIsNotSent) {
  Writers writers(settings_, "host");
  job_.envelope.sender = std::string(100000, 'x');
  EXPECT_FALSE(writers.start(job_, dir_.message("x\n").fd).ok());
}

// What a child that became somebody may still do; its exit code.
int as_child(int (*act)()) {
  // The writers of other tests ignore SIGCHLD.
  signal(SIGCHLD, SIG_DFL);
  const pid_t child = fork();
  if (child == 0) _exit(act());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(AsUser, BecomesTheUserForGood) {
  EXPECT_EQ(as_child([] {
              if (!become_user(some_uid(), some_gid()).ok()) return 1;
              if (getuid() != some_uid() || geteuid() != some_uid()) return 2;
              if (getegid() != some_gid()) return 3;
              if (setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0) return 4;
              return umask(0) == 077 ? 0 : 5;
            }),
            0);
}

TEST(AsUser, RefusesRootAndWhoItCannotBe) {
  EXPECT_EQ(as_child([] { return become_user(0, 61001).ok() ? 1 : 0; }), 0);
  EXPECT_EQ(as_child([] { return become_user(61001, 0).ok() ? 1 : 0; }), 0);
  EXPECT_EQ(as_child([] {
              if (!become_user(some_uid(), some_gid()).ok()) return 1;
              const Result<void> again = become_user(some_uid() + 1, some_gid());
              return again.ok() || again.error().fault != Fault::config ? 2 : 0;
            }),
            0);
}

TEST(Spool, IsAFileWithoutAName) {
  MailboxDir dir;
  const Result<Fd> spool = open_spool(dir.path(""));
  ASSERT_TRUE(spool.ok());
  EXPECT_TRUE(dir.list("").empty());
  EXPECT_FALSE(open_spool(dir.path("none")).ok());
  int pipes[2];
  ASSERT_EQ(pipe(pipes), 0);
  ASSERT_EQ(write(pipes[1], "hello", 5), 5);
  close(pipes[1]);
  ASSERT_TRUE(spool_all(pipes[0], spool.value().get()).ok());
  close(pipes[0]);
  char text[6] = {};
  EXPECT_EQ(pread(spool.value().get(), text, 5, 0), 5);
  EXPECT_STREQ(text, "hello");
}

}  // namespace
}  // namespace qv
