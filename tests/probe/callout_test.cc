// SPDX-License-Identifier: 0BSD
// The conversation, as the host and the driver see it.
#include "probe/callout.h"

#include <gtest/gtest.h>

namespace qv::probe {
namespace {

using Step = Callout::Step;

class Conversation : public testing::Test {
 protected:
  void begin(CalloutOptions options = {}) {
    if (options.hello_name.empty()) options.hello_name = "mx.example.org";
    callout_.emplace(std::move(options));
    callout_->connected();
  }
  // The host says something; what we answer is returned.
  std::string host(const std::string& line) {
    callout_->received(line + "\r\n");
    return callout_->take_output();
  }
  std::string ask(const std::string& address) {
    callout_->ask(address);
    return callout_->take_output();
  }
  void get_ready(const std::string& hello = "250 x") {
    EXPECT_EQ(host("220 hi"), "EHLO mx.example.org\r\n");
    EXPECT_EQ(host(hello), "");
    EXPECT_EQ(callout_->step(), Step::ready);
  }
  void expect_outcome(cache::RecipientStatus status, ProbeReason reason, const std::string& text) {
    const auto outcome = callout_->take_outcome();
    ASSERT_TRUE(outcome.has_value());
    EXPECT_EQ(outcome->status, status);
    EXPECT_EQ(outcome->reason, reason);
    EXPECT_EQ(outcome->text, text);
  }
  void expect_end(ProbeReason reason) {
    EXPECT_TRUE(callout_->finished());
    EXPECT_EQ(callout_->ending().reason, reason);
    EXPECT_FALSE(callout_->can_ask());
  }

