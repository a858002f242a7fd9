// SPDX-License-Identifier: 0BSD
#include "deliver/writers.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <functional>

#include "deliver/as_user.h"
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
  // Is this the body of a message in new/?
  bool has_message(std::string_view body) const {
    bool found = false;
    for (const std::string& name : dir_.list("bob/new")) {
      found =
          found || dir_.read("bob/new/" + name) == header_lines(job_.envelope) + std::string(body);
    }
    return found;
  }
  static bool eventually(const std::function<bool()>& condition) {
    for (int i = 0; i < 1000; ++i) {
      if (condition()) return true;
      usleep(10000);
    }
    return false;
  }
  static void send_all(Writers& writers, int writer, std::string_view piece) {
    while (writers.send(writer, piece) == Writers::Sent::later) {
      pollfd writable{writer, POLLOUT, 0};
      ASSERT_EQ(poll(&writable, 1, 10000), 1);
    }
  }
  // The latest child of this process: writers of earlier tests may still be ending.
  static pid_t wait_for_child() {
    const std::string path = "/proc/self/task/" + std::to_string(getpid()) + "/children";
    int pid = 0;
    eventually([&] {
      FILE* file = fopen(path.c_str(), "re");
      if (file == nullptr) return false;
      while (fscanf(file, "%d", &pid) == 1) continue;
      fclose(file);
      return pid > 0;
    });
    return pid;
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

TEST_F(WritersTest, DeliversAMessageThatComesWithItsJob) {
  Writers writers(settings_, "host");
  for (const std::string_view body : {"Subject: x\n\nbody", "", "x\n"}) {
    const Result<int> writer = writers.start(job_, body);
    ASSERT_TRUE(writer.ok());
    EXPECT_EQ(writers.finish(writer.value()).delivery, Delivery::done);
  }
  EXPECT_EQ(dir_.list("bob/new").size(), 3u);
  EXPECT_TRUE(has_message("Subject: x\n\nbody\n"));
}

TEST_F(WritersTest, DeliversAMessageThatComesInPieces) {
  Writers writers(settings_, "host");
  const Result<int> writer = writers.begin(job_, "Subject: x\n");
  ASSERT_TRUE(writer.ok());
  std::string body = "Subject: x\n";
  for (int i = 0; i < 300; ++i) {
    const std::string piece(kMaxPiece, static_cast<char>('a' + i % 26));
    send_all(writers, writer.value(), piece);
    body += piece;
    EXPECT_TRUE(dir_.list("bob/new").empty());
  }
  EXPECT_EQ(writers.send_last(writer.value(), "end"), Writers::Sent::yes);
  const Outcome outcome = writers.finish(writer.value());
  EXPECT_EQ(outcome.delivery, Delivery::done) << outcome.text;
  EXPECT_TRUE(has_message(body + "end\n"));
  EXPECT_TRUE(dir_.list("bob/tmp").empty());
}

TEST_F(WritersTest, SaysWhenTheWriterIsBehind) {
  Writers writers(settings_, "host");
  const Result<int> writer = writers.begin(job_, "x");
  ASSERT_TRUE(writer.ok());
  const pid_t child = wait_for_child();
  kill(child, SIGSTOP);
  const std::string piece(kMaxPiece, 'x');
  int sent = 0;
  Writers::Sent last = Writers::Sent::yes;
  for (; sent < 10000 && last == Writers::Sent::yes; ++sent) {
    last = writers.send(writer.value(), piece);
  }
  EXPECT_EQ(last, Writers::Sent::later);
  EXPECT_EQ(writers.send_last(writer.value(), piece), Writers::Sent::later);
  kill(child, SIGCONT);
  pollfd writable{writer.value(), POLLOUT, 0};
  ASSERT_EQ(poll(&writable, 1, 10000), 1);
  EXPECT_EQ(writers.send_last(writer.value(), "."), Writers::Sent::yes);
  EXPECT_EQ(writers.finish(writer.value()).delivery, Delivery::done);
  EXPECT_EQ(
      dir_.read("bob/new/" + dir_.list("bob/new").front()).size(),
      header_lines(job_.envelope).size() + 1 + static_cast<std::size_t>(sent - 1) * kMaxPiece + 2);
}

TEST_F(WritersTest, NothingStaysOfAMessageThatIsDropped) {
  Writers writers(settings_, "host");
  const Result<int> writer = writers.begin(job_, "Subject: x\n");
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE(eventually([&] { return dir_.list("bob/tmp").size() == 1; }));
  writers.drop(writer.value());
  EXPECT_TRUE(eventually([&] { return dir_.list("bob/tmp").empty(); }));
  EXPECT_TRUE(dir_.list("bob/new").empty());
  EXPECT_EQ(run(writers).delivery, Delivery::done);
}

TEST_F(WritersTest, NothingStaysOfAMessageWhoseSenderDies) {
  const pid_t sender = fork();
  if (sender == 0) {
    Writers writers(settings_, "host");
    _exit(writers.begin(job_, "Subject: x\n").ok() &&
                  eventually([&] { return dir_.list("bob/tmp").size() == 1; })
              ? 0
              : 1);
  }
  signal(SIGCHLD, SIG_DFL);
  int status = 0;
  ASSERT_EQ(waitpid(sender, &status, 0), sender);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_TRUE(eventually([&] { return dir_.list("bob/tmp").empty(); }));
  EXPECT_TRUE(dir_.list("bob/new").empty());
}

TEST_F(WritersTest, ADeadWriterIsNoticedWhileSending) {
  Writers writers(settings_, "host");
  const Result<int> writer = writers.begin(job_, "Subject: x\n");
  ASSERT_TRUE(writer.ok());
  kill(wait_for_child(), SIGKILL);
  const std::string piece(kMaxPiece, 'x');
  EXPECT_TRUE(
      eventually([&] { return writers.send(writer.value(), piece) == Writers::Sent::dead; }));
  EXPECT_TRUE(writers.has_room());
  EXPECT_TRUE(dir_.list("bob/new").empty());
}

TEST_F(WritersTest, RefusesWhatTheWholeMessageTells) {
  Writers writers(settings_, "host");
  const Result<int> looping = writers.begin(job_, "Subject: x\nDelivered-To: bob@exa");
  ASSERT_TRUE(looping.ok());
  EXPECT_EQ(writers.send_last(looping.value(), "mple.org\n\nbody\n"), Writers::Sent::yes);
  EXPECT_EQ(writers.finish(looping.value()).code, "5.4.6");
  job_.envelope.sender = "a\nb@x";
  const Result<int> unclean = writers.start(job_, "x\n");
  ASSERT_TRUE(unclean.ok());
  EXPECT_EQ(writers.finish(unclean.value()).code, "5.6.0");
  EXPECT_TRUE(dir_.list("bob/new").empty());
  EXPECT_TRUE(dir_.list("bob/tmp").empty());
}

TEST_F(WritersTest, AMessageInPiecesIsNotForAnMbox) {
  Writers writers(settings_, "host");
  job_.mailbox.path = dir_.path("mbox");
  const Result<int> writer = writers.start(job_, "x\n");
  ASSERT_TRUE(writer.ok());
  EXPECT_EQ(writers.finish(writer.value()).delivery, Delivery::retry);
  EXPECT_FALSE(dir_.exists("mbox"));
}

TEST_F(WritersTest, RootIsNeverWrittenAsPieceByPiece) {
  Writers writers(settings_, "host");
  job_.mailbox.uid = 0;
  const Result<int> writer = writers.begin(job_, "x\n");
  ASSERT_TRUE(writer.ok());
  EXPECT_EQ(writers.send_last(writer.value(), "y\n"), Writers::Sent::yes);
  EXPECT_EQ(writers.finish(writer.value()).code, "4.3.5");
  EXPECT_FALSE(dir_.exists("bob"));
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

}  // namespace
}  // namespace qv
