// SPDX-License-Identifier: 0BSD
// Every rule of section 2 of the protocol, and every position of 1.1.
#include "rcpt/decide.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "rcpt/steps.h"
#include "tests/fakes/fake_lookups.h"
#include "tests/fakes/test_tree.h"

namespace qv::rcpt {
namespace {

// "unknown-user 14 joe": word, position, controlling user.
std::string show(const Decision& decision) {
  if (decision.pending) return "pending";
  std::string out(why_word(decision.why));
  out += ' ';
  out += std::to_string(decision.position);
  if (!decision.user.empty()) {
    out += ' ';
    out += decision.user.view();
  }
  return out;
}

std::string repeat(std::string_view piece, std::size_t times) {
  std::string out;
  while (times-- > 0) out += piece;
  return out;
}

class DecideTest : public testing::Test {
 protected:
  DecideTest() {
    control("me", "me.example\n");
    control("locals", "# ours\nlocal.example\nme.example\n");
    control("percenthack", "hack.example\nlocal.example\n");
    control("virtualdomains",
            "virtual.example:joe-v\n.sub.example:joe-sub\nperson@one.example:joe-p\n"
            "exact.sub.example:joe-exact\nnot.example:\n");
    system_.add_user("alias", 7, "/var/qmail/alias");
    system_.add_user("joe", 1000, "/home/joe");
    system_.add_user("joe-jim", 1001, "/home/jim");
    system_.add_user("root", 0, "/root");
    system_.add_user("mail", 8, "/var/mail");
    system_.take_home("/var/mail");
    system_.add_file("/home/joe/.qmail-list");
    system_.add_file("/home/joe/.qmail-list-default");
    system_.add_file("/home/joe/.qmail-v-sales");
    system_.add_file("/var/qmail/alias/.qmail-postmaster");
    system_.add_file("/var/qmail/alias/.qmail-first:last");
    system_.add_file("/var/qmail/alias/.qmail-box-default");
  }

  void control(const std::string& name, std::string_view text) {
    tree_.write("control/" + name, text);
  }
  void assign(TestTree::Records records, std::string_view wildcards = "-") {
    records.emplace_back("", wildcards);
    tree_.write_cdb("users/cdb", records);
  }
  void load() {
    std::vector<control::Problem> problems;
    config_ = load_config(tree_.root(), problems);
    users_.force();
    static_cast<void>(users_.refresh(0, problems));
  }
  Decision run(std::string_view address, Explanation* explanation = nullptr) {
    system_.asked.clear();
    return decide(address, {config_, users_, system_, fastforward_}, explanation);
  }
  std::string judge(std::string_view address) {
    load();
    return show(run(address));
  }