  std::optional<Callout> callout_;
};

TEST_F(Conversation, AsksAboutOneRecipientAfterTheOther) {
  begin();
  EXPECT_EQ(ask("joe@x.example"), "");
  EXPECT_EQ(host("220 hi"), "EHLO mx.example.org\r\n");
  EXPECT_EQ(host("250-x\r\n250 PIPELINING"), "MAIL FROM:<>\r\n");
  EXPECT_EQ(host("250 ok"), "RCPT TO:<joe@x.example>\r\n");
  EXPECT_EQ(host("250 2.1.5 Ok"), "");
  expect_outcome(cache::RecipientStatus::ok, ProbeReason::recipient, "250 2.1.5 Ok");
  EXPECT_TRUE(callout_->can_ask());
  EXPECT_EQ(ask("none@x.example"), "RCPT TO:<none@x.example>\r\n");
  EXPECT_FALSE(callout_->can_ask());
  EXPECT_EQ(host("550 5.1.1 unknown"), "");
  expect_outcome(cache::RecipientStatus::bounce, ProbeReason::recipient, "550 5.1.1 unknown");
  EXPECT_EQ(callout_->asked(), 2u);
  callout_->leave();
  EXPECT_EQ(callout_->take_output(), "QUIT\r\n");
  EXPECT_EQ(host("221 bye"), "");
  expect_end(ProbeReason::recipient);
}

TEST_F(Conversation, NamesItsSender) {
  begin({.hello_name = {}, .sender = "double bounce@mx.example.org"});
  get_ready();
  EXPECT_EQ(ask("joe@x"), "MAIL FROM:<\"double bounce\"@mx.example.org>\r\n");
}

TEST_F(Conversation, FallsBackToHelo) {
  begin();
  callout_->ask("joe@x");
  EXPECT_EQ(host("220 hi"), "EHLO mx.example.org\r\n");
  EXPECT_EQ(host("502 what"), "HELO mx.example.org\r\n");
  EXPECT_EQ(host("250 x"), "MAIL FROM:<>\r\n");
}

TEST_F(Conversation, SaysLhloToLmtpAndNothingElse) {
  begin({.hello_name = {}, .sender = {}, .lmtp = true});
  callout_->ask("joe@x");
  EXPECT_EQ(host("220 hi"), "LHLO mx.example.org\r\n");
  EXPECT_EQ(host("502 what"), "");
  expect_outcome(cache::RecipientStatus::defer, ProbeReason::host_refused, "502 what");
  expect_end(ProbeReason::host_refused);
}

TEST_F(Conversation, GoesThroughTlsWhereItIsOffered) {
  begin();
  callout_->ask("joe@x");
  host("220 hi");
  EXPECT_EQ(host("250-x\r\n250-starttls\r\n250 SMTPUTF8"), "STARTTLS\r\n");
  EXPECT_FALSE(callout_->take_tls_request());
  EXPECT_EQ(host("220 go"), "");
  EXPECT_TRUE(callout_->take_tls_request());
  EXPECT_FALSE(callout_->take_tls_request());
  callout_->secured();
  EXPECT_EQ(callout_->take_output(), "EHLO mx.example.org\r\n");
  EXPECT_EQ(host("250-x\r\n250 STARTTLS"), "MAIL FROM:<>\r\n");
}

TEST_F(Conversation, GoesOnInTheClearWhereTlsIsRefusedAfterAll) {
  begin();
  callout_->ask("joe@x");
  host("220 hi");
  EXPECT_EQ(host("250-x\r\n250 STARTTLS"), "STARTTLS\r\n");
  EXPECT_EQ(host("454 not now"), "MAIL FROM:<>\r\n");
}

TEST_F(Conversation, MustHaveTlsWhereTheOperatorSaysSo) {
  begin({.hello_name = {}, .sender = {}, .lmtp = false, .tls = TlsUse::must});
  callout_->ask("joe@x");
  host("220 hi");
  EXPECT_EQ(host("250 x"), "");
  expect_outcome(cache::RecipientStatus::defer, ProbeReason::tls_failed, "TLS is not offered");
  begin({.hello_name = {}, .sender = {}, .lmtp = false, .tls = TlsUse::must});
  host("220 hi");
  host("250-x\r\n250 STARTTLS");
  EXPECT_EQ(host("454 not now"), "");
  expect_end(ProbeReason::tls_failed);
}

TEST_F(Conversation, LeavesTlsAloneWhereItIsOff) {
  begin({.hello_name = {}, .sender = {}, .lmtp = false, .tls = TlsUse::never});
  get_ready("250-x\r\n250 STARTTLS");
}

TEST_F(Conversation, WordsInjectedBeforeTheHandshakeAreNotBelieved) {
  begin();
  callout_->ask("joe@x");
  host("220 hi");
  host("250-x\r\n250 STARTTLS");
  EXPECT_EQ(host("220 go\r\n250 x"), "");
  EXPECT_FALSE(callout_->take_tls_request() && !callout_->finished());
  expect_outcome(cache::RecipientStatus::defer, ProbeReason::broken,
                 "more than one reply to a command");
  begin();
  callout_->ask("joe@x");
  host("220 hi");
  host("250-x\r\n250 STARTTLS");
  host("220 go");
  host("250 x");
  expect_end(ProbeReason::broken);
}

TEST_F(Conversation, RefusalOfTheSenderIsNotAboutTheRecipient) {
  begin();
  get_ready();
  ask("joe@x");
  EXPECT_EQ(host("550 5.7.1 null sender not accepted"), "");
  expect_outcome(cache::RecipientStatus::defer, ProbeReason::sender_refused,
                 "550 5.7.1 null sender not accepted");
  expect_end(ProbeReason::sender_refused);
  begin();
  get_ready();
  ask("joe@x");
  host("451 later");
  expect_outcome(cache::RecipientStatus::defer, ProbeReason::host_refused, "451 later");
}

TEST_F(Conversation, RefusedGreetingIsTheHostsAffair) {
  begin();
  callout_->ask("joe@x");
  EXPECT_EQ(host("554 5.7.1 listed"), "");
  expect_outcome(cache::RecipientStatus::defer, ProbeReason::host_refused, "554 5.7.1 listed");
  expect_end(ProbeReason::host_refused);
}

TEST_F(Conversation, TooManyErrorsEndTheConversationNotTheAnswers) {
  begin();
  get_ready();
  ask("a@x");
  host("250 ok");
  callout_->received("550 5.1.1 unknown\r\n421 4.7.0 too many errors\r\n");
  expect_outcome(cache::RecipientStatus::bounce, ProbeReason::recipient, "550 5.1.1 unknown");
  expect_end(ProbeReason::recipient);
  begin();
  get_ready();
  ask("a@x");
  host("250 ok");
  host("421 4.7.0 too many errors");
  expect_outcome(cache::RecipientStatus::defer, ProbeReason::host_refused,
                 "421 4.7.0 too many errors");
}

TEST_F(Conversation, ASecondReplyIsNeverTheAnswerToTheNextRecipient) {
  begin();
  get_ready();
  ask("a@x");
  EXPECT_EQ(host("250 ok\r\n250 ok"), "");
  expect_outcome(cache::RecipientStatus::defer, ProbeReason::broken,
                 "more than one reply to a command");
  begin();
  get_ready();
  ask("a@x");
  host("250 ok");
  host("250 ok");
  expect_outcome(cache::RecipientStatus::ok, ProbeReason::recipient, "250 ok");
  host("550 5.1.1 late");
  expect_end(ProbeReason::broken);
}

TEST_F(Conversation, NonsenseIsNotAnAnswer) {
  begin();
  get_ready();
  ask("a@x");
  host("250 ok");
  host("HTTP/1.1 400 Bad Request");
  expect_outcome(cache::RecipientStatus::defer, ProbeReason::broken, "not an SMTP reply");
}

TEST_F(Conversation, ALostConnectionAnswersWhatIsAsked) {
  begin();
  get_ready();
  ask("a@x");
  callout_->lost(ProbeReason::timed_out, "no reply to MAIL FROM");
  expect_outcome(cache::RecipientStatus::defer, ProbeReason::timed_out, "no reply to MAIL FROM");
  begin();
  get_ready();
  callout_->lost(ProbeReason::broken, "closed");
  EXPECT_EQ(callout_->take_outcome(), std::nullopt);
  expect_end(ProbeReason::recipient);
}

TEST_F(Conversation, SpeaksUtf8OnlyToWhomOffersIt) {
  begin();
  get_ready();
  EXPECT_EQ(ask("j\xc3\xb6@x"), "");
  expect_outcome(cache::RecipientStatus::defer, ProbeReason::not_askable,
                 "the host does not offer SMTPUTF8");
  begin();
  get_ready("250-x\r\n250 SMTPUTF8");
  EXPECT_EQ(ask("joe@x"), "MAIL FROM:<>\r\n");
  EXPECT_EQ(host("250 ok"), "RCPT TO:<joe@x>\r\n");
  host("250 ok");
  (void)callout_->take_outcome();
  EXPECT_EQ(ask("j\xc3\xb6@x"), "RSET\r\n");
  EXPECT_EQ(host("250 ok"), "MAIL FROM:<> SMTPUTF8\r\n");
  EXPECT_EQ(host("250 ok"), "RCPT TO:<j\xc3\xb6@x>\r\n");
}

TEST_F(Conversation, NoAddressCanSayCommands) {
  begin();
  get_ready();
  EXPECT_EQ(ask("a\r\nDATA@x"), "");
  expect_outcome(cache::RecipientStatus::defer, ProbeReason::not_askable,
                 "the address cannot be put into an SMTP command");
  EXPECT_EQ(callout_->step(), Step::ready);
}

}  // namespace
}  // namespace qv::probe
