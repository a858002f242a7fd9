// SPDX-License-Identifier: 0BSD
#include "rcpt/config.h"

#include <gtest/gtest.h>

#include "tests/fakes/test_tree.h"

namespace qv::rcpt {
namespace {

// Later than the real clock, by which files get their times: they have settled.
constexpr std::int64_t kLongAgoNs = 10 * control::kSettleNs;
std::int64_t ahead_ns = kLongAgoNs;
std::int64_t test_clock() { return control::wall_clock_ns() + ahead_ns; }

class ConfigTest : public testing::Test {
 protected:
  ~ConfigTest() override { ahead_ns = kLongAgoNs; }
  void control(const std::string& name, std::string_view text) {
    tree_.write("control/" + name, text);
  }
  // Lets a second pass, and what changed be read.
  const QmailConfig& refresh() {
    problems_.clear();
    now_us_ += 1000000;
    last_ = watch_.refresh(now_us_, problems_);
    return watch_.config();
  }
  // Until nothing is read any more.
  void settle() {
    refresh();
    refresh();
    refresh();
    EXPECT_EQ(last_, control::Change::none);
  }
  [[nodiscard]] std::string problems() const {
    std::string out;
    for (const control::Problem& problem : problems_) out += control::to_string(problem) + "\n";
    return out;
  }
  static bool has(const ControlTable& table, std::string_view key) {
    return table.entries.find(key).has_value();
  }

