// SPDX-License-Identifier: 0BSD
// What .qmail files say, on trees laid out as those products lay them out.
#include <gtest/gtest.h>

#include <list>
#include <map>

#include "rcpt/decide.h"
#include "tests/fakes/fake_lookups.h"
#include "tests/fakes/test_tree.h"

namespace qv::rcpt {
namespace {

using namespace std::string_literals;

class ContentsTest : public testing::Test {
 protected:
  ContentsTest() {
    tree_.write("control/me", "me.example\n");
    tree_.write("control/virtualdomains", "v.example:joe-v\npop.example:pop.example\n");
    tree_.write_cdb(
        "users/cdb",
        {{"!pop.example-", user_record({"vpopmail", "89", "89", "/pop", "-", ""})}, {"", "-"}});
    system_.add_user("alias", 7, "/alias");
    system_.add_user("joe", 1000, "/joe");
    std::vector<control::Problem> problems;
    config_ = load_config(tree_.root(), problems);
    static_cast<void>(users_.refresh(0, problems));
    policy_.read = true;
  }

  void table(const std::string& path, const TestTree::Records& records) {
    const std::string file = std::to_string(tables_.size()) + ".cdb";
    tree_.write_cdb(file, records);
    tables_.push_back(maps::CdbFile::open(tree_.path(file).c_str()).value());
    system_.add_table(path, &tables_.back());
  }
  Decision run(std::string_view address, Explanation* explanation = nullptr) {
    system_.asked.clear();
    return decide(address, {config_, users_, system_, nullptr, policy_}, explanation);
  }
  std::string judge(std::string_view address) {
    const Decision decision = run(address);
    if (decision.pending) return "pending";
    return std::string(why_word(decision.why)) + " " + std::to_string(decision.position);
  }
  // What becomes of x@v.example where joe's .qmail-v-default says this.
  std::string with_default(const std::string& text) {
    system_.add_file("/joe/.qmail-v-default", text);
    return judge("x@v.example");
  }

