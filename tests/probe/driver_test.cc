// SPDX-License-Identifier: 0BSD
// Probes from question to outcome, with a clock and a network that the test sets.
#include "probe/driver.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/fakes/fake_loop.h"
#include "tests/fakes/fake_network.h"

namespace qv::probe {
namespace {

constexpr const char* kOne = "inet:192.0.2.1:25";
constexpr const char* kTwo = "inet:192.0.2.2:25";

class Driver : public testing::Test {
 protected:
  void begin() {
    options_.hello_name = "mx.example.org";
    driver_.emplace(
        ProbeDriver::Surroundings{
            loop_, network_.connector(), network_.resolver(), network_.exchanger_lookup(),
            [this] { return ++random_; },
            [this](const event::StreamAddress& address) { return address.text == ourselves_; }},
        limits_, options_);
  }
  Route route(const std::string& hops) {
    std::vector<control::ControlLine> lines;
    EXPECT_TRUE(control::parse_control_text("x.example:" + hops, lines));
    std::vector<control::Problem> problems;
    const auto found = Routes(lines, {}, problems).find("x.example");
    EXPECT_TRUE(found.has_value()) << hops;
    return found.value_or(Route{});
  }
  // Starts a probe; its outcome goes to results_.
  void start(const std::string& address, const std::string& hops,
             ProbeDriver::DomainCheck check = ProbeDriver::DomainCheck::no) {
    if (!driver_) begin();
    driver_->probe(address, route(hops), check, [this, address](const ProbeResult& result) {
      results_.emplace_back(address, result);
    });
  }
  ProbeResult probe(const std::string& address, const std::string& hops,
                    ProbeDriver::DomainCheck check = ProbeDriver::DomainCheck::no) {
    results_.clear();
    start(address, hops, check);
    for (int i = 0; i < 200 && results_.empty(); ++i) pass(1);
    EXPECT_EQ(results_.size(), 1u);
    return results_.empty() ? ProbeResult{} : results_[0].second;
  }
  void pass(double seconds) { loop_.advance_us(static_cast<std::int64_t>(seconds * 1e6)); }
  std::size_t said(const char* hop, const std::string& beginning) {
    const auto& commands = network_.hops[hop].commands;
    return static_cast<std::size_t>(
        std::count_if(commands.begin(), commands.end(), [&](const std::string& command) {
          return command.compare(0, beginning.size(), beginning) == 0;
        }));
  }