  TestTree tree_;
  ConfigWatch watch_{tree_.root(), test_clock};
  std::vector<control::Problem> problems_;
  std::int64_t now_us_ = 0;
  control::Change last_ = control::Change::none;
};

TEST_F(ConfigTest, BeforeTheFirstReadingNothingIsUsable) {
  EXPECT_FALSE(watch_.config().locals.usable);
  EXPECT_FALSE(watch_.config().envnoathost.usable);
  EXPECT_FALSE(watch_.config().percenthack.usable);
  EXPECT_FALSE(watch_.config().virtualdomains.usable);
}

TEST_F(ConfigTest, MeStandsForLocalsAndEnvnoathost) {
  control("me", "mail.example \nsecond line\n");
  const QmailConfig& config = refresh();
  EXPECT_EQ(problems(), "");
  EXPECT_TRUE(config.envnoathost.usable);
  EXPECT_EQ(config.envnoathost.name, "mail.example");
  EXPECT_EQ(config.envnoathost.file, "control/me");
  EXPECT_TRUE(config.locals.usable);
  EXPECT_EQ(config.locals.file, "control/me");
  ASSERT_TRUE(has(config.locals, "MAIL.example"));
  EXPECT_EQ(config.locals.entries.find("mail.example")->line, 1);
  EXPECT_TRUE(config.percenthack.usable);
  EXPECT_TRUE(config.virtualdomains.usable);
  EXPECT_EQ(config.percenthack.entries.size() + config.virtualdomains.entries.size(), 0u);
}

TEST_F(ConfigTest, TheirOwnFilesComeFirst) {
  control("me", "mail.example\n");
  control("envnoathost", "host.example\n");
  control("locals", "# ours\none.example\n");
  control("percenthack", "two.example\n");
  control("virtualdomains", "v.example:joe\n");
  const QmailConfig& config = refresh();
  EXPECT_EQ(problems(), "");
  EXPECT_EQ(config.envnoathost.name, "host.example");
  EXPECT_EQ(config.envnoathost.file, "control/envnoathost");
  EXPECT_TRUE(has(config.locals, "one.example"));
  EXPECT_FALSE(has(config.locals, "mail.example"));
  EXPECT_TRUE(has(config.percenthack, "two.example"));
  ASSERT_TRUE(has(config.virtualdomains, "v.example"));
  EXPECT_EQ(config.virtualdomains.entries.find("v.example")->value, "joe");
}

TEST_F(ConfigTest, AnEmptyLocalsMeansNoLocalDomain) {
  control("me", "mail.example\n");
  control("locals", "");
  EXPECT_TRUE(refresh().locals.usable);
  EXPECT_EQ(watch_.config().locals.entries.size(), 0u);
}

// CVE-2020-3811: no name is made up where control/me does not exist.
TEST_F(ConfigTest, WithoutMeWhatItWouldStandForIsNotUsable) {
  const QmailConfig& config = refresh();
  EXPECT_FALSE(config.locals.usable);
  EXPECT_FALSE(config.envnoathost.usable);
  EXPECT_TRUE(config.virtualdomains.usable);
  EXPECT_NE(problems().find("control/me: does not exist and stands for control/locals"),
            std::string::npos);
  EXPECT_NE(problems().find("control/me: does not exist and stands for control/envnoathost"),
            std::string::npos);
}

TEST_F(ConfigTest, WithoutMeLocalsAloneIsEnoughForLocals) {
  control("locals", "one.example\n");
  const QmailConfig& config = refresh();
  EXPECT_TRUE(config.locals.usable);
  EXPECT_FALSE(config.envnoathost.usable);
  EXPECT_EQ(problems_.size(), 1u);
}

TEST_F(ConfigTest, MeIsNotMissedWhereNothingNeedsIt) {
  control("locals", "one.example\n");
  control("envnoathost", "one.example\n");
  refresh();
  EXPECT_EQ(problems(), "");
}

TEST_F(ConfigTest, TheFirstLineOfMeMustBeAName) {
  for (const std::string& text :
       {std::string(), std::string("\nmail.example\n"), std::string("# mine\nmail.example\n"),
        std::string("a b\n"), std::string("a@b\n"), std::string("a\x01\n"),
        std::string(256, 'a')}) {
    control("me", text);
    std::vector<control::Problem> problems;
    const QmailConfig config = load_config(tree_.root(), problems);
    EXPECT_FALSE(config.locals.usable) << text;
    EXPECT_FALSE(config.envnoathost.usable) << text;
    ASSERT_EQ(problems.size(), 1u) << text;
    EXPECT_EQ(problems[0].where, "control/me");
    EXPECT_EQ(problems[0].line, 1);
  }
}

TEST_F(ConfigTest, AVirtualdomainsLineWithoutColonIsReportedAndPassedOver) {
  control("me", "mail.example\n");
  control("virtualdomains", "a.example:joe\nb.example\nc.example:jim\n");
  const QmailConfig& config = refresh();
  ASSERT_EQ(problems_.size(), 1u);
  EXPECT_EQ(problems_[0].where, "control/virtualdomains");
  EXPECT_EQ(problems_[0].line, 2);
  EXPECT_TRUE(config.virtualdomains.usable);
  EXPECT_FALSE(has(config.virtualdomains, "b.example"));
  EXPECT_TRUE(has(config.virtualdomains, "c.example"));
}

// qmail takes the carriage return for part of the name, and so must we; but nobody means that.
TEST_F(ConfigTest, DosLineEndsAreReported) {
  control("me", "mail.example\n");
  control("locals", "one.example\r\ntwo.example\n");
  const QmailConfig& config = refresh();
  EXPECT_NE(problems().find("control/locals:1: ends in a carriage return"), std::string::npos);
  EXPECT_FALSE(has(config.locals, "one.example"));
  EXPECT_TRUE(has(config.locals, "two.example"));
}

TEST_F(ConfigTest, AFileThatCannotBeReadAtStartIsNotUsable) {
  control("me", "mail.example\n");
  for (const char* name : {"locals", "percenthack", "virtualdomains", "envnoathost"}) {
    tree_.write(std::string("control/") + name + "/directory", "");
  }
  const QmailConfig& config = refresh();
  EXPECT_FALSE(config.locals.usable);
  EXPECT_FALSE(config.percenthack.usable);
  EXPECT_FALSE(config.virtualdomains.usable);
  EXPECT_FALSE(config.envnoathost.usable);
  EXPECT_EQ(problems_.size(), 4u);
}

TEST_F(ConfigTest, ChangesAreNoticedWithinASecond) {
  control("me", "mail.example\n");
  control("locals", "one.example\n");
  settle();
  control("locals", "two.example\n");
  now_us_ -= 500000;
  EXPECT_TRUE(has(refresh().locals, "one.example"));
  now_us_ -= 500000;
  EXPECT_TRUE(has(refresh().locals, "two.example"));
  EXPECT_EQ(last_, control::Change::changed);
}

TEST_F(ConfigTest, ForcedAreReadAtOnce) {
  control("me", "mail.example\n");
  settle();
  control("locals", "two.example\n");
  watch_.force();
  now_us_ -= 1000000;
  EXPECT_TRUE(has(refresh().locals, "two.example"));
}

TEST_F(ConfigTest, ARemovedFileGivesWayToTheDefault) {
  control("me", "mail.example\n");
  control("locals", "one.example\n");
  control("envnoathost", "one.example\n");
  control("virtualdomains", "v.example:joe\n");
  control("percenthack", "p.example\n");
  settle();
  for (const char* name : {"locals", "envnoathost", "virtualdomains", "percenthack"}) {
    tree_.remove(std::string("control/") + name);
  }
  const QmailConfig& config = refresh();
  EXPECT_EQ(problems(), "");
  EXPECT_TRUE(has(config.locals, "mail.example"));
  EXPECT_EQ(config.envnoathost.name, "mail.example");
  EXPECT_FALSE(has(config.virtualdomains, "v.example"));
  EXPECT_TRUE(config.virtualdomains.usable);
  EXPECT_FALSE(has(config.percenthack, "p.example"));
}

TEST_F(ConfigTest, ANewNameInMeReachesTheDefaults) {
  control("me", "mail.example\n");
  settle();
  control("me", "other.example\n");
  const QmailConfig& config = refresh();
  EXPECT_TRUE(has(config.locals, "other.example"));
  EXPECT_FALSE(has(config.locals, "mail.example"));
  EXPECT_EQ(config.envnoathost.name, "other.example");
}

TEST_F(ConfigTest, WhatCannotBeParsedLeavesTheOldContentsInForce) {
  control("me", "mail.example\n");
  control("locals", "one.example\n");
  control("virtualdomains", "v.example:joe\n");
  settle();
  control("locals", std::string_view("two\0.example\n", 13));
  control("virtualdomains", std::string_view("\0", 1));
  control("me", "\n");
  const QmailConfig& config = refresh();
  EXPECT_EQ(problems_.size(), 3u) << problems();
  EXPECT_TRUE(has(config.locals, "one.example"));
  EXPECT_TRUE(has(config.virtualdomains, "v.example"));
  EXPECT_TRUE(config.envnoathost.usable);
  EXPECT_EQ(config.envnoathost.name, "mail.example");
  control("locals", "two.example\n");
  EXPECT_TRUE(has(refresh().locals, "two.example"));
}

TEST_F(ConfigTest, AMeThatVanishesLeavesTheOldNameInForce) {
  control("me", "mail.example\n");
  settle();
  tree_.remove("control/me");
  const QmailConfig& config = refresh();
  EXPECT_TRUE(has(config.locals, "mail.example"));
  EXPECT_EQ(config.envnoathost.name, "mail.example");
  EXPECT_EQ(problems_.size(), 2u);
}

TEST_F(ConfigTest, AProblemIsReportedOnceAndAgainWhenForced) {
  ahead_ns = 0;
  control("me", "mail.example\n");
  control("virtualdomains", "nonsense\n");
  refresh();
  EXPECT_EQ(problems_.size(), 1u);
  refresh();
  EXPECT_EQ(last_, control::Change::changed) << "the second reading after a change";
  EXPECT_EQ(problems_.size(), 0u);
  watch_.force();
  refresh();
  EXPECT_EQ(problems_.size(), 1u);
}

TEST_F(ConfigTest, AReadingThatFailedIsTriedAgain) {
  for (const char* name : {"locals", "envnoathost"}) {
    const TestTree tree;
    tree.write("control/me", "mail.example\n");
    tree.write(std::string("control/") + name + "/directory", "");
    ConfigWatch watch(tree.root());
    for (int second = 0; second < 5; ++second) {
      std::vector<control::Problem> problems;
      EXPECT_EQ(watch.refresh(second * 1000000, problems), control::Change::changed) << name;
      EXPECT_EQ(problems.size(), second == 0 ? 1u : 0u);
    }
  }
}

// Each of them would say "no" of somebody if it were believed: no local domain, no virtual one.
TEST_F(ConfigTest, AFileBeingWrittenIsNotBelieved) {
  ahead_ns = 0;
  control("me", "mail.example\n");
  control("locals", "one.example\n");
  control("virtualdomains", "");
  EXPECT_FALSE(refresh().virtualdomains.usable) << "there is nothing older to keep";
  EXPECT_EQ(problems_.size(), 1u);
  control("locals", "");
  EXPECT_TRUE(has(refresh().locals, "one.example"));
  control("locals", "two.example\none");
  EXPECT_TRUE(has(refresh().locals, "one.example"));
  EXPECT_EQ(problems(), "");
  control("locals", "two.example\none.ex");
  for (int second = 0; second < 3; ++second) refresh();
  EXPECT_TRUE(has(watch_.config().locals, "two.example")) << "left so for two seconds";
  EXPECT_TRUE(has(watch_.config().locals, "one.ex"));
  EXPECT_TRUE(watch_.config().virtualdomains.usable);
}

TEST_F(ConfigTest, VerifymapsThatCannotBeReadKeepTheOldOnes) {
  control("me", "mail.example\n");
  EXPECT_FALSE(watch_.config().verifymaps.usable);
  EXPECT_TRUE(refresh().verifymaps.is_unused());
  EXPECT_EQ(watch_.config().delimiters.name, "-+");
  control("verifymaps", "a.example:cdb:/a\n");
  control("recipient_delimiter", "=\n");
  EXPECT_TRUE(refresh().verifymaps.entries.find("a.example").has_value());
  EXPECT_EQ(watch_.config().delimiters.name, "=");
  control("verifymaps", std::string_view("b.example:cdb:/b\0\n", 18));
  control("recipient_delimiter", std::string_view("+\0", 2));
  refresh();
  EXPECT_NE(problems().find("control/verifymaps: "), std::string::npos);
  EXPECT_TRUE(watch_.config().verifymaps.entries.find("a.example").has_value());
  EXPECT_EQ(watch_.config().verifymaps.named.size(), 1u);
  EXPECT_EQ(watch_.config().delimiters.name, "=");
  tree_.remove("control/verifymaps");
  tree_.remove("control/recipient_delimiter");
  EXPECT_TRUE(refresh().verifymaps.is_unused());
  EXPECT_EQ(watch_.config().delimiters.name, "-+");
}

// ---- verifyprobe -------------------------------------------------------------------------------

TEST_F(ConfigTest, OfVerifyprobeTheDomainsCount) {
  control("me", "mail.example\n");
  EXPECT_FALSE(watch_.config().verifyprobe.usable);
  EXPECT_TRUE(refresh().verifyprobe.usable);
  EXPECT_EQ(watch_.config().verifyprobe.entries.size(), 0u);
  control("verifyprobe", "# behind us\nX.example : 127.0.0.1:2525 backup-mx\n.y.example:mx\n");
  const QmailConfig& config = refresh();
  EXPECT_EQ(problems(), "");
  EXPECT_EQ(config.verifyprobe.entries.size(), 2u);
  ASSERT_TRUE(has(config.verifyprobe, "x.EXAMPLE"));
  EXPECT_EQ(config.verifyprobe.entries.find("x.example")->line, 2);
  EXPECT_TRUE(has(config.verifyprobe, ".y.example"));
  tree_.remove("control/verifyprobe");
  EXPECT_EQ(refresh().verifyprobe.entries.size(), 0u);
  EXPECT_TRUE(watch_.config().verifyprobe.usable);
}

TEST_F(ConfigTest, AMistakeInVerifyprobeKeepsWhatWasThere) {
  control("me", "mail.example\n");
  control("verifyprobe", "x.example:mx\n*:mx\n");
  EXPECT_TRUE(has(refresh().verifyprobe, "x.example")) << "nothing older to keep";
  EXPECT_EQ(problems(),
            "control/verifyprobe:2: not a domain: '*'; probing for all domains is not possible\n");
  control("verifyprobe", "x.example:mx\n");
  refresh();
  control("verifyprobe", "y.example:mx\nz.example\n");
  EXPECT_TRUE(has(refresh().verifyprobe, "x.example"));
  EXPECT_FALSE(has(watch_.config().verifyprobe, "y.example"));
  EXPECT_EQ(problems(), "control/verifyprobe:2: DOMAIN:NEXTHOP expected\n");
  control("verifyprobe", "y.example:mx\n");
  EXPECT_TRUE(has(refresh().verifyprobe, "y.example"));
  EXPECT_FALSE(has(watch_.config().verifyprobe, "x.example"));
}

TEST_F(ConfigTest, AnUnreadableVerifyprobeIsNotUsable) {
  control("me", "mail.example\n");
  control("verifyprobe", std::string_view("x\0", 2));
  EXPECT_FALSE(refresh().verifyprobe.usable);
  control("verifyprobe", "x.example:mx\n");
  EXPECT_TRUE(refresh().verifyprobe.usable);
  control("verifyprobe", std::string_view("x\0", 2));
  EXPECT_TRUE(has(refresh().verifyprobe, "x.example")) << "the old contents stay";
}

}  // namespace
}  // namespace qv::rcpt