  TestTree tree_;
  QmailConfig config_;
  UsersCdb users_{tree_.path("users/cdb")};
  FakeLookups system_;
  DotqmailPolicy policy_;
  std::list<maps::CdbFile> tables_;
};

TEST_F(ContentsTest, WhatDeliversOrMayDoAnythingIsValid) {
  for (const char* text :
       {"", "#\n", "./Maildir/\n", "&a@b\n", "|procmail\n", "|bouncesaying 'x' true\n",
        "|maybe\n|bouncesaying 'x'\n", "+list\n&a@b\n"}) {
    EXPECT_EQ(with_default(text), "default 12") << text;
  }
}

TEST_F(ContentsTest, BouncesayingsTextIsTold) {
  EXPECT_EQ(with_default("# gone\n|bouncesaying 'It is over. (#5.1.6)'\n"), "bounced 12");
  EXPECT_EQ(run("x@v.example").reply_text(), "It is over. (#5.1.6)");
  system_.add_file("/joe/.qmail-v-y", "|bouncesaying 'Gone.'\n");
  EXPECT_EQ(judge("y@v.example"), "bounced 10");
  EXPECT_EQ(with_default("./Maildir/\n|bouncesaying 'x'\n"), "bounced 12") << "after a delivery";
}

TEST_F(ContentsTest, WhatQmailLocalDefersCannotBeTold) {
  EXPECT_EQ(with_default("\n./Maildir/\n"), "home-error 13");
  EXPECT_EQ(with_default("+list\n./Maildir/\n"), "home-error 13");
  EXPECT_EQ(with_default("+list\n|bouncesaying 'x'\n"), "home-error 13");
  system_.add_file("/joe/.qmail-v-y", "\n");
  EXPECT_EQ(judge("y@v.example"), "home-error 11");
}

TEST_F(ContentsTest, ExistsReadsNothing) {
  policy_.read = false;
  EXPECT_EQ(with_default("|bouncesaying 'x'\n"), "default 12");
  for (const std::string& question : system_.asked) EXPECT_FALSE(question.starts_with("text"));
}

TEST_F(ContentsTest, AFileThatCannotBeReadCannotBeTold) {
  system_.add_file("/joe/.qmail-v-default", "");
  system_.break_question("text /joe/.qmail-v-default");
  EXPECT_EQ(judge("x@v.example"), "home-error 13");
  system_.break_question("text /joe/.qmail-v-default", ETIMEDOUT);
  EXPECT_EQ(judge("x@v.example"), "timeout 13");
}

TEST_F(ContentsTest, HalfALineAtTheEndOfTooMuchIsPassedOver) {
  const std::string long_comment = "#" + std::string(65500, 'x') + "\n";
  EXPECT_EQ(
      with_default(long_comment + "|bouncesaying 'x' and a program far behind, beyond the end"),
      "default 12");
}

// ---- vpopmail ----------------------------------------------------------------------------------

class Vpopmail : public ContentsTest {
 protected:
  Vpopmail() {
    users({{"bob", "$1$x:1:0:Bob:/pop/bob:NOQUOTA"},
           {"no", "$1$x:1:16:No:/pop/no:NOQUOTA"},
           {"broken", "$1$x"}});
    otherwise("bounce-no-mailbox");
  }
  void users(const TestTree::Records& records) { table("/pop/vpasswd.cdb", records); }
  void otherwise(const std::string& what) {
    system_.add_file("/pop/.qmail-default", "| /home/vpopmail/bin/vdelivermail '' " + what + "\n");
  }
};

TEST_F(Vpopmail, UsersAreThoseOfTheTable) {
  EXPECT_EQ(judge("bob@pop.example"), "local 12");
  EXPECT_EQ(judge("BOB@pop.example"), "local 12");
  EXPECT_EQ(judge("eve@pop.example"), "unknown-user 12");
  EXPECT_EQ(judge("no@pop.example"), "bounced 12");
  EXPECT_EQ(judge("broken@pop.example"), "table-error 13");
}

TEST_F(Vpopmail, ADotFileComesFirst) {
  system_.add_file("/pop/.qmail-list:one", "&a@b\n");
  EXPECT_EQ(judge("list.one@pop.example"), "dotqmail 10");
}

TEST_F(Vpopmail, WhatBecomesOfMailForNobody) {
  otherwise("delete");
  EXPECT_EQ(judge("eve@pop.example"), "unknown-user 12");
  policy_.discard_accepts = true;
  EXPECT_EQ(judge("eve@pop.example"), "default 12");
  EXPECT_EQ(judge("no@pop.example"), "bounced 12");
  otherwise("/pop/postmaster");
  EXPECT_EQ(judge("eve@pop.example"), "default 12");
  EXPECT_EQ(judge("bob@pop.example"), "local 12");
}

TEST_F(Vpopmail, ExtensionsWhereItHasThem) {
  EXPECT_EQ(judge("bob-x-y@pop.example"), "unknown-user 12");
  policy_.users_have_extensions = true;
  EXPECT_EQ(judge("bob-x-y@pop.example"), "local 12");
  EXPECT_EQ(judge("eve-x@pop.example"), "unknown-user 12");
}

TEST_F(Vpopmail, WithoutItsTable) {
  system_.add_table("/pop/vpasswd.cdb", nullptr);
  EXPECT_EQ(judge("eve@pop.example"), "default 12") << "users in SQL";
  system_.break_question("table /pop/vpasswd", EPROTO);
  EXPECT_EQ(judge("eve@pop.example"), "table-error 13") << "the text is there, its cdb is not";
  system_.break_question("table /pop/vpasswd.cdb");
  EXPECT_EQ(judge("bob@pop.example"), "table-error 13");
}

// ---- vmailmgr ----------------------------------------------------------------------------------

class Vmailmgr : public ContentsTest {
 protected:
  static std::string account(const std::string& expiry) {
    return "\2\x08\1\0crypt\0./users/x\0\0\0-\0-\0-\0-\0"s + "1\0"s + expiry + "\0"s;
  }
  Vmailmgr() {
    system_.add_file("/joe/.qmail-v-default", "|vdeliver\n");
    system_.add_file("/joe/.qmail-default", "|vdeliver\n");
    table("/joe/passwd.cdb", {{"v-ann", account("-")}, {"v-old", account("999")}, {"v-odd", "?"}});
  }
};

TEST_F(Vmailmgr, UsersAreThoseOfTheTable) {
  EXPECT_EQ(judge("Ann@v.example"), "local 12");
  EXPECT_EQ(judge("eve@v.example"), "unknown-user 12");
  EXPECT_EQ(judge("old@v.example"), "disabled 12");
  EXPECT_EQ(judge("odd@v.example"), "table-error 13");
}

TEST_F(Vmailmgr, PlusIsForAllOthers) {
  table("/joe/passwd.cdb", {{"v-ann", account("-")}, {"+", account("-")}});
  EXPECT_EQ(judge("ann@v.example"), "local 12");
  EXPECT_EQ(judge("eve@v.example"), "default 12");
  table("/joe/passwd.cdb", {{"+", account("5")}});
  EXPECT_EQ(judge("eve@v.example"), "disabled 12");
}

TEST_F(Vmailmgr, WithoutItsTableItCannotBeTold) {
  system_.add_table("/joe/passwd.cdb", nullptr);
  EXPECT_EQ(judge("ann@v.example"), "table-error 13");
}

// ---- fastforward -------------------------------------------------------------------------------

class Fastforward : public ContentsTest {
 protected:
  Fastforward() {
    table("/etc/a.cdb", {{":x@v.example", "&a\0"s},
                         {":@cat.example", "&a\0"s},
                         {":any@", "&a\0"s},
                         {":joe-v-r@v.example", "&a\0"s}});
    table("/joe/own.cdb", {{":y@v.example", "&a\0"s}});
  }
};

TEST_F(Fastforward, TheTableKnowsWhoExists) {
  EXPECT_EQ(with_default("|fastforward -d /etc/a.cdb\n"), "alias 12");
  EXPECT_EQ(judge("X@v.example"), "alias 12");
  EXPECT_EQ(judge("any@v.example"), "alias 12");
  EXPECT_EQ(judge("y@v.example"), "unknown-user 12");
  EXPECT_EQ(with_default("|fastforward -d own.cdb\n"), "unknown-user 12");
  EXPECT_EQ(judge("y@v.example"), "alias 12");
  EXPECT_EQ(judge("a-y@v.example"), "unknown-user 12");
}

TEST_F(Fastforward, WithoutDItAsksForTheRecipient) {
  EXPECT_EQ(with_default("|fastforward /etc/a.cdb\n"), "unknown-user 12");
  EXPECT_EQ(judge("r@v.example"), "alias 12");
}

TEST_F(Fastforward, PassThroughGoesOnWhereItIsNotFound) {
  const std::string ask = "|fastforward -d -p /etc/a.cdb\n";
  EXPECT_EQ(with_default(ask + "|bouncesaying 'no'\n"), "alias 12") << "exit 99";
  EXPECT_EQ(judge("y@v.example"), "bounced 12");
  EXPECT_EQ(with_default(ask + "./Maildir/\n"), "alias 12");
  EXPECT_EQ(judge("y@v.example"), "default 12");
  EXPECT_EQ(with_default(ask + "|fastforward -d own.cdb\n"), "alias 12");
  EXPECT_EQ(judge("y@v.example"), "alias 12");
  EXPECT_EQ(judge("z@v.example"), "unknown-user 12");
  EXPECT_EQ(with_default("|fastforward -d /etc/a.cdb\n|bouncesaying 'no'\n"), "bounced 12")
      << "without -p the next line is next";
}

TEST_F(Fastforward, ATableThatIsNotThereOrHoldsNothingCannotBeTold) {
  EXPECT_EQ(with_default("|fastforward -d missing.cdb\n"), "table-error 13");
  table("/joe/empty.cdb", {});
  EXPECT_EQ(with_default("|fastforward -d empty.cdb\n"), "table-error 13");
  system_.break_question("table /etc/a.cdb", EACCES);
  EXPECT_EQ(with_default("|fastforward -d -p /etc/a.cdb\n./Maildir/\n"), "table-error 13");
}

// ---- all ---------------------------------------------------------------------------------------

TEST_F(Fastforward, WhatIsLateIsAskedForAgainAndEndsTheSame) {
  system_.add_file("/joe/.qmail-v-default",
                   "|fastforward -dp own.cdb\n|fastforward -d /etc/a.cdb\n");
  system_.answer_late(true);
  int runs = 0;
  while (judge("x@v.example") == "pending") ASSERT_LT(++runs, 20);
  EXPECT_EQ(judge("x@v.example"), "alias 12");
  EXPECT_GT(runs, 4);
}

TEST_F(Fastforward, TheExplanationNamesFileAndLine) {
  system_.add_file("/joe/.qmail-v-default", "#\n|fastforward -d /etc/a.cdb\n");
  Explanation steps;
  static_cast<void>(run("x@v.example", &steps));
  EXPECT_NE(join(steps).find("home: \"/joe\": \".qmail-v-default\", line 2: fastforward: \"x\"@"
                             "\"v.example\" is in \"/etc/a.cdb\"\n"),
            std::string::npos)
      << join(steps);
}

}  // namespace
}  // namespace qv::rcpt
