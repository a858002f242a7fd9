// SPDX-License-Identifier: 0BSD
#include "verifyrcpt.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "core/clock.h"
#include "tests/fakes/responder.h"

namespace qv {
namespace {

using fakes::always;
using fakes::Datagrams;
using fakes::Question;
using fakes::reply_to;
using fakes::Responder;
using fakes::silence;
using wire::datagram::Result;

// One SMTP session: what the server does at each command.
class VerifyRcpt : public ::testing::Test {
 protected:
  ~VerifyRcpt() override { verifyrcpt_close(&session_); }

  int begin(const std::string& value, bool relay_client = false) {
    verifyrcpt_close(&session_);
    return verifyrcpt_init(&session_, value.data(), value.size(), relay_client ? 1 : 0);
  }
  int rcpt(const std::string& address) {
    return verifyrcpt_rcpt(&session_, address.data(), address.size(), &result_);
  }
  int data() { return verifyrcpt_data(&session_, &result_); }
  std::string unanswered(std::size_t size = VERIFYRCPT_LOG_SIZE) {
    std::string out(size, '#');
    out.resize(verifyrcpt_unanswered(&session_, out.data(), out.size()));
    return out;
  }
  std::string log(const std::string& address, std::size_t size = VERIFYRCPT_LOG_SIZE) {
    std::string out(size, '#');
    out.resize(
        verifyrcpt_log(&session_, &result_, address.data(), address.size(), out.data(), size));
    return out;
  }
  // Asks within an ample time and expects a verdict with its reason.
  void expect(const std::string& address, int verdict, const std::string& why) {
    rcpt(address);
    EXPECT_EQ(result_.verdict, verdict) << address;
    EXPECT_EQ(result_.why, why) << address;
  }

