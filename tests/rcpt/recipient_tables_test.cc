// SPDX-License-Identifier: 0BSD
#include <gtest/gtest.h>

#include "rcpt/steps.h"
#include "tests/fakes/fake_lookups.h"
#include "tests/fakes/test_tree.h"

namespace qv::rcpt {
namespace {

TEST(TableWord, RefusesAndDefersAsAnAccessTableDoes) {
  const struct {
    const char* value;
    Why why;
    const char* text;
  } rows[] = {
      {"", Why::table, ""},
      {"maildir/", Why::table, ""},
      {"OK", Why::table, ""},
      {"REJECT", Why::refused, ""},
      {"reject  Go away ", Why::refused, "Go away"},
      {"REJECT 5.7.1 Go away", Why::refused, "Go away"},
      {"REJECT\tGo", Why::refused, "Go"},
      {"550", Why::refused, ""},
      {"550 5.1.1 No such user", Why::refused, "No such user"},
      {"553 five", Why::refused, "five"},
      {"5.2.1 Closed", Why::refused, "Closed"},
      {"5.123.456", Why::refused, ""},
      {"DEFER", Why::deferred, ""},
      {"DEFER later", Why::deferred, "later"},
      {"defer_if_permit 4.3.0 later", Why::deferred, "later"},
      {"450 4.2.1 busy", Why::deferred, "busy"},
      {"4.2.1 busy", Why::deferred, "busy"},
      // Values of mailbox tables that only look like it.
      {"rejected/", Why::table, ""},
      {"REJECT-list/", Why::table, ""},
      {"5500", Why::table, ""},
      {"55", Why::table, ""},
      {"250 ok", Why::table, ""},
      {"650 x", Why::table, ""},
      {"550@example.org", Why::table, ""},
      {"5.1", Why::table, ""},
      {"5.1.", Why::table, ""},
      {"5..1", Why::table, ""},
      {"5.1.1.1", Why::table, ""},
      {"5.1.1234", Why::table, ""},
      {"15.1.1", Why::table, ""},
      {"2.1.1 fine", Why::table, ""},
      {"/home/x/550 ", Why::table, ""},
  };
  for (const auto& row : rows) {
    const TableWord word = parse_table_word(row.value);
    EXPECT_EQ(word.why, row.why) << row.value;
    EXPECT_EQ(word.text, row.text) << row.value;
  }
}

class RecipientTablesTest : public testing::Test {
 protected:
  RecipientTablesTest() {
    control("me", "me.example\n");
    control("percenthack", "me.example\n");
    control("virtualdomains", "virtual.example:joe-v\n.sub.example:joe-s\nnot.example:\n");
    system_.add_user("joe", 1000, "/home/joe");
    system_.add_file("/home/joe/.qmail-v-sales");
    system_.add_recipient("cdb:/a", "ann@a.example", "x");
    system_.add_recipient("cdb:/all", "ann@virtual.example", "x");
    system_.add_recipient("cdb:/all", "joe@me.example", "x");
  }
  void control(const std::string& name, std::string_view text) {
    tree_.write("control/" + name, text);
  }
  void verifymaps(std::string_view text) { control("verifymaps", text); }

  Decision run(std::string_view address, Explanation* explanation = nullptr) {
    std::vector<control::Problem> problems;
    config_ = load_config(tree_.root(), problems);
    users_.force();
    static_cast<void>(users_.refresh(0, problems));
    return decide(address, {config_, users_, system_}, explanation);
  }
  // "table 0", as in the reply; "pending".
  std::string judge(std::string_view address) {
    system_.asked.clear();
    const Decision decision = run(address);
    if (decision.pending) return "pending";
    return std::string(why_word(decision.why)) + " " + std::to_string(decision.position);
  }

