// SPDX-License-Identifier: 0BSD
#include "deliver/mbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utime.h>

#include "tests/deliver/mailbox_dir.h"
#include "tests/fakes/faulty_files.h"

namespace qv::deliver {
namespace {

using What = FaultyFiles::What;

constexpr std::string_view kOld = "From x@y Thu Jan  1 00:00:00 1970\nSubject: old\n\nold\n\n";
constexpr std::string_view kNew =
    "From alice@example.net Tue Nov 14 22:13:20 2023\nReturn-Path: <alice@example.net>\n"
    "X-Original-To: bob@example.org\nDelivered-To: bob@example.org\nSubject: x\n\nbody\n\n";

class MboxTest : public ::testing::Test {
 protected:
  MboxTest() {
    target_.path = dir_.path("bob");
    target_.locks.style = {true, false, true};
    target_.owner = getuid();
    start();
  }
  // One old message and nobody's lock.
  void start() {
    dir_.clear();
    dir_.write("bob", kOld);
  }
  Outcome deliver(Files& files, std::string_view body = "Subject: x\n\nbody\n") {
    return deliver_mbox(files, target_, envelope_for(), dir_.message(body));
  }
  int calls_of_a_delivery() {
    FaultyFiles files;
    EXPECT_EQ(deliver(files).delivery, Delivery::done);
    start();
    return files.calls();
  }
  void deliver_and_die(What what, int at) {
    const pid_t child = fork();
    if (child == 0) {
      FaultyFiles files(what, at);
      static_cast<void>(deliver(files));
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
  }
  static std::string old_and(int news) {
    std::string text(kOld);
    for (int i = 0; i < news; ++i) text += kNew;
    return text;
  }
  MailboxDir dir_;
  MboxTarget target_;
};

TEST_F(MboxTest, AppendsAndLeavesNoLock) {
  FaultyFiles files;
  const Outcome outcome = deliver(files);
  EXPECT_EQ(outcome.delivery, Delivery::done);
  EXPECT_EQ(outcome.bytes, kNew.size());
  EXPECT_EQ(dir_.read("bob"), old_and(1));
  EXPECT_EQ(dir_.list(""), std::vector<std::string>{"bob"});
}

TEST_F(MboxTest, MakesTheFileAndItsDirectories) {
  target_.path = dir_.path("a/b/bob");
  FaultyFiles files;
  EXPECT_EQ(deliver(files).delivery, Delivery::done);
  EXPECT_EQ(dir_.read("a/b/bob"), kNew);
  struct stat st {};
  ASSERT_EQ(stat(target_.path.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
  ASSERT_EQ(stat(dir_.path("a/b").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0700u);
}

TEST_F(MboxTest, QuotesAndEndsWithAnEmptyLine) {
  FaultyFiles files;
  EXPECT_EQ(deliver(files, "S: x\n\nFrom me\nend").delivery, Delivery::done);
  const std::string text = dir_.read("bob");
  EXPECT_EQ(text.substr(text.find("S: x")), "S: x\n\n>From me\nend\n\n");
}

TEST_F(MboxTest, ATornLineOfAnotherProgramDoesNotSwallowTheMessage) {
  dir_.write("bob", "From x@y Thu Jan  1 00:00:00 1970\n\ntorn");
  FaultyFiles files;
  EXPECT_EQ(deliver(files).delivery, Delivery::done);
  EXPECT_NE(dir_.read("bob").find("torn\n\nFrom alice@"), std::string::npos);
}

TEST_F(MboxTest, RefusesWhatIsNotTheRecipientsOwnFile) {
  FaultyFiles files;
  ASSERT_EQ(symlink(dir_.path("bob").c_str(), dir_.path("link").c_str()), 0);
  target_.path = dir_.path("link");
  EXPECT_EQ(deliver(files).delivery, Delivery::retry);
  target_.path = dir_.path("fifo");
  ASSERT_EQ(mkfifo(target_.path.c_str(), 0600), 0);
  EXPECT_EQ(deliver(files).delivery, Delivery::retry);
  target_.path = dir_.path("hard");
  ASSERT_EQ(link(dir_.path("bob").c_str(), target_.path.c_str()), 0);
  EXPECT_EQ(deliver(files).delivery, Delivery::retry);
  unlink(target_.path.c_str());
  target_.path = dir_.path("bob");
  target_.owner = getuid() + 1;
  EXPECT_EQ(deliver(files).code, "4.3.5");
  EXPECT_EQ(dir_.read("bob"), kOld);
  target_.strict_ownership = false;
  EXPECT_EQ(deliver(files).delivery, Delivery::done);
}

TEST_F(MboxTest, RefusesWhatWouldBeOverTheLimit) {
  FaultyFiles files;
  target_.size_limit = kOld.size() + kNew.size();
  EXPECT_EQ(deliver(files).delivery, Delivery::done);
  for (int i = 0; i < 2; ++i) {
    const Outcome outcome = deliver(files);
    EXPECT_EQ(outcome.delivery, Delivery::refuse);
    EXPECT_EQ(outcome.code, "5.2.2");
    EXPECT_EQ(dir_.read("bob"), old_and(1));
    target_.size_limit += 1;  // now the file is not full yet, and one more does not fit
  }
}

TEST_F(MboxTest, WaitsForOthersAndGivesUp) {
  dir_.write("bob.lock", "4711\n");
  FaultyFiles files;
  files.set_time(time(nullptr));
  const Outcome outcome = deliver(files);
  EXPECT_EQ(outcome.delivery, Delivery::retry);
  EXPECT_EQ(outcome.code, "4.2.0");
  EXPECT_EQ(files.paused_ms(), 19000u);
  EXPECT_EQ(dir_.read("bob.lock"), "4711\n");
  EXPECT_EQ(dir_.read("bob"), kOld);
}

TEST_F(MboxTest, RemovesAnotherProgramsStaleLock) {
  dir_.write("bob.lock", "4711\n");
  const utimbuf old{time(nullptr) - 501, time(nullptr) - 501};
  ASSERT_EQ(utime(dir_.path("bob.lock").c_str(), &old), 0);
  FaultyFiles files;
  files.set_time(time(nullptr));
  EXPECT_EQ(deliver(files).delivery, Delivery::done);
  EXPECT_EQ(dir_.list(""), std::vector<std::string>{"bob"});
}

TEST_F(MboxTest, WaitsForFcntlAndFlockHolders) {
  for (const FileLock kind : {FileLock::fcntl_write, FileLock::flock_write}) {
    int pipes[2];
    ASSERT_EQ(pipe(pipes), 0);
    const pid_t holder = fork();
    if (holder == 0) {
      Files real;
      const int fd = real.open(dir_.path("bob"), O_RDWR);
      const int locked = real.lock_file(fd, kind);
      if (write(pipes[1], &locked, 1) != 1) _exit(1);
      for (;;) pause();
    }
    char byte = 0;
    ASSERT_EQ(read(pipes[0], &byte, 1), 1);
    target_.locks.style = {kind == FileLock::fcntl_write, kind == FileLock::flock_write, false};
    FaultyFiles files;
    EXPECT_EQ(deliver(files).code, "4.2.0");
    EXPECT_EQ(files.paused_ms(), 19000u);
    kill(holder, SIGKILL);
    int status = 0;
    waitpid(holder, &status, 0);
    EXPECT_EQ(deliver(files).delivery, Delivery::done);
    close(pipes[0]);
    close(pipes[1]);
    start();
  }
}

// With the record in the dotlock, and beside the mailbox.
class MboxCrashTest : public MboxTest, public ::testing::WithParamInterface<LockStyle> {
 protected:
  MboxCrashTest() { target_.locks.style = GetParam(); }
  std::string lock() const { return GetParam().dotlock ? "bob.lock" : "bob.record"; }
};

INSTANTIATE_TEST_SUITE_P(Locks, MboxCrashTest,
                         ::testing::Values(LockStyle{true, false, true},
                                           LockStyle{true, false, false},
                                           LockStyle{false, true, false}));

TEST_P(MboxCrashTest, AnyFailingCallLeavesTheOldOrTheWholeNew) {
  const int calls = calls_of_a_delivery();
  ASSERT_GT(calls, 15);
  for (const int errnum : {EIO, ENOSPC, EDQUOT, ESTALE, EINTR, EROFS}) {
    for (int at = 1; at <= calls; ++at) {
      start();
      FaultyFiles files(What::fail, at, errnum);
      const Outcome outcome = deliver(files);
      const bool is_done = outcome.delivery == Delivery::done;
      EXPECT_EQ(dir_.read("bob"), old_and(is_done ? 1 : 0)) << errnum << " " << files.where();
      EXPECT_EQ(outcome.delivery == Delivery::refuse, !is_done && errnum == EDQUOT);
      // The next delivery is not in trouble for it.
      FaultyFiles sound;
      EXPECT_EQ(deliver(sound).delivery, Delivery::done) << errnum << " " << files.where();
      EXPECT_EQ(sound.paused_ms(), 0u) << files.where();
      EXPECT_EQ(dir_.read("bob"), old_and(is_done ? 2 : 1)) << errnum << " " << files.where();
    }
  }
}

TEST_P(MboxCrashTest, DyingAnywhereIsMendedByTheNextDelivery) {
  const int calls = calls_of_a_delivery();
  for (const What what : {What::die, What::die_torn}) {
    for (int at = 1; at <= calls; ++at) {
      start();
      deliver_and_die(what, at);
      FaultyFiles files;
      EXPECT_EQ(deliver(files).delivery, Delivery::done) << at;
      EXPECT_EQ(files.paused_ms(), 0u) << at;
      const std::string text = dir_.read("bob");
      EXPECT_TRUE(text == old_and(1) || text == old_and(2)) << at << "\n" << text;
      EXPECT_FALSE(dir_.exists(lock())) << at;
    }
  }
}

// A disk that breaks at some call, for good, and then the power fails: with all that was not
// fsynced gone, or only the names, or only the bytes.
TEST_P(MboxCrashTest, ALossOfPowerAnywhereIsMendedByTheNextDelivery) {
  const int calls = calls_of_a_delivery();
  for (const What what : {What::fail, What::break_torn}) {
    for (const auto loss :
         {FaultyFiles::Loss::all, FaultyFiles::Loss::names, FaultyFiles::Loss::bytes}) {
      for (int at = 1; at <= calls + 1; ++at) {
        start();
        FaultyFiles files(what, at, EIO);
        files.stay_broken();
        files.watch_power();
        const bool is_done = deliver(files).delivery == Delivery::done;
        files.lose_power(loss);
        // A lock whose bytes are gone looks like another program's: it has to grow stale.
        const utimbuf old{0, 0};
        static_cast<void>(utime(dir_.path(lock()).c_str(), &old));
        FaultyFiles sound;
        EXPECT_EQ(deliver(sound).delivery, Delivery::done) << files.where();
        const std::string text = dir_.read("bob");
        EXPECT_TRUE(text == old_and(2) || (!is_done && text == old_and(1)))
            << at << files.where() << text;
      }
    }
  }
}

// The same, but everything that was written reached the disk: the tail is torn, not gone.
TEST_P(MboxCrashTest, ABrokenDiskIsMendedByTheNextDelivery) {
  const int calls = calls_of_a_delivery();
  for (int at = 1; at <= calls; ++at) {
    start();
    FaultyFiles files(What::fail, at, EIO);
    files.stay_broken();
    const bool is_done = deliver(files).delivery == Delivery::done;
    FaultyFiles sound;
    EXPECT_EQ(deliver(sound).delivery, Delivery::done) << files.where();
    // What breaks when the message is on disk and the record crossed out leaves it whole: twice is
    // better than torn.
    const std::string text = dir_.read("bob");
    EXPECT_TRUE(text == old_and(2) || (!is_done && text == old_and(1))) << files.where() << text;
  }
}

TEST_P(MboxCrashTest, LeavesAloneWhatAReaderMadeOfTheFileMeanwhile) {
  const int calls = calls_of_a_delivery();
  int recorded = 0;
  for (int at = 1; at <= calls; ++at) {
    start();
    deliver_and_die(What::die_torn, at);
    if (dir_.read("bob").size() <= kOld.size()) continue;
    ++recorded;
    // Longer than the record says, and going on with something else.
    const std::string rewritten = std::string(kOld) + std::string(kOld);
    dir_.write("bob", rewritten);
    FaultyFiles files;
    EXPECT_EQ(deliver(files).delivery, Delivery::done);
    EXPECT_EQ(dir_.read("bob"), rewritten + std::string(kNew));
  }
  EXPECT_GT(recorded, 0);
}

TEST_F(MboxTest, WithoutADotlockOtherProgramsLocksAreNotLookedAt) {
  target_.locks.style = {true, false, false};
  dir_.write("bob.lock", "4711\n");
  dir_.write("bob.record", "whatever this is\n");
  FaultyFiles files;
  files.set_time(time(nullptr) + 10);
  EXPECT_EQ(deliver(files).delivery, Delivery::done);
  EXPECT_EQ(files.paused_ms(), 0u);
  EXPECT_FALSE(dir_.exists("bob.record"));
  EXPECT_TRUE(dir_.exists("bob.lock"));
}

TEST_F(MboxTest, WithoutADotlockTheDirectoryNeedNotBeWritable) {
  target_.locks.style = {true, false, false};
  FaultyFiles files(What::fail, 1, EACCES);
  EXPECT_EQ(deliver(files).delivery, Delivery::done);
  EXPECT_EQ(files.where().find("open"), 0u) << files.where();
  EXPECT_EQ(dir_.read("bob"), old_and(1));
  start();
  target_.locks.style.dotlock = true;
  FaultyFiles again(What::fail, 1, EACCES);
  EXPECT_EQ(deliver(again).delivery, Delivery::retry);
}

TEST_F(MboxTest, ARecordOfAnotherUserIsNotBelieved) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  struct stat st {};
  ASSERT_EQ(stat(dir_.path("bob").c_str(), &st), 0);
  const WriteRecord record{10, st.st_dev, st.st_ino, std::string(kOld.substr(10, 20))};
  for (const bool dotlock : {false, true}) {
    target_.locks.style.dotlock = dotlock;
    const std::string name = dotlock ? "bob.lock" : "bob.record";
    dir_.write(name, encode_lock(1, record));
    ASSERT_EQ(chown(dir_.path(name).c_str(), 61001, 61001), 0);
    FaultyFiles files;
    files.set_time(time(nullptr) + 1000);
    EXPECT_EQ(deliver(files).delivery, Delivery::done);
    EXPECT_EQ(dir_.read("bob").substr(0, kOld.size()), kOld);
    start();
  }
}

TEST_F(MboxTest, ManyAtOnceAreWrittenOneAfterTheOther) {
  constexpr int kWriters = 8;
  for (int i = 0; i < kWriters; ++i) {
    if (fork() == 0) {
      Files files;
      for (int n = 0; n < 5; ++n) {
        const Outcome outcome = deliver(files);
        if (outcome.delivery == Delivery::done) continue;
        fprintf(stderr, "%s %s\n", outcome.code.c_str(), outcome.text.c_str());
        _exit(1);
      }
      _exit(0);
    }
  }
  int failed = 0;
  for (int i = 0; i < kWriters; ++i) {
    int status = 0;
    wait(&status);
    failed += status == 0 ? 0 : 1;
  }
  EXPECT_EQ(failed, 0);
  const std::string text = dir_.read("bob");
  EXPECT_EQ(text.size(), kOld.size() + 40 * kNew.size());
  EXPECT_EQ(dir_.list(""), std::vector<std::string>{"bob"});
}

TEST(Locks, ReadsStyles) {
  LockStyle style;
  EXPECT_TRUE(parse_lock_style("fcntl, dotlock", style));
  EXPECT_TRUE(style.fcntl && style.dotlock && !style.flock);
  EXPECT_TRUE(parse_lock_style("flock", style));
  EXPECT_TRUE(style.flock && !style.fcntl && !style.dotlock);
  for (const char* bad : {"", " , ", "fcntl,lockf", "FCNTL"}) {
    EXPECT_FALSE(parse_lock_style(bad, style)) << bad;
  }
}

}  // namespace
}  // namespace qv::deliver
