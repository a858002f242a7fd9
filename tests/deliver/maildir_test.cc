// SPDX-License-Identifier: 0BSD
#include "deliver/maildir.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/deliver/mailbox_dir.h"
#include "tests/fakes/faulty_files.h"

namespace qv::deliver {
namespace {

using What = FaultyFiles::What;

constexpr std::string_view kHeader =
    "Return-Path: <alice@example.net>\nX-Original-To: bob@example.org\n"
    "Delivered-To: bob@example.org\n";

class MaildirTest : public ::testing::Test {
 protected:
  MaildirTest() {
    target_.path = target_.root = dir_.path("bob/");
    target_.host = "mail.example.org";
  }
  Outcome deliver(Files& files, std::string_view body = "Subject: x\n\nbody\n") {
    return deliver_maildir(files, target_, envelope_for(), dir_.message(body));
  }
  std::vector<std::string> visible() const { return dir_.list("bob/new"); }
  std::string only_message() const {
    return visible().size() == 1 ? dir_.read("bob/new/" + visible().front()) : "(not one)";
  }
  int calls_of_a_delivery() {
    FaultyFiles files;
    EXPECT_EQ(deliver(files).delivery, Delivery::done);
    dir_.clear();
    return files.calls();
  }
  // Delivers in a process that dies at a call; how it ended.
  int deliver_and_die(What what, int at) {
    const pid_t child = fork();
    if (child == 0) {
      FaultyFiles files(what, at);
      _exit(deliver(files).delivery == Delivery::done ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
  }
  MailboxDir dir_;
  MaildirTarget target_;
};

TEST_F(MaildirTest, DeliversAndMakesWhatIsMissing) {
  FaultyFiles files;
  const Outcome outcome = deliver(files);
  EXPECT_EQ(outcome.delivery, Delivery::done);
  EXPECT_EQ(only_message(), std::string(kHeader) + "Subject: x\n\nbody\n");
  EXPECT_EQ(outcome.bytes, only_message().size());
  EXPECT_TRUE(dir_.list("bob/tmp").empty());
  for (const char* name : {"bob", "bob/tmp", "bob/new", "bob/cur"}) {
    struct stat st {};
    ASSERT_EQ(stat(dir_.path(name).c_str(), &st), 0) << name;
    EXPECT_EQ(st.st_mode & 0777, 0700u) << name;
  }
  struct stat st {};
  ASSERT_EQ(stat(dir_.path("bob/new/" + visible().front()).c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
}

TEST_F(MaildirTest, MakesWhatIsMissingOfAMaildir) {
  for (const char* there : {"bob/tmp", "bob/new", "bob/cur"}) {
    dir_.clear();
    dir_.make_dir("bob");
    dir_.make_dir(there);
    FaultyFiles files;
    EXPECT_EQ(deliver(files).delivery, Delivery::done) << there;
    EXPECT_EQ(visible().size(), 1u);
    // A maildir without cur is one that readers mend.
    EXPECT_TRUE(dir_.exists("bob/new"));
  }
}

TEST_F(MaildirTest, NamesAreTimeDeviceInodeAndHost) {
  EXPECT_EQ(maildir_name({1700000000, 123456789}, 0xfe01, 0x1a2b, "a/b:c"),
            "1700000000.Vfe01I1a2bM123456.a\\057b\\072c");
  FaultyFiles files;
  ASSERT_EQ(deliver(files).delivery, Delivery::done);
  struct stat st {};
  ASSERT_EQ(stat(dir_.path("bob/new/" + visible().front()).c_str(), &st), 0);
  char wanted[200];
  snprintf(wanted, sizeof wanted, "1700000000.V%lxI%lxM", static_cast<unsigned long>(st.st_dev),
           static_cast<unsigned long>(st.st_ino));
  EXPECT_EQ(visible().front().find(wanted), 0u) << visible().front();
  EXPECT_NE(visible().front().find(".mail.example.org"), std::string::npos);
}

TEST_F(MaildirTest, NeverOverwrites) {
  FaultyFiles files;
  for (int i = 0; i < 20; ++i) ASSERT_EQ(deliver(files).delivery, Delivery::done);
  EXPECT_EQ(visible().size(), 20u);
}

TEST_F(MaildirTest, LinksWhereTheSystemCannotRenameWithoutOverwriting) {
  const int calls = calls_of_a_delivery();
  int fallbacks = 0;
  for (int at = 1; at <= calls; ++at) {
    dir_.clear();
    FaultyFiles files(What::fail, at, EINVAL);
    const Outcome outcome = deliver(files);
    if (files.where().find("rename_noreplace") != 0) continue;
    ++fallbacks;
    EXPECT_EQ(outcome.delivery, Delivery::done);
    EXPECT_EQ(visible().size(), 1u);
    EXPECT_TRUE(dir_.list("bob/tmp").empty());
  }
  EXPECT_EQ(fallbacks, 1);
}

TEST_F(MaildirTest, ALargeMessageLeavesNothingOrAWholeOne) {
  const std::string body = "Subject: x\n\n" + std::string(5 * 30000, 'x');
  const std::string whole = std::string(kHeader) + body + "\n";
  FaultyFiles counting;
  ASSERT_EQ(deliver(counting, body).delivery, Delivery::done);
  EXPECT_EQ(only_message(), whole);
  for (const int errnum : {EIO, EDQUOT, EINTR}) {
    for (int at = 1; at <= counting.calls(); ++at) {
      dir_.clear();
      FaultyFiles files(What::fail, at, errnum);
      const bool is_done = deliver(files, body).delivery == Delivery::done;
      EXPECT_EQ(visible().size(), is_done ? 1u : 0u) << errnum << " " << files.where();
      if (is_done) {
        EXPECT_EQ(only_message(), whole) << files.where();
      }
      if (files.where().find("unlink") != 0) {
        EXPECT_TRUE(dir_.list("bob/tmp").empty()) << files.where();
      }
    }
  }
  for (int at = 1; at <= counting.calls(); ++at) {
    dir_.clear();
    const pid_t child = fork();
    if (child == 0) {
      FaultyFiles files(What::die_torn, at);
      static_cast<void>(deliver(files, body));
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(visible().empty() || only_message() == whole) << at;
  }
}

TEST_F(MaildirTest, AMessageThatIsTooLargeLeavesNothing) {
  target_.size_limit = 1000;
  FaultyFiles files;
  EXPECT_EQ(deliver(files, std::string(1001, 'x')).code, "5.2.2");
  EXPECT_TRUE(dir_.list("bob/tmp").empty());
  EXPECT_TRUE(visible().empty());
}

TEST_F(MaildirTest, AnyFailingCallLeavesNothingOrAWholeMessage) {
  const int calls = calls_of_a_delivery();
  ASSERT_GT(calls, 8);
  for (const int errnum : {EIO, ENOSPC, EDQUOT, ESTALE, EINTR, EACCES, EROFS}) {
    for (int at = 1; at <= calls; ++at) {
      dir_.clear();
      FaultyFiles files(What::fail, at, errnum);
      const Outcome outcome = deliver(files);
      const bool is_done = outcome.delivery == Delivery::done;
      EXPECT_EQ(visible().size(), is_done ? 1u : 0u) << errnum << " " << files.where();
      if (is_done) {
        EXPECT_EQ(only_message(), std::string(kHeader) + "Subject: x\n\nbody\n");
      }
      if (errnum == EINTR && files.where().find("stat") == std::string::npos) {
        EXPECT_TRUE(is_done) << files.where();
      }
      EXPECT_EQ(outcome.delivery == Delivery::refuse, !is_done && errnum == EDQUOT);
      if (errnum == EDQUOT && !is_done) {
        EXPECT_EQ(outcome.code, "5.2.2");
      }
    }
  }
}

TEST_F(MaildirTest, ABrokenDiskLeavesNothing) {
  const int calls = calls_of_a_delivery();
  for (int at = 1; at <= calls; ++at) {
    dir_.clear();
    FaultyFiles files(What::fail, at, EIO);
    files.stay_broken();
    const Outcome outcome = deliver(files);
    // What is visible already when the disk breaks cannot be taken back; it is whole.
    if (files.where().find("fsync") != 0) {
      EXPECT_TRUE(visible().empty()) << files.where();
    }
    EXPECT_EQ(outcome.delivery, Delivery::retry) << files.where();
    for (const std::string& name : visible()) {
      EXPECT_EQ(dir_.read("bob/new/" + name), std::string(kHeader) + "Subject: x\n\nbody\n");
    }
  }
}

TEST_F(MaildirTest, ShortWritesAreGoneOnWith) {
  const int calls = calls_of_a_delivery();
  int shortened = 0;
  for (int at = 1; at <= calls; ++at) {
    dir_.clear();
    FaultyFiles files(What::short_write, at);
    EXPECT_EQ(deliver(files).delivery, Delivery::done);
    EXPECT_EQ(only_message(), std::string(kHeader) + "Subject: x\n\nbody\n");
    shortened += files.struck() ? 1 : 0;
  }
  EXPECT_GT(shortened, 0);
}

TEST_F(MaildirTest, DyingAnywhereLeavesNothingOrAWholeMessage) {
  const int calls = calls_of_a_delivery();
  for (const What what : {What::die, What::die_torn}) {
    for (int at = 1; at <= calls; ++at) {
      dir_.clear();
      static_cast<void>(deliver_and_die(what, at));
      EXPECT_LE(visible().size(), 1u);
      if (!visible().empty()) {
        EXPECT_EQ(only_message(), std::string(kHeader) + "Subject: x\n\nbody\n");
      }
    }
  }
}

TEST_F(MaildirTest, WhatWasReportedSurvivesALossOfPower) {
  FaultyFiles files;
  files.watch_power();
  ASSERT_EQ(deliver(files).delivery, Delivery::done);
  files.lose_power();
  EXPECT_EQ(only_message(), std::string(kHeader) + "Subject: x\n\nbody\n");
}

TEST_F(MaildirTest, NothingTornIsVisibleAfterALossOfPowerAtAnyCall) {
  const int calls = calls_of_a_delivery();
  for (int at = 1; at <= calls; ++at) {
    dir_.clear();
    FaultyFiles files(What::fail, at, EIO);
    files.stay_broken();
    files.watch_power();
    static_cast<void>(deliver(files));
    files.lose_power();
    for (const std::string& name : visible()) {
      EXPECT_EQ(dir_.read("bob/new/" + name), std::string(kHeader) + "Subject: x\n\nbody\n");
    }
  }
}

TEST_F(MaildirTest, RefusesWhatIsLargerThanTheLimit) {
  target_.size_limit = 150;
  FaultyFiles files;
  EXPECT_EQ(deliver(files).delivery, Delivery::done);
  const Outcome outcome = deliver(files, std::string(100, 'x'));
  EXPECT_EQ(outcome.delivery, Delivery::refuse);
  EXPECT_EQ(outcome.code, "5.2.2");
  EXPECT_EQ(visible().size(), 1u);
  EXPECT_TRUE(dir_.list("bob/tmp").empty());
}

TEST_F(MaildirTest, ExtensionsThatCannotBeFoldersAreNone) {
  EXPECT_EQ(extension_folder("lists"), ".lists");
  EXPECT_EQ(extension_folder("lists.qmail"), ".lists.qmail");
  for (const char* bad : {"", ".x", "x.", "a..b", "a/b", "..", "a\nb", "\x80"}) {
    EXPECT_EQ(extension_folder(bad), "") << bad;
  }
  EXPECT_EQ(extension_folder(std::string(65, 'x')), "");
}

}  // namespace
}  // namespace qv::deliver