  TestTree tree_;
  QmailConfig config_;
  UsersCdb users_{tree_.path("users/cdb")};
  FakeLookups system_;
};

TEST_F(RecipientTablesTest, ANamedDomainIsDecidedByItsTable) {
  verifymaps("a.example:cdb:/a\n");
  EXPECT_EQ(judge("ann@a.example"), "table 0") << "neither local nor virtual";
  EXPECT_EQ(judge("ANN@A.Example"), "table 0");
  EXPECT_EQ(judge("ann-x+y@a.example"), "table 0");
  EXPECT_EQ(judge("bob@a.example"), "unknown-user 0");
  EXPECT_EQ(judge("joe@me.example"), "local 9") << "nobody else is";
  EXPECT_EQ(judge("ann@b.example"), "relay 1");
  EXPECT_EQ(run("bob@a.example").reply_text(), "there is no mailbox of this name here");
}

TEST_F(RecipientTablesTest, ATableComesBeforeTheNextHop) {
  control("verifyprobe", "a.example:mx\nown.example:mx\n");
  verifymaps("a.example:cdb:/a\nown.example:\n");
  system_.set_next_hop("u@own.example", Why::next_hop_refuses, "no");
  EXPECT_EQ(judge("bob@a.example"), "unknown-user 0");
  EXPECT_EQ(system_.asked, std::vector<std::string>{"recipient cdb:/a bob@a.example"});
  EXPECT_EQ(judge("u@own.example"), "probe 1");
}

TEST_F(RecipientTablesTest, NothingElseIsAsked) {
  verifymaps("virtual.example:cdb:/all\n");
  EXPECT_EQ(judge("sales@virtual.example"), "unknown-user 0") << "though there is a .qmail file";
  EXPECT_EQ(system_.asked, std::vector<std::string>{"recipient cdb:/all sales@virtual.example"});
}

TEST_F(RecipientTablesTest, TheMostSpecificEntryCounts) {
  verifymaps(".example:cdb:/x\n.b.example:cdb:/b\nc.b.example:cdb:/c\n:cdb:/all\n");
  const struct {
    const char* address;
    const char* asked;
  } rows[] = {{"u@c.b.example", "recipient cdb:/c u@c.b.example"},
              {"u@d.b.example", "recipient cdb:/b u@d.b.example"},
              {"u@e.c.b.example", "recipient cdb:/b u@e.c.b.example"},
              {"u@b.example", "recipient cdb:/x u@b.example"},
              {"u@me.example", "recipient cdb:/x u@me.example"}};
  for (const auto& row : rows) {
    EXPECT_EQ(judge(row.address), "unknown-user 0");
    EXPECT_EQ(system_.asked, std::vector<std::string>{row.asked});
  }
}

TEST_F(RecipientTablesTest, TheEmptyKeyIsForLocalAndVirtualDomains) {
  verifymaps(":cdb:/all\n");
  EXPECT_EQ(judge("joe@me.example"), "table 0");
  EXPECT_EQ(judge("joe"), "table 0");
  EXPECT_EQ(judge("ann@virtual.example"), "table 0") << "without virtualdomains' prefix";
  EXPECT_EQ(judge("ann@x.sub.example"), "unknown-user 0");
  EXPECT_EQ(judge("ann@b.example"), "relay 1");
  EXPECT_EQ(judge("ann@not.example"), "relay 2");
}

TEST_F(RecipientTablesTest, AnEmptyTableLeavesItToQmail) {
  verifymaps(":cdb:/all\nvirtual.example:\n.sub.example:\n");
  EXPECT_EQ(judge("sales@virtual.example"), "dotqmail 10");
  EXPECT_EQ(judge("ann@virtual.example"), "unknown-user 14");
  EXPECT_EQ(judge("ann@x.sub.example"), "unknown-user 14");
  EXPECT_EQ(judge("joe@me.example"), "table 0");
}

TEST_F(RecipientTablesTest, TheKeyIsTheAddressAfterRewriting) {
  verifymaps("me.example:cdb:/all\na.example:cdb:/a\n");
  EXPECT_EQ(judge("joe"), "table 0");
  EXPECT_EQ(judge("ann%a.example@me.example"), "table 0");
  EXPECT_EQ(system_.asked, std::vector<std::string>{"recipient cdb:/a ann@a.example"});
}

TEST_F(RecipientTablesTest, ACatchAllIsToldApart) {
  verifymaps("a.example:cdb:/a\n");
  system_.add_recipient("cdb:/a", "@a.example", "all");
  EXPECT_EQ(judge("ann@a.example"), "table 0");
  EXPECT_EQ(judge("bob@a.example"), "default 0");
  EXPECT_EQ(judge("@a.example"), "default 0");
}

TEST_F(RecipientTablesTest, AValueCanRefuseOrDefer) {
  verifymaps("a.example:cdb:/a\n");
  system_.add_recipient("cdb:/a", "gone@a.example", "550 5.1.6 Moved to \xe9\r\n elsewhere");
  system_.add_recipient("cdb:/a", "busy@a.example", "DEFER Come back");
  system_.add_recipient("cdb:/a", "no@a.example", "REJECT");
  system_.add_recipient("cdb:/a", "@a.example", "REJECT nobody else");
  Decision gone = run("gone@a.example");
  EXPECT_EQ(gone.why, Why::refused);
  EXPECT_EQ(gone.verdict(), Verdict::reject);
  EXPECT_EQ(gone.reply_text(), "Moved to ??? elsewhere");
  EXPECT_EQ(run("no@a.example").reply_text(), "mail for this address is not accepted");
  EXPECT_EQ(run("x@a.example").reply_text(), "nobody else");
  const Decision busy = run("busy@a.example");
  EXPECT_EQ(busy.why, Why::deferred);
  EXPECT_EQ(busy.verdict(), Verdict::defer);
  EXPECT_EQ(busy.reply_text(), "Come back");
}

TEST_F(RecipientTablesTest, TheTextIsBounded) {
  verifymaps("a.example:cdb:/a\n");
  system_.add_recipient("cdb:/a", "u@a.example", "REJECT " + std::string(5000, 'x'));
  EXPECT_EQ(run("u@a.example").reply_text(), std::string(kMaxReplyText, 'x'));
}

TEST_F(RecipientTablesTest, AFaultIsNeitherYesNorNo) {
  verifymaps("a.example:cdb:/a\n");
  system_.break_question("recipient cdb:/a ann@a.example");
  EXPECT_EQ(judge("ann@a.example"), "table-error 0");
  EXPECT_EQ(run("ann@a.example").verdict(), Verdict::defer);
  system_.break_question("recipient cdb:/a ann@a.example", ETIMEDOUT);
  EXPECT_EQ(judge("ann@a.example"), "timeout 0");
}

TEST_F(RecipientTablesTest, ItWaitsForTheAnswer) {
  verifymaps("a.example:cdb:/a\n");
  system_.answer_late(true);
  EXPECT_EQ(judge("ann@a.example"), "pending");
  EXPECT_EQ(judge("ann@a.example"), "table 0");
}

TEST_F(RecipientTablesTest, AMistakenLineCannotBeTold) {
  verifymaps("a.example\nvirtual.example:oops\n");
  EXPECT_EQ(judge("ann@a.example"), "control-error 0");
  EXPECT_EQ(judge("sales@virtual.example"), "control-error 0");
  EXPECT_TRUE(system_.asked.empty());
}

TEST_F(RecipientTablesTest, AFileThatCannotBeUsedStopsEverything) {
  tree_.write("control/verifymaps/x", "a directory in its place");
  EXPECT_EQ(judge("joe@me.example"), "control-error 0");
  EXPECT_EQ(judge("ann@b.example"), "control-error 0");
}

TEST_F(RecipientTablesTest, DelimitersCanBeSet) {
  verifymaps("a.example:cdb:/a\n");
  control("recipient_delimiter", "=\n+\n");
  EXPECT_EQ(judge("ann=x@a.example"), "table 0");
  EXPECT_EQ(judge("ann+x@a.example"), "unknown-user 0") << "only the first line counts";
  control("recipient_delimiter", "\n");
  EXPECT_EQ(judge("ann=x@a.example"), "unknown-user 0");
  tree_.remove("control/recipient_delimiter");
  EXPECT_EQ(judge("ann+x@a.example"), "table 0");
  tree_.write("control/recipient_delimiter/x", "a directory");
  EXPECT_EQ(judge("ann@a.example"), "control-error 0");
  EXPECT_EQ(judge("joe@me.example"), "local 9");
}

TEST_F(RecipientTablesTest, TheExplanationNamesTableAndKeys) {
  verifymaps("# x\na.example:cdb:/a\n.b.example:regexp:/b\nown.example:\n");
  system_.add_pattern_table("regexp:/b");
  const struct {
    const char* address;
    const char* sentences;
  } rows[] = {
      {"Ann+x@a.example",
       "control/verifymaps:2: key \"a.example\", table \"cdb:/a\"\n"
       "cdb:/a: \"ann+x@a.example\" is not there\n"
       "cdb:/a: \"ann@a.example\" is there, value \"x\"\n"
       "verdict: table: "},
      {"bob@a.example",
       "cdb:/a: \"bob@a.example\" is not there\ncdb:/a: \"@a.example\" is not there\nverdict: "},
      {"u+x@c.b.example",
       "table \"regexp:/b\"\nregexp:/b: \"u+x@c.b.example\" is not there\nverdict: "},
      {"u@own.example",
       "control/verifymaps:4: key \"own.example\" leaves it to qmail's own rules\ncontrol/me: "},
  };
  for (const auto& row : rows) {
    Explanation steps;
    static_cast<void>(run(row.address, &steps));
    EXPECT_NE(join(steps).find(row.sentences), std::string::npos) << row.sentences << join(steps);
  }
}

}  // namespace
}  // namespace qv::rcpt