  verifyrcpt session_{};
  verifyrcpt_result result_{};
};

// ---- what VERIFY says --------------------------------------------------------------------------

TEST_F(VerifyRcpt, IsOffWithoutValue) {
  EXPECT_EQ(verifyrcpt_init(&session_, nullptr, 0, 0), VERIFYRCPT_OFF);
  EXPECT_STREQ(verifyrcpt_reason(&session_), "");
  EXPECT_EQ(rcpt("anybody@example.org"), 0);
  EXPECT_EQ(result_.verdict, VERIFYRCPT_NOT_ASKED);
  EXPECT_EQ(data(), 0);
}

TEST_F(VerifyRcpt, IsOffWhenAllZero) {
  EXPECT_EQ(rcpt("anybody@example.org"), 0);
  EXPECT_EQ(result_.verdict, VERIFYRCPT_NOT_ASKED);
}

TEST_F(VerifyRcpt, SaysThatAnEmptyValueIsOff) {
  EXPECT_EQ(begin(""), VERIFYRCPT_OFF);
  EXPECT_STREQ(verifyrcpt_reason(&session_),
               "VERIFY=\"\" verifies nothing; to verify write VERIFY=\":\"");
}

TEST_F(VerifyRcpt, AsksNothingForARelayClient) {
  const Responder server(fakes::always(Result::not_valid, "unknown-user"));
  EXPECT_EQ(begin(server.where(), true), VERIFYRCPT_OFF);
  EXPECT_EQ(rcpt("anybody@example.org"), 0);
  EXPECT_EQ(begin("nonsense", true), VERIFYRCPT_OFF);
  EXPECT_EQ(rcpt("anybody@example.org"), 0);
  EXPECT_TRUE(server.heard().empty());
}

TEST_F(VerifyRcpt, ClosesWhereTheValueCannotBeRead) {
  EXPECT_EQ(begin(":,timeout=0\n"), VERIFYRCPT_MISCONFIGURED);
  EXPECT_STREQ(verifyrcpt_reason(&session_),
               "VERIFY: \"timeout=0\\x0a\": timeout is 1 to 60 seconds");
  EXPECT_EQ(rcpt("anybody@example.org"), 421);
  EXPECT_EQ(result_.verdict, VERIFYRCPT_NOT_ASKED);
  EXPECT_STREQ(result_.why, "misconfigured");
  EXPECT_EQ(std::string(result_.reply).substr(0, 10), "421 4.3.5 ");
}

class FromEnvironment : public VerifyRcpt {
 protected:
  FromEnvironment() { clear(); }
  ~FromEnvironment() override { clear(); }
  static void clear() {
    for (const char* name : {"VERIFY", "VERIFYDEFER", "VERIFYSVR", "RELAYCLIENT", "TCPREMOTEIP"}) {
      unsetenv(name);
    }
  }
  // "NAME=value" each.
  int begin_with(std::initializer_list<const char*> variables) {
    clear();
    for (const char* variable : variables) {
      const char* equals = strchr(variable, '=');
      setenv(std::string(variable, equals).c_str(), equals + 1, 1);
    }
    return verifyrcpt_init_env(&session_);
  }
};

TEST_F(FromEnvironment, ReadsVerifyAndRelayClient) {
  EXPECT_EQ(begin_with({}), VERIFYRCPT_OFF);
  EXPECT_EQ(begin_with({"VERIFY=:"}), VERIFYRCPT_ON);
  EXPECT_EQ(begin_with({"VERIFY="}), VERIFYRCPT_OFF);
  EXPECT_EQ(begin_with({"VERIFY=x"}), VERIFYRCPT_MISCONFIGURED);
  EXPECT_EQ(begin_with({"VERIFY=:", "RELAYCLIENT="}), VERIFYRCPT_OFF);
  EXPECT_EQ(begin_with({"VERIFYDEFER=", "RELAYCLIENT="}), VERIFYRCPT_OFF);
}

TEST_F(FromEnvironment, RefusesWhatVerifyReplaced) {
  const auto advice = [this](std::initializer_list<const char*> variables) {
    EXPECT_EQ(begin_with(variables), VERIFYRCPT_MISCONFIGURED);
    EXPECT_EQ(rcpt("anybody@example.org"), 421);
    return std::string(verifyrcpt_reason(&session_));
  };
  EXPECT_EQ(advice({"VERIFYDEFER="}),
            "VERIFYDEFER not read since 1.30: write VERIFY=\"DEFER\" instead");
  EXPECT_EQ(advice({"VERIFYSVR=192.0.2.1:1"}),
            "VERIFYSVR not read since 1.30: write VERIFY=\"192.0.2.1:1\" instead");
  EXPECT_EQ(advice({"VERIFYSVR="}), "VERIFYSVR not read since 1.30: write VERIFY=\":\" instead");
  EXPECT_EQ(advice({"VERIFY=:", "VERIFYDEFER=", "VERIFYSVR=192.168.1.100:1234"}),
            "VERIFYDEFER and VERIFYSVR not read since 1.30: write "
            "VERIFY=\"DEFER,192.168.1.100:1234\" instead");
}

TEST_F(FromEnvironment, KnowsTheClient) {
  const Responder server(fakes::always(Result::valid, "local"));
  setenv("X", "", 1);
  begin_with({("VERIFY=" + server.where()).c_str(), "TCPREMOTEIP=192.0.2.7"});
  EXPECT_EQ(rcpt("bob@example.org"), 0);
  ASSERT_EQ(server.heard().size(), 1u);
  EXPECT_EQ(server.heard()[0].client, "192.0.2.7");
}

// ---- the three answers -------------------------------------------------------------------------

TEST_F(VerifyRcpt, GoesOnWithAValidRecipient) {
  const Responder server(fakes::always(Result::valid, "local", "bob"));
  ASSERT_EQ(begin(server.where()), VERIFYRCPT_ON);
  EXPECT_EQ(rcpt("bob@example.org"), 0);
  EXPECT_EQ(result_.verdict, VERIFYRCPT_VALID);
  EXPECT_STREQ(result_.reply, "");
  EXPECT_STREQ(result_.why, "local");
  EXPECT_STREQ(result_.user, "bob");
  EXPECT_EQ(result_.server, server.where());
  EXPECT_EQ(data(), 0);
}

TEST_F(VerifyRcpt, RefusesOneThatIsNotValid) {
  const Responder server(fakes::always(Result::not_valid, "unknown-user"));
  begin(server.where());
  EXPECT_EQ(rcpt("nobody@example.org"), 550);
  EXPECT_EQ(result_.verdict, VERIFYRCPT_NOT_VALID);
  EXPECT_STREQ(result_.reply, "550 5.1.1 no such recipient here");
  EXPECT_STREQ(result_.why, "unknown-user");
  EXPECT_EQ(result_.delay, 0u);
  EXPECT_EQ(data(), 0) << "the other recipients' message goes on";
}

TEST_F(VerifyRcpt, PutsOffOneThatIsUndecided) {
  const Responder server(fakes::always(Result::undecided, "table-error"));
  begin(server.where());
  EXPECT_EQ(rcpt("bob@example.org"), 451);
  EXPECT_EQ(result_.verdict, VERIFYRCPT_UNDECIDED);
  EXPECT_STREQ(result_.reply, "451 4.3.0 cannot verify this recipient now, try again later");
  begin(server.where() + ",tempok");
  EXPECT_EQ(rcpt("bob@example.org"), 0);
  EXPECT_EQ(result_.verdict, VERIFYRCPT_UNDECIDED);
  EXPECT_STREQ(result_.reply, "");
}

TEST_F(VerifyRcpt, SaysWhatTheServerHasToSay) {
  const Responder server([](const Question& question) -> Datagrams {
    const Result result = question.address == "full" ? Result::not_valid : Result::undecided;
    return {fakes::reply_to(question, result, "overquota", "", std::string(400, 'x'))};
  });
  begin(server.where());
  EXPECT_EQ(rcpt("full"), 550);
  EXPECT_EQ(result_.reply, "550 5.1.1 " + std::string(400, 'x'));
  EXPECT_EQ(rcpt("slow"), 451);
  EXPECT_EQ(result_.reply, "451 4.3.0 " + std::string(400, 'x'));
}

TEST_F(VerifyRcpt, JudgesWhatNoDatagramCanHold) {
  const Responder server(fakes::always(Result::valid, "local"));
  begin(server.where());
  EXPECT_EQ(rcpt(std::string(900, 'a')), 0);
  EXPECT_EQ(rcpt(std::string(901, 'a')), 550);
  EXPECT_STREQ(result_.why, "too-long");
  EXPECT_EQ(rcpt(std::string("bob\0@example.org", 16)), 550);
  EXPECT_STREQ(result_.why, "syntax");
  EXPECT_EQ(rcpt(""), 0);
  ASSERT_EQ(server.heard().size(), 2u);
  EXPECT_EQ(server.heard()[1].address, "");
}

TEST_F(VerifyRcpt, TellsTheServerWhoAsks) {
  const Responder server(fakes::always(Result::valid, "local"));
  begin(server.where());
  verifyrcpt_client(&session_, "2001:db8::7", 11);
  verifyrcpt_helo(&session_, "mx.example.net", 14);
  verifyrcpt_mail(&session_, "eve@example.net", 15);
  rcpt("bob@example.org");
  verifyrcpt_mail(&session_, std::string(512, 'x').c_str(), 512);
  rcpt("bob@example.org");
  verifyrcpt_mail(&session_, nullptr, 0);
  rcpt("bob@example.org");
  const auto heard = server.heard();
  ASSERT_EQ(heard.size(), 3u);
  EXPECT_EQ(heard[0].address, "bob@example.org");
  EXPECT_EQ(heard[0].client, "2001:db8::7");
  EXPECT_EQ(heard[0].helo, "mx.example.net");
  EXPECT_EQ(heard[0].sender, "eve@example.net");
  EXPECT_EQ(heard[1].sender, "");
  EXPECT_EQ(heard[1].helo, "mx.example.net");
  EXPECT_EQ(heard[2].sender, "");
  EXPECT_EQ(heard[0].id.size(), 32u);
  EXPECT_NE(heard[0].id, heard[1].id);
}

// ---- DEFER, maxbad, badsleep -------------------------------------------------------------------

// "bad..." is not valid, "slow..." undecided, everything else valid.
Datagrams by_name(const Question& question) {
  if (question.address.rfind("bad", 0) == 0) {
    return {fakes::reply_to(question, Result::not_valid, "unknown-user")};
  }
  const bool slow = question.address.rfind("slow", 0) == 0;
  return {fakes::reply_to(question, slow ? Result::undecided : Result::valid,
                          slow ? "timeout" : "local")};
}

TEST_F(VerifyRcpt, DeferRefusesAtData) {
  const Responder server(by_name);
  begin("DEFER," + server.where() + ",badsleep=3");
  EXPECT_EQ(rcpt("good"), 0);
  EXPECT_EQ(data(), 0);
  EXPECT_EQ(rcpt("bad"), 0);
  EXPECT_EQ(result_.verdict, VERIFYRCPT_NOT_VALID);
  EXPECT_EQ(result_.delay, 0u) << "a delay would tell";
  EXPECT_EQ(rcpt("good"), 0);
  EXPECT_EQ(rcpt("slow"), 451);
  EXPECT_EQ(data(), 554);
  EXPECT_STREQ(result_.reply, "554 5.1.1 a recipient of this message does not exist");
  EXPECT_EQ(result_.delay, 3u);
}

TEST_F(VerifyRcpt, ANewTransactionForgetsTheDefer) {
  const Responder server(by_name);
  begin("DEFER," + server.where());
  const auto forgets = [this](auto command) {
    rcpt("bad");
    EXPECT_EQ(data(), 554);
    command();
    EXPECT_EQ(data(), 0);
  };
  forgets([this] { verifyrcpt_reset(&session_); });
  forgets([this] { verifyrcpt_helo(&session_, "a", 1); });
  forgets([this] { verifyrcpt_mail(&session_, "a@b", 3); });
  rcpt("bad");
  verifyrcpt_client(&session_, "192.0.2.1", 9);
  EXPECT_EQ(data(), 554);
}

TEST_F(VerifyRcpt, MaxbadEndsTheSession) {
  const Responder server(by_name);
  begin(server.where() + ",maxbad=2,badsleep=7");
  EXPECT_EQ(rcpt("bad1"), 550);
  EXPECT_EQ(result_.delay, 7u);
  EXPECT_EQ(rcpt("slow"), 451);
  EXPECT_EQ(result_.delay, 0u);
  verifyrcpt_reset(&session_);
  EXPECT_EQ(rcpt("bad2"), 550);
  EXPECT_EQ(rcpt("good"), 421);
  EXPECT_EQ(result_.verdict, VERIFYRCPT_NOT_ASKED);
  EXPECT_STREQ(result_.why, "maxbad");
  EXPECT_EQ(result_.delay, 7u);
  EXPECT_EQ(server.heard().size(), 3u);
}

TEST_F(VerifyRcpt, MaxbadCountsWhatDeferHides) {
  const Responder server(by_name);
  begin("D," + server.where() + ",maxbad=1");
  EXPECT_EQ(rcpt("bad1"), 0);
  EXPECT_EQ(rcpt("good"), 421);
}

// ---- forged, late, lost ------------------------------------------------------------------------

// `before` arrives ahead of the right answer and must change nothing.
class NotTheAnswer : public ::testing::TestWithParam<std::pair<const char*, std::string>> {};

TEST_P(NotTheAnswer, IsPassedOver) {
  const Responder server([](const Question& question) -> Datagrams {
    return {GetParam().second, fakes::reply_to(question, Result::not_valid, "unknown-user")};
  });
  const std::string value = server.where() + ",timeout=20,tries=1";
  verifyrcpt session;
  verifyrcpt_result result;
  verifyrcpt_init(&session, value.data(), value.size(), 0);
  EXPECT_EQ(verifyrcpt_rcpt(&session, "bad", 3, &result), 550);
  EXPECT_STREQ(result.why, "unknown-user");
  EXPECT_STREQ(result.user, "");
  verifyrcpt_close(&session);
}

std::string forged(const std::string& id) {
  Question question;
  question.id = id;
  return fakes::reply_to(question, Result::valid, "forged", "mallory", "come in");
}

INSTANTIATE_TEST_SUITE_P(VerifyRcpt, NotTheAnswer,
                         ::testing::Values(std::pair{"Empty", std::string()},
                                           std::pair{"LegacyByte", std::string("\0", 1)},
                                           std::pair{"LegacyWithUser", std::string("\0mallory", 8)},
                                           std::pair{"OtherId", forged(std::string(32, '0'))},
                                           std::pair{"ShorterId", forged(std::string(16, '0'))},
                                           std::pair{"Garbage", std::string(700, '\xff')},
                                           std::pair{"TooLong", std::string(1300, '\0')}),
                         [](const auto& row) { return std::string(row.param.first); });

TEST_F(VerifyRcpt, TakesALegacyAnswerOnlyWhereToldTo) {
  const Responder server([](const Question&) {
    return Datagrams{
        std::string("\x91"
                    "bob")};
  });
  begin(server.where() + ",timeout=1,tries=1");
  expect("bob", VERIFYRCPT_UNDECIDED, "legacy-reply");
  EXPECT_EQ(result_.code, 451);
  EXPECT_STREQ(result_.user, "");
  begin(server.where() + ",legacy");
  EXPECT_EQ(rcpt("bob"), 550);
  EXPECT_STREQ(result_.why, "legacy");
  EXPECT_STREQ(result_.user, "bob");
}

// Named in the log is the old daemon, not the server that was asked last.
TEST_F(VerifyRcpt, NamesTheServerWhoseReplyHasNoId) {
  const Responder old([](const Question&) { return Datagrams{std::string("\0", 1)}; });
  const Responder mute(fakes::silence());
  begin(old.where() + "," + mute.where() + ",timeout=1,tries=2");
  expect("bob", VERIFYRCPT_UNDECIDED, "legacy-reply");
  EXPECT_EQ(result_.server, old.where());
  EXPECT_EQ(unanswered(), old.where() + " (reply without an id), " + mute.where() + " (no reply)");
}

// A server that knows the extended form is no old daemon: the reply without an id is forged.
TEST_F(VerifyRcpt, ALegacyReplyBesideAnotherIsNoOldDaemon) {
  const std::string legacy("\0", 1);
  const std::string extended = forged(std::string(32, '0'));
  for (const auto& datagrams : {Datagrams{legacy, extended}, Datagrams{extended, legacy}}) {
    const Responder server([&datagrams](const Question&) { return datagrams; });
    begin(server.where() + ",timeout=1,tries=1");
    expect("bob", VERIFYRCPT_UNDECIDED, "timeout");
    EXPECT_EQ(unanswered(), server.where() + " (no reply)");
  }
}

// An answer without an id, to the first question, comes while the second is asked.
TEST_F(VerifyRcpt, ALateLegacyAnswerIsNotThatToTheNextQuestion) {
  const Responder server([](const Question& question) -> Datagrams {
    if (question.number == 0) return {};
    // To the resent question twice: one comes late.
    if (question.number == 1) return {std::string("\0", 1), std::string("\0", 1)};
    return {std::string("\x01")};
  });
  begin(server.where() + ",legacy,timeout=2,tries=4");
  EXPECT_EQ(rcpt("good"), 0);
  usleep(50'000);  // for the second answer to be there; without the care it would be taken
  EXPECT_EQ(rcpt("bad"), 550);
}

// The answer to each question arrives with the next one.
TEST_F(VerifyRcpt, ALateAnswerIsNotThatToTheNextQuestion) {
  std::string kept;
  const Responder server([&kept](const Question& question) -> Datagrams {
    const std::string late = kept;
    kept = fakes::reply_to(question, Result::valid, "late");
    if (question.number == 0) return {};
    return {late, fakes::reply_to(question, Result::not_valid, "unknown-user")};
  });
  begin(server.where() + ",timeout=1,tries=1");
  expect("first", VERIFYRCPT_UNDECIDED, "timeout");
  expect("second", VERIFYRCPT_NOT_VALID, "unknown-user");
}

TEST_F(VerifyRcpt, ASlowAnswerToTheFirstTryCounts) {
  Question first;
  const Responder server([&first](const Question& question) -> Datagrams {
    if (question.number == 0) first = question;
    if (question.number < 2) return {};
    return {fakes::reply_to(first, Result::valid, "local")};
  });
  begin(server.where() + ",timeout=3,tries=6");
  expect("bob", VERIFYRCPT_VALID, "local");
  const auto heard = server.heard();
  ASSERT_EQ(heard.size(), 3u);
  EXPECT_EQ(heard[0].id, heard[2].id) << "a question sent again keeps its id";
}

TEST_F(VerifyRcpt, SurvivesLossOfThreeInTen) {
  const Responder server([](const Question& question) -> Datagrams {
    const int n = question.number % 10;
    if (n == 0 || n == 4 || n == 5) return {};
    return {fakes::reply_to(question, Result::valid, "local", question.address)};
  });
  begin(server.where() + ",timeout=1,tries=10");
  for (int i = 0; i < 14; ++i) {
    const std::string address = "user" + std::to_string(i);
    expect(address, VERIFYRCPT_VALID, "local");
    EXPECT_EQ(result_.user, address);
  }
  EXPECT_EQ(server.heard().size(), 20u);
}

TEST_F(VerifyRcpt, SilenceIsUndecidedAndTheSessionGoesOn) {
  bool mute = true;
  const Responder server([&mute](const Question& question) -> Datagrams {
    if (mute) return {};
    return {fakes::reply_to(question, Result::valid, "local")};
  });
  begin(server.where() + ",timeout=1,tries=2");
  const std::int64_t before = monotonic_us();
  EXPECT_EQ(rcpt("bob"), 451);
  EXPECT_GE(monotonic_us() - before, 1'000'000);
  EXPECT_GE(result_.micros, 1'000'000u);
  EXPECT_STREQ(result_.why, "timeout");
  EXPECT_EQ(result_.server, server.where());
  EXPECT_EQ(server.heard().size(), 2u);
  mute = false;
  EXPECT_EQ(rcpt("bob"), 0);
}

// ---- why no server answered, and how long to wait for that
// ---------------------------------------

TEST_F(VerifyRcpt, SaysOfEachServerWhyItDidNotAnswer) {
  const Responder mute(fakes::silence());
  const std::string nobody = fakes::nobody();
  EXPECT_EQ(unanswered(), "") << "a session of zero bytes";
  begin(nobody + ",unix:/nonexistent/a b," + mute.where() + ",timeout=1,tries=1");
  EXPECT_EQ(unanswered(), "") << "nothing asked yet";
  rcpt("bob");
  EXPECT_STREQ(result_.why, "timeout");
  const std::string list = nobody +
                           " (connection refused), unix:/nonexistent/a\\x20b (no such "
                           "socket), " +
                           mute.where() + " (no reply)";
  EXPECT_EQ(unanswered(), list);
  EXPECT_EQ(unanswered(11), list.substr(0, 10));
  EXPECT_EQ(unanswered(0), "");
  rcpt(std::string(901, 'a'));
  EXPECT_EQ(unanswered(), "") << "nobody was asked about that one";
}

// "unreachable" may be a verifier's own word about a next hop: that is an answer.
TEST_F(VerifyRcpt, AnAnswerLeavesNothingUnanswered) {
  const Responder server(fakes::always(Result::undecided, "unreachable"));
  begin(fakes::nobody() + "," + server.where());
  expect("bob", VERIFYRCPT_UNDECIDED, "unreachable");
  EXPECT_EQ(unanswered(), "");
}

class FailFast : public VerifyRcpt {
 protected:
  // A minute is the longest time there is; nothing here is to wait for it.
  void begin_fast(const std::string& servers) {
    begin(servers + ",timeout=60,tries=1");
    verifyrcpt_fail_fast(&session_);
    began_ = monotonic_us();
  }
  void expect_no_waiting() const { EXPECT_LT(monotonic_us() - began_, 20'000'000); }

  std::int64_t began_ = 0;
};

TEST_F(FailFast, DoesNotWaitWhereNobodyListens) {
  begin_fast(fakes::nobody() + ",unix:/nonexistent/socket");
  expect("bob", VERIFYRCPT_UNDECIDED, "unreachable");
  expect("bob", VERIFYRCPT_UNDECIDED, "unreachable");
  expect_no_waiting();
}

TEST_F(FailFast, DoesNotWaitForAnOldDaemon) {
  const Responder old([](const Question&) { return Datagrams{std::string("\0joe", 4)}; });
  begin_fast(old.where() + "," + fakes::nobody());
  expect("bob", VERIFYRCPT_UNDECIDED, "legacy-reply");
  expect("bob", VERIFYRCPT_UNDECIDED, "legacy-reply");
  expect_no_waiting();
  EXPECT_EQ(result_.server, old.where());
  EXPECT_EQ(old.heard().size(), 2u);
}

TEST_F(FailFast, AsksTheOtherServers) {
  const Responder old([](const Question&) { return Datagrams{std::string("\0", 1)}; });
  const Responder server(fakes::always(Result::not_valid, "unknown-user"));
  begin_fast(fakes::nobody() + "," + old.where() + "," + server.where());
  EXPECT_EQ(rcpt("bad"), 550);
  EXPECT_EQ(result_.server, server.where());
  expect_no_waiting();
}

TEST_F(FailFast, WaitsForAServerThatIsSlow) {
  const Responder slow([](const Question& question) -> Datagrams {
    usleep(300'000);
    return {fakes::reply_to(question, Result::valid, "local")};
  });
  begin_fast(fakes::nobody() + "," + slow.where());
  expect("bob", VERIFYRCPT_VALID, "local");
}

TEST_F(FailFast, EndsWithTheSession) {
  Responder server(fakes::always(Result::valid, "local"));
  begin_fast(server.where());
  server.stop();
  begin(server.where() + ",timeout=10,tries=10");
  std::thread supervisor([&server] {
    usleep(300'000);
    server.start();
  });
  expect("bob", VERIFYRCPT_VALID, "local");
  supervisor.join();
}

// ---- several servers, restarts -----------------------------------------------------------------

TEST_F(VerifyRcpt, NobodyThereIsUndecided) {
  begin(fakes::nobody() + ",timeout=1,tries=2");
  EXPECT_EQ(rcpt("bob"), 451);
  EXPECT_STREQ(result_.why, "unreachable");
  begin("unix:/nonexistent/socket,timeout=1,tries=1,tempok");
  EXPECT_EQ(rcpt("bob"), 0);
  EXPECT_EQ(result_.verdict, VERIFYRCPT_UNDECIDED);
  EXPECT_STREQ(result_.why, "unreachable");
  EXPECT_STREQ(result_.server, "unix:/nonexistent/socket");
}

// The time of the refusing server is not waited out: it would be 30 seconds.
TEST_F(VerifyRcpt, GoesToTheNextServerAtOnceWhereOneRefuses) {
  const Responder server(fakes::always(Result::valid, "local"));
  begin(fakes::nobody() + "," + server.where() + ",timeout=60,tries=1");
  const std::int64_t before = monotonic_us();
  expect("bob", VERIFYRCPT_VALID, "local");
  EXPECT_EQ(result_.server, server.where());
  expect("bob", VERIFYRCPT_VALID, "local");
  EXPECT_LT(monotonic_us() - before, 20'000'000);
  EXPECT_EQ(server.heard().size(), 2u);
}

// The first server answers only when the second, which is silent, has been asked.
TEST_F(VerifyRcpt, TheFirstServersAnswerCountsWhileTheSecondIsAsked) {
  const Responder second(fakes::silence());
  const Responder first([&second](const Question& question) -> Datagrams {
    for (int i = 0; i < 1000 && second.heard().empty(); ++i) usleep(10'000);
    return {fakes::reply_to(question, Result::valid, "local")};
  });
  begin(first.where() + "," + second.where() + ",timeout=2,tries=1");
  expect("bob", VERIFYRCPT_VALID, "local");
  EXPECT_EQ(result_.server, first.where());
  EXPECT_EQ(second.heard().size(), 1u);
}

TEST_F(VerifyRcpt, GoesToTheNextServerWhereOneIsSilentAndStaysThere) {
  const Responder mute(fakes::silence());
  const Responder server(fakes::always(Result::valid, "local"));
  begin(mute.where() + "," + server.where() + ",timeout=2,tries=4");
  expect("bob", VERIFYRCPT_VALID, "local");
  EXPECT_EQ(result_.server, server.where());
  expect("bob", VERIFYRCPT_VALID, "local");
  expect("bob", VERIFYRCPT_VALID, "local");
  EXPECT_EQ(mute.heard().size(), 1u);
  EXPECT_EQ(server.heard().size(), 3u);
}

TEST_F(VerifyRcpt, AsksEveryServerWhateverTheTries) {
  const Responder a(fakes::silence()), b(fakes::silence()), c(fakes::silence());
  const Responder server(fakes::always(Result::not_valid, "unknown-user"));
  begin(a.where() + "," + b.where() + "," + c.where() + "," + server.where() +
        ",timeout=2,tries=1");
  EXPECT_EQ(rcpt("bad"), 550);
  for (const Responder* mute : {&a, &b, &c}) EXPECT_EQ(mute->heard().size(), 1u);
}

TEST_F(VerifyRcpt, ARestartedServerIsAskedAgain) {
  Responder server(fakes::always(Result::valid, "local"));
  begin(server.where() + ",timeout=10,tries=10");
  expect("bob", VERIFYRCPT_VALID, "local");
  server.stop();
  std::thread supervisor([&server] {
    usleep(300'000);
    server.start();
  });
  expect("bob", VERIFYRCPT_VALID, "local");
  supervisor.join();
}

class OverUnixSocket : public VerifyRcpt {
 protected:
  OverUnixSocket() { EXPECT_NE(mkdtemp(directory_), nullptr); }
  ~OverUnixSocket() override { rmdir(directory_); }
  [[nodiscard]] std::string where() const { return "unix:" + std::string(directory_) + "/socket"; }

 private:
  char directory_[32] = "/tmp/verifyrcpt.XXXXXX";
};

TEST_F(OverUnixSocket, AsksAndIsAnswered) {
  const Responder server(by_name, where());
  begin(where());
  EXPECT_EQ(rcpt("good"), 0);
  EXPECT_EQ(rcpt("bad"), 550);
  EXPECT_EQ(result_.server, where());
}

// The file is another socket after a restart: there is nothing to wait for, only to connect anew.
// With one try whoever waits never asks again.
TEST_F(OverUnixSocket, FollowsAReplacedSocketAtOnce) {
  Responder server(fakes::always(Result::valid, "local"), where());
  begin(where() + ",timeout=2,tries=1");
  for (int i = 0; i < 3; ++i) {
    expect("bob", VERIFYRCPT_VALID, "local");
    server.stop();
    server.start();
  }
}

TEST_F(OverUnixSocket, WaitsForARestart) {
  Responder server(fakes::always(Result::valid, "local"), where());
  begin(where() + ",timeout=10,tries=10");
  expect("bob", VERIFYRCPT_VALID, "local");
  server.stop();
  std::thread supervisor([&server] {
    usleep(300'000);
    server.start();
  });
  expect("bob", VERIFYRCPT_VALID, "local");
  supervisor.join();
}

TEST_F(OverUnixSocket, FailsOverToUdp) {
  const Responder server(fakes::always(Result::valid, "local"));
  begin(where() + "," + server.where() + ",timeout=60,tries=1");
  expect("bob", VERIFYRCPT_VALID, "local");
  EXPECT_EQ(result_.server, server.where());
}

// ---- descriptors and log -----------------------------------------------------------------------

int open_descriptors() {
  int count = 0;
  for (int fd = 0; fd < 256; ++fd) count += fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
  return count;
}

TEST_F(VerifyRcpt, HoldsOneSocketPerServerAndClosesAll) {
  const Responder a(fakes::always(Result::valid, "local"));
  const int before = open_descriptors();
  begin(a.where() + "," + fakes::nobody());
  EXPECT_EQ(open_descriptors(), before);
  rcpt("bob");
  rcpt("bob");
  EXPECT_EQ(open_descriptors(), before + 1);
  verifyrcpt_close(&session_);
  EXPECT_EQ(open_descriptors(), before);
  verifyrcpt_close(&session_);
  EXPECT_EQ(rcpt("bob"), 0);
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(VerifyRcpt, LogsOneLine) {
  const Responder server(fakes::always(Result::not_valid, "unknown-user", "a b"));
  begin(server.where());
  verifyrcpt_client(&session_, "192.0.2.7", 9);
  rcpt("x\n@example.org");
  result_.micros = 113;
  EXPECT_EQ(log("x\n@example.org"),
            "result=not-valid why=unknown-user code=550 rcpt=\"x\\u000a@example.org\" user=\"a b\" "
            "client=192.0.2.7 server=" +
                server.where() + " us=113");
  EXPECT_EQ(log("bob", 10), "result=no");
  EXPECT_EQ(log("bob", 0), "");
}

TEST_F(VerifyRcpt, LogsAnyAddressOnOneWholeLine) {
  const std::string path = "unix:/" + std::string(106, '\x01');
  begin(path + ",timeout=1,tries=1");
  verifyrcpt_client(&session_, std::string(63, '\x01').c_str(), 63);
  memset(result_.user, '\x01', 32);
  memset(result_.server, '\x01', 127);
  memset(result_.why, 'x', 32);
  const std::string line = log(std::string(5000, '\x01'));
  EXPECT_LT(line.size(), VERIFYRCPT_LOG_SIZE - 1u);
  EXPECT_EQ(line.substr(line.size() - 5), " us=0");
  EXPECT_NE(line.find("\\u0001...\" user="), std::string::npos);
}

}  // namespace
}  // namespace qv