  TestTree tree_;
  QmailConfig config_;
  UsersCdb users_{tree_.path("users/cdb")};
  FakeLookups system_;
  const FastforwardCdb* fastforward_ = nullptr;
};

// ---- the address -------------------------------------------------------------------------------

TEST_F(DecideTest, WhatIsNoAddressIsNotValid) {
  for (const std::string& address :
       {std::string(), std::string("@"), std::string("user@"), std::string("joe@local.example@"),
        std::string("\0joe@local.example", 18), std::string("joe\n@local.example"),
        std::string("joe@local.example\r"), std::string("jo\te@local.example"),
        std::string("joe\x7f@local.example"), std::string("\x01"),
        std::string("joe%@hack.example")}) {
    EXPECT_EQ(judge(address), "syntax 0") << address;
    EXPECT_EQ(run(address).verdict(), Verdict::reject);
    EXPECT_TRUE(system_.asked.empty());
  }
}

TEST_F(DecideTest, EightBitBytesBlanksAndQuotesAreOrdinary) {
  EXPECT_EQ(judge("j\xf6rg@local.example"), "unknown-user 14 alias");
  EXPECT_EQ(judge("joe list@local.example"), "unknown-user 14 alias");
  EXPECT_EQ(judge("\"joe\"@local.example"), "unknown-user 14 alias");
  EXPECT_EQ(judge("joe@caf\xe9.example"), "relay 1");
}

TEST_F(DecideTest, NineHundredBytesAreAllowed) {
  const std::string domain = "@local.example";
  EXPECT_EQ(judge(std::string(900 - domain.size(), 'a') + domain), "unknown-user 14 alias");
  EXPECT_EQ(judge(std::string(901 - domain.size(), 'a') + domain), "too-long 0");
  EXPECT_EQ(judge(std::string(65507, 'a')), "too-long 0");
  EXPECT_EQ(judge(std::string(900, 'a')), "unknown-user 14 alias") << "before @me.example is added";
}

TEST_F(DecideTest, TheAddressEndsAtTheFirstNul) {
  EXPECT_EQ(judge(std::string_view("joe@local.example\0junk\n", 23)), "local 9 joe");
}

// ---- envnoathost -------------------------------------------------------------------------------

TEST_F(DecideTest, WithoutAtItIsJudgedUnderEnvnoathost) {
  EXPECT_EQ(judge("joe"), "local 9 joe");
  EXPECT_EQ(judge("nobody"), "unknown-user 14 alias");
  control("envnoathost", "elsewhere.example\n");
  EXPECT_EQ(judge("joe"), "relay 1");
}

// CVE-2020-3811: the ancestor never read control/me and called every such address valid.
TEST_F(DecideTest, Cve20203811WithoutAtAndWithoutMeItCannotBeTold) {
  tree_.remove("control/me");
  EXPECT_EQ(judge("nobody"), "control-error 0");
  EXPECT_EQ(run("nobody").verdict(), Verdict::defer);
  EXPECT_EQ(judge("joe@local.example"), "local 9 joe") << "needs neither";
}

TEST_F(DecideTest, Cve20203811WithoutMeAndLocalsNothingCanBeTold) {
  tree_.remove("control/me");
  tree_.remove("control/locals");
  for (const char* address : {"nobody", "joe@local.example", "a@virtual.example", "a@b.example"}) {
    EXPECT_EQ(judge(address), "control-error 0") << address;
  }
  EXPECT_EQ(judge("a@"), "syntax 0");
}

// ---- percenthack -------------------------------------------------------------------------------

TEST_F(DecideTest, PercentBecomesAtForThePercenthackDomains) {
  EXPECT_EQ(judge("joe%local.example@hack.example"), "local 9 joe");
  EXPECT_EQ(judge("joe%LOCAL.example@HACK.example"), "local 9 joe");
  EXPECT_EQ(judge("joe%a.example@hack.example"), "relay 1");
  EXPECT_EQ(judge("a%joe%local.example%hack.example@local.example"), "relay 1")
      << "each turn's domain is a percenthack domain: it ends as a@joe";
  EXPECT_EQ(judge("joe%local.example@virtual.example"), "unknown-user 14 joe")
      << "not a percenthack domain";
  EXPECT_EQ(judge("%local.example@hack.example"), "unknown-user 14 alias") << "empty local part";
}

TEST_F(DecideTest, PercentChainsEnd) {
  const std::string chain = repeat("%hack.example", 60) + "@hack.example";
  EXPECT_EQ(judge("joe" + chain), "relay 1");
  EXPECT_EQ(judge("joe%local.example" + chain), "local 9 joe");
  EXPECT_EQ(judge(repeat("%", 800) + "@hack.example"), "syntax 0");
}

TEST_F(DecideTest, EnvnoathostMayBeAPercenthackDomain) {
  control("envnoathost", "hack.example\n");
  EXPECT_EQ(judge("joe%local.example"), "local 9 joe");
}

TEST_F(DecideTest, AnUnusablePercenthackMattersOnlyToAPercent) {
  tree_.remove("control/percenthack");
  tree_.write("control/percenthack/directory", "");
  EXPECT_EQ(judge("joe@local.example"), "local 9 joe");
  EXPECT_EQ(judge("joe%x@local.example"), "control-error 0");
}

// ---- locals and virtualdomains -----------------------------------------------------------------

struct RouteRow {
  const char* address;
  const char* shown;
};

class Routes : public DecideTest, public testing::WithParamInterface<RouteRow> {};

TEST_P(Routes, AreAsQmailSendTakesThem) {
  system_.add_file("/home/joe/.qmail-p-person");
  system_.add_file("/home/joe/.qmail-sub-x");
  system_.add_file("/home/joe/.qmail-exact-x");
  EXPECT_EQ(judge(GetParam().address), GetParam().shown);
}

INSTANTIATE_TEST_SUITE_P(
    Table, Routes,
    testing::Values(
        RouteRow{"joe@local.example", "local 9 joe"}, RouteRow{"JOE@Local.EXAMPLE", "local 9 joe"},
        RouteRow{"joe@local.example.", "relay 1"}, RouteRow{"joe@sub.local.example", "relay 1"},
        RouteRow{"x@joe@local.example", "unknown-user 14 alias"},
        RouteRow{"joe@local.example@other.example", "relay 1"},
        RouteRow{"sales@virtual.example", "dotqmail 10 joe"},
        RouteRow{"Sales@VIRTUAL.example", "dotqmail 10 joe"},
        RouteRow{"other@virtual.example", "unknown-user 14 joe"},
        RouteRow{"a@x.virtual.example", "relay 1"}, RouteRow{"x@a.sub.example", "dotqmail 10 joe"},
        RouteRow{"x@a.b.c.sub.example", "dotqmail 10 joe"},
        RouteRow{"x@exact.sub.example", "dotqmail 10 joe"}, RouteRow{"x@sub.example", "relay 1"},
        RouteRow{"x@.sub.example", "dotqmail 10 joe"},
        RouteRow{"person@one.example", "dotqmail 10 joe"},
        RouteRow{"PERSON@ONE.example", "dotqmail 10 joe"}, RouteRow{"other@one.example", "relay 1"},
        RouteRow{"anyone@not.example", "relay 2"}, RouteRow{"anyone@a.not.example", "relay 1"},
        RouteRow{"@virtual.example", "unknown-user 14 joe"}));

TEST_F(DecideTest, TheEmptyKeyOfVirtualdomainsCatchesWhatIsLeft) {
  control("virtualdomains", "not.example:\n:joe-v\n");
  EXPECT_EQ(judge("sales@anything.example"), "dotqmail 10 joe");
  EXPECT_EQ(judge("sales@not.example"), "relay 2");
  EXPECT_EQ(judge("sales@local.example"), "unknown-user 14 alias") << "locals come first";
  control("virtualdomains", "virtual.example:joe-v\n:\n");
  EXPECT_EQ(judge("sales@anything.example"), "relay 2");
}

TEST_F(DecideTest, TheWholeAddressComesBeforeItsDomain) {
  control("virtualdomains", "one.example:joe-v\nperson@one.example:\n");
  EXPECT_EQ(judge("person@one.example"), "relay 2");
  EXPECT_EQ(judge("sales@one.example"), "dotqmail 10 joe");
}

TEST_F(DecideTest, UnusableTablesMatterToWhatNeedsThem) {
  tree_.remove("control/virtualdomains");
  tree_.write("control/virtualdomains/directory", "");
  EXPECT_EQ(judge("joe@local.example"), "local 9 joe");
  EXPECT_EQ(judge("joe@other.example"), "control-error 0");
  tree_.remove("control/locals");
  tree_.write("control/locals/directory", "");
  EXPECT_EQ(judge("joe@local.example"), "control-error 0");
}

TEST_F(DecideTest, ARightSideTooLongCannotBeTold) {
  control("virtualdomains", "v.example:" + std::string(kMaxLocal, 'x') + "\n");
  EXPECT_EQ(judge("a@v.example"), "control-error 0");
}

// ---- users/cdb ---------------------------------------------------------------------------------

TEST_F(DecideTest, AnAssignmentComesBeforePasswd) {
  assign({{exact_key("joe"), user_record({"other", "2000", "100", "/home/other", "", ""})},
          {"!joe-", user_record({"wild", "2001", "100", "/home/wild", "-", "x-"})}});
  system_.add_file("/home/wild/.qmail-x-y");
  EXPECT_EQ(judge("Joe@local.example"), "local 9 other");
  EXPECT_EQ(judge("joe-Y@local.example"), "dotqmail 10 wild");
  EXPECT_EQ(judge("joe-z@local.example"), "unknown-user 14 wild");
  EXPECT_EQ(judge("mail@local.example"), "unknown-user 14 alias") << "passwd decides";
}

TEST_F(DecideTest, AVirtualDomainOfVpopmailIsAnAssignment) {
  control("virtualdomains", "vp.example:vp.example\n");
  assign({{"!vp.example-", user_record({"vp.example", "89", "89", "/vp/vp.example", "-", ""})}});
  system_.add_file("/vp/vp.example/.qmail-default");
  EXPECT_EQ(judge("who@vp.example"), "default 12 vp.example");
}

TEST_F(DecideTest, PositionsThreeToSevenCannotBeTold) {
  const std::vector<std::string> fields = {"joe", "1000", "100", "/home/joe", "-"};
  for (std::size_t n = 1; n <= 5; ++n) {
    assign(
        {{exact_key("joe"), user_record({fields.begin(), fields.begin() + static_cast<long>(n)})}});
    const std::string user = " joe";
    EXPECT_EQ(judge("joe@local.example"), "table-error " + std::to_string(n + 2) + user);
    EXPECT_EQ(run("joe@local.example").verdict(), Verdict::defer);
    EXPECT_TRUE(system_.asked.empty());
  }
}

TEST_F(DecideTest, RootReceivesNothingAndIsNeverLookedInto) {
  for (const char* uid : {"0", "00"}) {
    for (const char* dash : {"", "-"}) {
      assign({{exact_key("joe"), user_record({"joe", uid, "100", "/home/joe", dash, ""})}});
      EXPECT_EQ(judge("joe@local.example"), "table-error 4 joe");
      EXPECT_EQ(run("joe@local.example").verdict(), Verdict::defer);
      EXPECT_TRUE(system_.asked.empty());
    }
  }
}

// As qmail-local, which takes any group it is given.
TEST_F(DecideTest, TheGroupOfRootIsAGroup) {
  assign({{exact_key("joe"), user_record({"joe", "1000", "0", "/home/joe", "", ""})}});
  EXPECT_EQ(judge("joe@local.example"), "local 9 joe");
}

TEST_F(DecideTest, ADamagedUsersCdbCannotTellAboutAnyUser) {
  tree_.write("users/cdb", "nonsense");
  EXPECT_EQ(judge("joe@local.example"), "table-error 0");
  EXPECT_EQ(judge("nobody@local.example"), "table-error 0");
  EXPECT_EQ(judge("who@relay.example"), "relay 1");
}

TEST_F(DecideTest, TheControllingUserIsCutAt32Bytes) {
  assign({{exact_key("joe"),
           user_record({std::string(40, 'u'), "1000", "100", "/home/joe", "", ""})}});
  EXPECT_EQ(judge("joe@local.example"), "local 9 " + std::string(32, 'u'));
}

// ---- passwd ------------------------------------------------------------------------------------

TEST_F(DecideTest, TheLongestPrefixThatIsAUserWins) {
  system_.add_file("/home/jim/.qmail-list");
  EXPECT_EQ(judge("joe-jim@local.example"), "local 9 joe-jim");
  EXPECT_EQ(judge("joe-jim-list@local.example"), "dotqmail 10 joe-jim");
  EXPECT_EQ(judge("joe-list@local.example"), "dotqmail 10 joe");
  EXPECT_EQ(judge("JOE-List@local.example"), "dotqmail 10 joe");
}

TEST_F(DecideTest, AsksForUsersLongestFirst) {
  static_cast<void>(judge("a-b-c@local.example"));
  EXPECT_EQ(system_.asked,
            (std::vector<std::string>{
                "user a-b-c", "user a-b", "user a", "user alias",
                "file /var/qmail/alias/.qmail-a-b-c", "file /var/qmail/alias/.qmail-a-b-default",
                "file /var/qmail/alias/.qmail-a-default", "file /var/qmail/alias/.qmail-default"}));
}

TEST_F(DecideTest, ADashAtTheEndLeavesAnEmptyExtension) {
  EXPECT_EQ(judge("joe-@local.example"), "unknown-user 14 joe");
  system_.add_file("/home/joe/.qmail-");
  EXPECT_EQ(judge("joe-@local.example"), "dotqmail 10 joe");
}

TEST_F(DecideTest, ADashInFrontMakesNoUser) {
  EXPECT_EQ(judge("-joe@local.example"), "unknown-user 14 alias");
  EXPECT_EQ(system_.asked.front(), "user -joe");
  EXPECT_EQ(system_.asked[1], "user alias");
}

TEST_F(DecideTest, ALoginNameIsShorterThan32Bytes) {
  const std::string name31(31, 'n');
  system_.add_user(name31, 1002, "/home/n");
  system_.add_user(name31 + "n", 1003, "/home/nn");
  EXPECT_EQ(judge(name31 + "@local.example"), "local 9 " + name31);
  EXPECT_EQ(judge(name31 + "n@local.example"), "unknown-user 14 alias");
  EXPECT_EQ(judge(name31 + "-x@local.example"), "unknown-user 14 " + name31);
}

TEST_F(DecideTest, UsersWithoutMailArePassedOver) {
  EXPECT_EQ(judge("root@local.example"), "unknown-user 14 alias");
  EXPECT_EQ(judge("mail@local.example"), "unknown-user 14 alias") << "does not own its home";
  system_.add_user("homeless", 1004, "");
  EXPECT_EQ(judge("homeless@local.example"), "unknown-user 14 alias");
  system_.add_file("/var/qmail/alias/.qmail-root");
  EXPECT_EQ(judge("root@local.example"), "alias 10 alias");
  system_.add_user("joe-mail", 8, "/var/mail2");
  system_.take_home("/var/mail2");
  EXPECT_EQ(judge("joe-mail@local.example"), "unknown-user 14 joe") << "the shorter prefix";
}

TEST_F(DecideTest, PositionEightWithoutAnAliasUser) {
  FakeLookups empty;
  load();
  const Decision decision = decide("who@local.example", {config_, users_, empty, nullptr});
  EXPECT_EQ(show(decision), "unknown-user 8");
  EXPECT_EQ(decision.verdict(), Verdict::reject);
  empty.add_user("alias", 0, "/alias");
  EXPECT_EQ(show(decide("who@local.example", {config_, users_, empty, nullptr})), "unknown-user 8");
  empty.add_user("alias", 7, "");
  EXPECT_EQ(show(decide("who@local.example", {config_, users_, empty, nullptr})), "unknown-user 8");
}

TEST_F(DecideTest, TheControllingUserIsTheLoginName) {
  system_.add_file("/home/joe/.qmail-a-very-long-extension-of-more-than-32-bytes");
  EXPECT_EQ(judge("joe-a-very-long-extension-of-more-than-32-bytes@local.example"),
            "dotqmail 10 joe");
}

// ---- .qmail files ------------------------------------------------------------------------------

TEST_F(DecideTest, FilesOfTheAliasUser) {
  EXPECT_EQ(judge("postmaster@local.example"), "alias 10 alias");
  EXPECT_EQ(judge("PostMaster@local.example"), "alias 10 alias");
  EXPECT_EQ(judge("First.Last@local.example"), "alias 10 alias");
  EXPECT_EQ(judge("box-x@local.example"), "default 12 alias");
  EXPECT_EQ(judge("boxx@local.example"), "unknown-user 14 alias");
  system_.add_file("/var/qmail/alias/.qmail-default");
  EXPECT_EQ(judge("boxx@local.example"), "default 12 alias");
}

TEST_F(DecideTest, DefaultFilesLongestFirst) {
  EXPECT_EQ(judge("joe-list@local.example"), "dotqmail 10 joe");
  EXPECT_EQ(judge("joe-list-a-b@local.example"), "default 12 joe");
  EXPECT_EQ(system_.asked.back(), "file /home/joe/.qmail-list-default");
  EXPECT_EQ(judge("joe-lista@local.example"), "unknown-user 14 joe");
}

TEST_F(DecideTest, NoExtensionLeadsOutOfTheHome) {
  EXPECT_EQ(judge("joe-../../etc/passwd@local.example"), "unknown-user 14 joe");
  EXPECT_EQ(system_.asked.back(), "file /home/joe/.qmail-default");
  for (const std::string& question : system_.asked) {
    if (question.starts_with("user")) continue;
    EXPECT_EQ(question.find(".."), std::string::npos) << question;
  }
}

TEST_F(DecideTest, ASlashIsAskedForAsQmailLocalOpensIt) {
  system_.add_file("/home/joe/.qmail-a/b");
  EXPECT_EQ(judge("joe-a/b@local.example"), "dotqmail 10 joe");
}

TEST_F(DecideTest, WhatCannotBeLookedAtCannotBeTold) {
  struct {
    const char* question;
    const char* shown;
  } const rows[] = {
      {"user joe-x-y", "passwd-error 0"},
      {"user joe", "passwd-error 0"},
      {"home /home/joe", "home-error 0"},
      {"file /home/joe/.qmail-x-y", "home-error 11 joe"},
      {"file /home/joe/.qmail-x-default", "home-error 13 joe"},
      {"file /home/joe/.qmail-default", "home-error 13 joe"},
  };
  load();
  for (const auto& row : rows) {
    FakeLookups system;
    system.add_user("joe", 1000, "/home/joe");
    system.break_question(row.question);
    const Decision decision = decide("joe-x-y@local.example", {config_, users_, system, nullptr});
    EXPECT_EQ(show(decision), row.shown) << row.question;
    EXPECT_EQ(decision.verdict(), Verdict::defer);
    FakeLookups slow;
    slow.add_user("joe", 1000, "/home/joe");
    slow.break_question(row.question, ETIMEDOUT);
    EXPECT_EQ(decide("joe-x-y@local.example", {config_, users_, slow, nullptr}).why, Why::timeout);
  }
  FakeLookups nobody;
  nobody.break_question("user alias");
  EXPECT_EQ(show(decide("who@local.example", {config_, users_, nobody, nullptr})),
            "passwd-error 0");
}

// ---- hostile addresses -------------------------------------------------------------------------

TEST_F(DecideTest, ManyDashesCostFewQuestions) {
  EXPECT_EQ(judge(std::string(880, '-') + "@local.example"), "unknown-user 14 alias");
  EXPECT_LE(system_.asked.size(), 32u + 256u);
  system_.know_longest_name(20);
  EXPECT_EQ(judge("joe" + std::string(880, '-') + "@local.example"), "unknown-user 14 joe");
  EXPECT_LE(system_.asked.size(), 32u + 8u);
  EXPECT_EQ(judge("joe-a-b-c-d-e-f-g-h-i-j-k@local.example"), "unknown-user 14 joe");
  EXPECT_EQ(system_.asked.back(), "file /home/joe/.qmail-default");
}

TEST_F(DecideTest, ManySlashesAreGivenUp) {
  EXPECT_EQ(judge("joe-" + repeat("-/", 400) + "@local.example"), "home-error 13 joe");
  EXPECT_LE(system_.asked.size(), 32u + kMaxNamesAsked);
}

TEST_F(DecideTest, NamesThatNoFileSystemHasAreNotAskedFor) {
  static_cast<void>(judge("joe-" + std::string(300, 'x') + "@local.example"));
  EXPECT_EQ(system_.asked, (std::vector<std::string>{"user joe", "home /home/joe",
                                                     "file /home/joe/.qmail-default"}));
  static_cast<void>(judge("joe-/" + std::string(300, 'x') + "@local.example"));
  EXPECT_EQ(system_.asked.size(), 3u);
}

TEST_F(DecideTest, ManyDotsEnd) {
  EXPECT_EQ(judge("joe@" + repeat("a.", 440) + "sub.example"), "unknown-user 14 joe");
}

// ---- fastforward -------------------------------------------------------------------------------

class FastforwardTest : public DecideTest {
 protected:
  FastforwardTest() {
    system_.add_file("/var/qmail/alias/.qmail-default");
    control("virtualdomains", "va.example:alias\nvb.example:alias-b\n");
    fastforward_ = &table_;
    tree_.write_cdb("ff.cdb", {{":one@local.example", "&x"},
                               {":@va.example", "&x"},
                               {":info@", "&x"},
                               {"?two@local.example", "owner"}});
    open();
  }
  void open() {
    problems_.clear();
    table_.force();
    static_cast<void>(table_.refresh(0, problems_));
  }
  FastforwardCdb table_{tree_.path("ff.cdb")};
  std::vector<control::Problem> problems_;
};

TEST_F(FastforwardTest, TheTableKnowsWhoExists) {
  EXPECT_EQ(judge("one@local.example"), "alias 12 alias");
  EXPECT_EQ(judge("ONE@Local.example"), "alias 12 alias");
  EXPECT_EQ(judge("two@local.example"), "unknown-user 12 alias");
  EXPECT_EQ(run("two@local.example").verdict(), Verdict::reject);
  EXPECT_EQ(judge("Info@local.example"), "alias 12 alias");
  EXPECT_EQ(judge("anyone@va.example"), "alias 12 alias");
  EXPECT_EQ(judge("info"), "alias 12 alias");
}

TEST_F(FastforwardTest, OnlyBehindTheAliasUsersCatchAll) {
  EXPECT_EQ(judge("postmaster@local.example"), "alias 10 alias");
  EXPECT_EQ(judge("box-x@local.example"), "default 12 alias");
  EXPECT_EQ(judge("joe-list-x@local.example"), "default 12 joe");
  EXPECT_EQ(judge("default@local.example"), "unknown-user 12 alias") << "the same file";
  system_.add_file("/home/joe/.qmail-default");
  EXPECT_EQ(judge("joe-x@local.example"), "default 12 joe");
}

TEST_F(FastforwardTest, AVirtualAddressIsAskedWithoutItsPrefix) {
  tree_.write_cdb("ff.cdb", {{":who@vb.example", "&x"}});
  open();
  EXPECT_EQ(judge("who@vb.example"), "alias 12 alias");
  EXPECT_EQ(judge("alias-b-who@vb.example"), "unknown-user 12 alias");
}

TEST_F(FastforwardTest, ATableThatIsNoneCannotTell) {
  tree_.replace("ff.cdb", "nonsense");
  FastforwardCdb damaged(tree_.path("ff.cdb"));
  std::vector<control::Problem> problems;
  static_cast<void>(damaged.refresh(0, problems));
  EXPECT_EQ(problems.size(), 1u);
  fastforward_ = &damaged;
  EXPECT_EQ(judge("one@local.example"), "table-error 12 alias");

  FastforwardCdb missing(tree_.path("nowhere.cdb"));
  problems.clear();
  static_cast<void>(missing.refresh(0, problems));
  EXPECT_EQ(problems.size(), 1u);
  static_cast<void>(missing.refresh(5000000, problems));
  EXPECT_EQ(problems.size(), 1u) << "said once";
  fastforward_ = &missing;
  EXPECT_EQ(judge("one@local.example"), "table-error 12 alias");

  tree_.write_cdb("empty.cdb", {});
  FastforwardCdb empty(tree_.path("empty.cdb"));
  static_cast<void>(empty.refresh(0, problems));
  fastforward_ = &empty;
  EXPECT_EQ(judge("one@local.example"), "table-error 12 alias");
}

// ---- pending and explained -------------------------------------------------------------------

TEST_F(DecideTest, AskedUntilItIsKnownItDecidesTheSame) {
  load();
  for (const char* address :
       {"joe@local.example", "joe-list-x@local.example", "nobody@local.example",
        "root@local.example", "sales@virtual.example", "a-b-c-d@local.example"}) {
    const std::string at_once = show(run(address));
    system_.answer_late(true);
    int runs = 1;
    Decision decision = run(address);
    for (; decision.pending && runs < 20; ++runs) decision = run(address);
    system_.answer_late(false);
    EXPECT_EQ(show(decision), at_once) << address;
    EXPECT_GT(runs, 2) << address;
  }
}

TEST_F(DecideTest, TheExplanationNamesFileAndLine) {
  load();
  const struct {
    const char* address;
    const char* sentence;
  } rows[] = {
      {"joe@local.example", "control/locals:2: \"local.example\" is local, local part \"joe\"\n"},
      {"joe", "control/me:1: no @ in it, decided as \"joe@me.example\"\n"},
      {"joe%local.example@hack.example",
       "control/percenthack:1: rewritten to \"joe@local.example\"\n"},
      {"a@x.sub.example",
       "control/virtualdomains:2: key \".sub.example\", local part \"joe-sub-a\"\n"},
      {"a@not.example", "control/virtualdomains:5: key \"not.example\" has an empty right side"},
      {"a@b.example", "control/virtualdomains: nothing for \"a@b.example\": only relayed\n"},
      {"joe@local.example", "users/cdb: no entry for \"joe\"\n"},
      {"joe@local.example", "passwd: user \"joe\", home \"/home/joe\"\n"},
      {"root@local.example", "passwd: \"root\" is uid 0 or has no home: passed over\n"},
      {"mail@local.example", "passwd: \"mail\" does not own the home"},
      {"who@local.example", "passwd: no user's, so the alias user's, extension \"who\"\n"},
      {"who@local.example",
       "home: \"/var/qmail/alias\" does not have \".qmail-default\"\n"
       "verdict: unknown-user: no user, .qmail file, alias or table takes this address\n"},
      {"j\n@local.example", "address: \"j\\x0a@local.example\" is empty or holds a control"},
  };
  for (const auto& row : rows) {
    Explanation steps;
    static_cast<void>(run(row.address, &steps));
    EXPECT_NE(join(steps).find(row.sentence), std::string::npos) << row.sentence << join(steps);
  }
}

TEST_F(DecideTest, TheExplanationChangesNothing) {
  load();
  for (const char* address :
       {"joe@local.example", "who", "a@b.example", "\n", "a%b%c@hack.example"}) {
    Explanation steps;
    const std::string without = show(run(address));
    EXPECT_EQ(show(run(address, &steps)), without);
    const std::string text = join(steps);
    EXPECT_TRUE(std::all_of(text.begin(), text.end(),
                            [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); }));
  }
}

}  // namespace
}  // namespace qv::rcpt