  FakeLoop loop_;
  FakeNetwork network_{loop_};
  ProbeLimits limits_;
  CalloutOptions options_;
  std::string ourselves_;
  std::uint64_t random_ = 0;
  std::vector<std::pair<std::string, ProbeResult>> results_;
  std::optional<ProbeDriver> driver_;
};

TEST_F(Driver, TakesTheAnswerOfTheNextHop) {
  network_.hops[kOne].replies = {{"RCPT TO:<none@", "550 5.1.1 no such user"}};
  const ProbeResult ok = probe("joe@x.example", "192.0.2.1");
  EXPECT_EQ(ok.outcome.status, cache::RecipientStatus::ok);
  EXPECT_EQ(ok.host, "192.0.2.1");
  const ProbeResult no = probe("none@x.example", "192.0.2.1");
  EXPECT_EQ(no.outcome.status, cache::RecipientStatus::bounce);
  EXPECT_EQ(no.outcome.text, "550 5.1.1 no such user");
  EXPECT_EQ(driver_->counters().ended[cache::RecipientStatus::ok], 1u);
  EXPECT_EQ(driver_->counters().ended[cache::RecipientStatus::bounce], 1u);
}

TEST_F(Driver, NeverSaysDataAndQuitsWhenIdle) {
  network_.hops[kOne];
  probe("joe@x.example", "192.0.2.1");
  pass(1);
  EXPECT_EQ(network_.hops[kOne].open, 1);
  pass(10);
  EXPECT_EQ(network_.hops[kOne].open, 0);
  EXPECT_EQ(network_.hops[kOne].commands,
            (std::vector<std::string>{"EHLO mx.example.org", "MAIL FROM:<>",
                                      "RCPT TO:<joe@x.example>", "QUIT"}));
}

TEST_F(Driver, UsesAConnectionForSeveralRecipients) {
  network_.hops[kOne];
  for (int i = 0; i < 25; ++i) probe("u" + std::to_string(i) + "@x.example", "192.0.2.1");
  EXPECT_EQ(network_.hops[kOne].connections, 3);
  EXPECT_EQ(said(kOne, "MAIL FROM"), 3u);
  EXPECT_EQ(said(kOne, "RCPT TO"), 25u);
}

TEST_F(Driver, OpensFewConnectionsAtOnce) {
  network_.hops[kOne].delay_us = kSecond_us / 10;
  for (int i = 0; i < 20; ++i) start("u" + std::to_string(i) + "@x.example", "192.0.2.1");
  pass(0.3);
  EXPECT_EQ(network_.hops[kOne].open, 4);
  pass(20);
  EXPECT_EQ(results_.size(), 20u);
}

TEST_F(Driver, AsksTwiceAskedQuestionsOnce) {
  network_.hops[kOne];
  start("joe@x.example", "192.0.2.1");
  start("JOE@X.example", "192.0.2.1");
  EXPECT_EQ(driver_->pending(), 1u);
  pass(1);
  EXPECT_EQ(results_.size(), 2u);
  EXPECT_EQ(said(kOne, "RCPT TO"), 1u);
  EXPECT_EQ(driver_->counters().joined, 1u);
}

TEST_F(Driver, GoesToTheSecondHopWhenTheFirstIsDown) {
  network_.hops[kTwo];
  const ProbeResult result = probe("joe@x.example", "192.0.2.1 192.0.2.2");
  EXPECT_EQ(result.outcome.status, cache::RecipientStatus::ok);
  EXPECT_EQ(result.host, "192.0.2.2");
}

TEST_F(Driver, DoesNotGoOnAfterATemporaryAnswerAboutTheRecipient) {
  network_.hops[kOne].replies = {{"RCPT", "450 4.2.0 greylisted"}};
  network_.hops[kTwo];
  const ProbeResult result = probe("joe@x.example", "192.0.2.1 192.0.2.2");
  EXPECT_EQ(result.outcome.status, cache::RecipientStatus::defer);
  EXPECT_EQ(result.outcome.text, "450 4.2.0 greylisted");
  EXPECT_EQ(network_.hops[kTwo].connections, 0);
  EXPECT_EQ(result.reach, ProbeResult::Reach::reached);
}

struct DownRow {
  const char* name;
  void (*break_it)(FakeHop&);
  ProbeReason reason;
};

class HostDown : public Driver, public testing::WithParamInterface<DownRow> {};

TEST_P(HostDown, IsATemporaryOutcomeAndLeftAloneForAWhile) {
  GetParam().break_it(network_.hops[kOne]);
  const ProbeResult result = probe("joe@x.example", "192.0.2.1");
  EXPECT_EQ(result.outcome.status, cache::RecipientStatus::defer);
  EXPECT_EQ(result.outcome.reason, GetParam().reason) << result.outcome.text;
  EXPECT_EQ(result.reach, ProbeResult::Reach::all_down);
  const int connections = network_.hops[kOne].connections;
  EXPECT_EQ(probe("other@x.example", "192.0.2.1").outcome.reason, ProbeReason::backing_off);
  EXPECT_EQ(network_.hops[kOne].connections, connections);
  pass(13);
  EXPECT_EQ(probe("third@x.example", "192.0.2.1").outcome.reason, GetParam().reason);
}

using Hops = FakeHop;
INSTANTIATE_TEST_SUITE_P(
    Rows, HostDown,
    testing::Values(DownRow{"Refused", [](Hops& hop) { hop.connect = Hops::Connect::refuse; },
                            ProbeReason::unreachable},
                    DownRow{"Unreachable", [](Hops& hop) { hop.connect = Hops::Connect::hang; },
                            ProbeReason::unreachable},
                    DownRow{"SilentAtFirst", [](Hops& hop) { hop.greeting = "(silence)"; },
                            ProbeReason::timed_out},
                    DownRow{"SilentLater",
                            [](Hops& hop) {
                              hop.replies = {{"RCPT", "(silence)"}};
                            },
                            ProbeReason::timed_out},
                    DownRow{"NotWelcome", [](Hops& hop) { hop.greeting = "554 go away"; },
                            ProbeReason::host_refused},
                    DownRow{"NoHello",
                            [](Hops& hop) {
                              hop.replies = {{"EHLO", "550 no"}, {"HELO", "550 no"}};
                            },
                            ProbeReason::host_refused},
                    DownRow{"MailDeferred",
                            [](Hops& hop) {
                              hop.replies = {{"MAIL", "451 later"}};
                            },
                            ProbeReason::host_refused},
                    DownRow{"HangsUp",
                            [](Hops& hop) {
                              hop.replies = {{"RCPT", "(close)"}};
                            },
                            ProbeReason::broken},
                    DownRow{"NoSmtp", [](Hops& hop) { hop.greeting = "SSH-2.0-x"; },
                            ProbeReason::broken}),
    [](const auto& row) { return std::string(row.param.name); });

TEST_F(Driver, BackOffDoublesUpToItsLimitAndEndsWithAnAnswer) {
  begin();
  std::int64_t seconds = 0;
  network_.hops[kOne].connect = FakeHop::Connect::refuse;
  for (int failure = 0; failure < 10; ++failure) {
    ASSERT_EQ(probe("a@x.example", "192.0.2.1").outcome.reason, ProbeReason::unreachable);
    for (seconds = 0; seconds < 2000; ++seconds) {
      if (driver_->hosts().state(kOne, loop_.now_us()) == HostMemory::State::fine) break;
      pass(1);
    }
    const std::int64_t full = std::min<std::int64_t>(600, 10LL << failure);
    EXPECT_GE(seconds, full * 3 / 4 - 2) << failure;
    EXPECT_LE(seconds, full * 5 / 4 + 2) << failure;
  }
  network_.hops[kOne].connect = FakeHop::Connect::accept;
  EXPECT_EQ(probe("a@x.example", "192.0.2.1").outcome.status, cache::RecipientStatus::ok);
  network_.hops[kOne].connect = FakeHop::Connect::refuse;
  pass(10);
  EXPECT_EQ(probe("b@x.example", "192.0.2.1").outcome.reason, ProbeReason::unreachable);
  pass(13);
  EXPECT_EQ(driver_->hosts().state(kOne, loop_.now_us()), HostMemory::State::fine);
}

TEST_F(Driver, RefusalOfTheSenderIsRememberedAgainstTheHost) {
  network_.hops[kOne].replies = {{"MAIL", "550 5.7.1 no null senders"}};
  const ProbeResult first = probe("joe@x.example", "192.0.2.1");
  EXPECT_EQ(first.outcome.status, cache::RecipientStatus::defer);
  EXPECT_EQ(first.outcome.reason, ProbeReason::sender_refused);
  EXPECT_EQ(first.reach, ProbeResult::Reach::reached);
  pass(3600);
  const ProbeResult later = probe("other@x.example", "192.0.2.1");
  EXPECT_EQ(later.outcome.reason, ProbeReason::sender_refused);
  EXPECT_EQ(later.outcome.text, "550 5.7.1 no null senders");
  EXPECT_EQ(network_.hops[kOne].connections, 1);
  pass(3 * 3600);
  probe("third@x.example", "192.0.2.1");
  EXPECT_EQ(network_.hops[kOne].connections, 2);
}

TEST_F(Driver, AsksAgainWhatAnOldConnectionLost) {
  FakeHop& hop = network_.hops[kOne];
  probe("a@x.example", "192.0.2.1");
  hop.replies = {{"RCPT TO:<b@", "421 4.7.0 too many errors"}};
  hop.delay_us = kSecond_us / 10;
  results_.clear();
  start("b@x.example", "192.0.2.1");
  pass(0.05);
  hop.replies.clear();
  pass(5);
  ASSERT_EQ(results_.size(), 1u);
  EXPECT_EQ(results_[0].second.outcome.status, cache::RecipientStatus::ok);
  EXPECT_EQ(hop.connections, 2);
}

TEST_F(Driver, GoesOnInTheClearWhereTheHandshakeFails) {
  FakeHop& hop = network_.hops[kOne];
  hop.replies = {{"EHLO", "250-x\r\n250 STARTTLS"}, {"STARTTLS", "220 go"}};
  hop.handshake = FakeHop::Handshake::fail;
  EXPECT_EQ(probe("joe@x.example", "192.0.2.1").outcome.status, cache::RecipientStatus::ok);
  EXPECT_EQ(hop.connections, 2);
  EXPECT_EQ(said(kOne, "STARTTLS"), 1u);
  const ProbeResult must = probe("ann@x.example", "192.0.2.1 tls=must");
  EXPECT_EQ(must.outcome.reason, ProbeReason::tls_failed);
  EXPECT_EQ(said(kOne, "RCPT TO:<ann@"), 0u);
}

TEST_F(Driver, LimitsTheProbesUnderWay) {
  limits_.pending = 3;
  limits_.rate = 0;
  network_.hops[kOne].replies = {{"RCPT", "(silence)"}};
  for (int i = 0; i < 5; ++i) start("u" + std::to_string(i) + "@x.example", "192.0.2.1");
  pass(0.1);
  ASSERT_EQ(results_.size(), 2u);
  EXPECT_EQ(results_[0].second.outcome.reason, ProbeReason::busy);
  EXPECT_EQ(results_[0].second.reach, ProbeResult::Reach::reached);
  EXPECT_EQ(driver_->counters().refused_pending, 2u);
}

TEST_F(Driver, LimitsTheRateOfADomain) {
  limits_.rate = 6;
  network_.hops[kOne];
  for (int i = 0; i < 7; ++i) start("u" + std::to_string(i) + "@x.example", "192.0.2.1");
  pass(1);
  EXPECT_EQ(driver_->counters().refused_rate, 1u);
  EXPECT_EQ(said(kOne, "RCPT"), 6u);
  pass(10);
  start("late@x.example", "192.0.2.1");
  start("later@x.example", "192.0.2.1");
  pass(1);
  EXPECT_EQ(said(kOne, "RCPT"), 7u);
}

TEST_F(Driver, EndsAProbeAfterItsWholeTime) {
  limits_.step_us = 1000 * kSecond_us;
  network_.hops[kOne].replies = {{"RCPT", "(silence)"}};
  start("joe@x.example", "192.0.2.1");
  pass(89);
  EXPECT_TRUE(results_.empty());
  pass(2);
  ASSERT_EQ(results_.size(), 1u);
  EXPECT_EQ(results_[0].second.outcome.reason, ProbeReason::timed_out);
  EXPECT_EQ(network_.hops[kOne].open, 0);
}

TEST_F(Driver, FindsExchangersAndTheirAddresses) {
  network_.exchangers["x.example"] = {{10, "a.example"}, {20, "b.example"}};
  network_.addresses["a.example"] = {"192.0.2.9"};
  network_.addresses["b.example"] = {"192.0.2.1"};
  network_.hops[kOne];
  EXPECT_EQ(probe("joe@x.example", "mx").host, "b.example");
}

TEST_F(Driver, ADomainWithoutExchangersIsItsOwn) {
  network_.addresses["x.example"] = {"192.0.2.1"};
  network_.hops[kOne];
  EXPECT_EQ(probe("joe@x.example", "mx").outcome.status, cache::RecipientStatus::ok);
}

TEST_F(Driver, ADomainThatTakesNoMailIsNotProbed) {
  network_.exchangers["x.example"] = {{0, "."}};
  EXPECT_EQ(probe("joe@x.example", "mx").outcome.reason, ProbeReason::no_route);
}

TEST_F(Driver, WhatCannotBeLookedUpIsDownAndWhatDoesNotExistIsNot) {
  network_.broken = {"x.example", "gone.example"};
  EXPECT_EQ(probe("joe@x.example", "mx").reach, ProbeResult::Reach::all_down);
  EXPECT_EQ(probe("joe@x.example", "gone.example").reach, ProbeResult::Reach::all_down);
  const ProbeResult none = probe("joe@x.example", "none.example");
  EXPECT_EQ(none.outcome.reason, ProbeReason::no_route);
  EXPECT_EQ(none.reach, ProbeResult::Reach::reached);
}

TEST_F(Driver, NeverAsksOurselves) {
  ourselves_ = kOne;
  network_.hops[kOne];
  network_.hops[kTwo];
  EXPECT_EQ(probe("joe@x.example", "192.0.2.1").outcome.reason, ProbeReason::no_route);
  EXPECT_EQ(probe("ann@x.example", "192.0.2.1 192.0.2.2").outcome.status,
            cache::RecipientStatus::ok);
  network_.exchangers["x.example"] = {{10, "a.example"}, {20, "b.example"}};
  network_.addresses["a.example"] = {"192.0.2.1"};
  network_.addresses["b.example"] = {"192.0.2.2"};
  EXPECT_EQ(probe("bob@x.example", "mx").outcome.reason, ProbeReason::no_route);
  EXPECT_EQ(network_.hops[kOne].connections, 0);
}

TEST_F(Driver, ABackupMxThatFindsItselfBlamesThePrimary) {
  ourselves_ = kTwo;
  network_.exchangers["x.example"] = {{10, "a.example"}, {20, "b.example"}};
  network_.addresses["a.example"] = {"192.0.2.1"};
  network_.addresses["b.example"] = {"192.0.2.2"};
  const ProbeResult result = probe("joe@x.example", "mx");
  EXPECT_EQ(result.outcome.reason, ProbeReason::unreachable);
  EXPECT_EQ(result.reach, ProbeResult::Reach::all_down);
}

TEST_F(Driver, FindsOutWhetherADomainTakesEverything) {
  network_.hops[kOne];
  const ProbeResult all = probe("joe@x.example", "192.0.2.1", ProbeDriver::DomainCheck::yes);
  EXPECT_EQ(all.accept_all, cache::AcceptAll::yes);
  EXPECT_EQ(all.outcome.status, cache::RecipientStatus::ok);
  EXPECT_EQ(said(kOne, "RCPT TO:<qv-"), 1u);
  network_.hops[kOne].replies = {{"RCPT TO:<qv-", "550 5.1.1 no"}};
  const ProbeResult some = probe("ann@x.example", "192.0.2.1", ProbeDriver::DomainCheck::yes);
  EXPECT_EQ(some.accept_all, cache::AcceptAll::no);
  EXPECT_EQ(some.outcome.status, cache::RecipientStatus::ok);
  network_.hops[kOne].replies = {{"RCPT TO:<qv-", "450 4.2.0 greylisted"}};
  const ProbeResult unsure = probe("bob@x.example", "192.0.2.1", ProbeDriver::DomainCheck::yes);
  EXPECT_EQ(unsure.accept_all, cache::AcceptAll::unknown);
  EXPECT_EQ(unsure.outcome.status, cache::RecipientStatus::ok);
}

TEST_F(Driver, WhatCannotBeAskedIsNotAsked) {
  network_.hops[kOne];
  EXPECT_EQ(probe("a\r\nb@x.example", "192.0.2.1").outcome.reason, ProbeReason::not_askable);
  EXPECT_EQ(network_.hops[kOne].connections, 0);
}

TEST_F(Driver, SpeaksLmtpWhereTheRouteSaysSo) {
  network_.hops["inet:192.0.2.1:24"];
  EXPECT_EQ(probe("joe@x.example", "lmtp:192.0.2.1").outcome.status, cache::RecipientStatus::ok);
  EXPECT_EQ(said("inet:192.0.2.1:24", "LHLO"), 1u);
}

}  // namespace
}  // namespace qv::probe
