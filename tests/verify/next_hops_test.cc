// SPDX-License-Identifier: 0BSD
// qmail-probe's side is played by the test: it accepts, and says what it is told to say.
#include "verify/next_hops.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <list>
#include <map>
#include <optional>

#include "agent/pool.h"
#include "tests/fakes/fake_loop.h"
#include "tests/fakes/verify_reply.h"
#include "verify/options.h"

namespace qv::verify {
namespace {

using wire::address_verify::Recipient;

constexpr std::int64_t kSecond = 1000000;

class NextHopsTest : public testing::Test {
 protected:
  NextHopsTest() {
    char name[] = "/tmp/qv-hops-XXXXXX";
    directory_ = mkdtemp(name);
    settings_.address = event::parse_stream_address("unix:" + directory_ + "/s").value();
    settings_.wait_us = 3 * kSecond;
    listen();
    make(kSecond);
  }
  ~NextHopsTest() override {
    hops_.reset();
    unlink((directory_ + "/s").c_str());
    rmdir(directory_.c_str());
  }
  void listen() { listener_ = event::listen_on(settings_.address, {}).value(); }
  void make(std::int64_t ttl_us) {
    hops_.reset();
    lookups_.emplace(loop_, pool_, ttl_us, [this](std::uint32_t number) { run_again(number); });
    hops_.emplace(*lookups_, loop_, settings_);
  }

  // A query as the verifier has it: it is parked while it is pending, and run again.
  struct Query {
    std::string address;
    std::int64_t at_us;
    std::string told;  // "probe accept 250 ok"
  };
  Query& ask(const std::string& address) {
    loop_.advance_us(1);  // no two queries come at the same moment
    queries_.push_back({address, loop_.now_us(), ""});
    run_again(static_cast<std::uint32_t>(queries_.size() - 1));
    loop_.run();
    return queries_.back();
  }
  void run_again(std::uint32_t number) {
    Query& query = *std::next(queries_.begin(), number);
    lookups_->begin(query.at_us);
    rcpt::NextHopAnswer answer;
    const Result<rcpt::Look> look = hops_->ask_next_hop(query.address, answer);
    ASSERT_TRUE(look.ok());
    if (look.value() == rcpt::Look::pending)
      return lookups_->waits_for()->waiting.push_back(number);
    const char* verdicts[] = {" accept ", " reject ", " defer "};
    query.told = std::string(rcpt::why_word(answer.why)) +
                 verdicts[static_cast<int>(rcpt::verdict_of(answer.why))] +
                 std::string(answer.text);
  }

  Fd accept(std::string_view protocol = wire::address_verify::kProtocol) {
    loop_.run();
    Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK));
    std::string greeting;
    wire::append_attribute(greeting, "protocol", protocol);
    wire::end_attributes(greeting);
    say(fd, greeting);
    return fd;
  }
  void say(const Fd& fd, const std::string& bytes) {
    EXPECT_EQ(send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
    turn();
  }
  void turn() {
    for (int fd = 3; fd < 300; ++fd) loop_.make_readable(fd);
    loop_.run();
  }
  void reply(const Fd& fd, Recipient recipient, std::string_view reason, std::string_view why) {
    std::string bytes;
    wire::address_verify::append_reply(bytes, {0, recipient, reason, why});
    say(fd, bytes);
  }
  void todo(const Fd& fd) { reply(fd, Recipient::todo, "in progress", "probe-pending"); }
  // "joe@x 0": what it was asked, and for how long.
  static std::string asked(const Fd& fd) {
    char buffer[2000];
    const ssize_t n = recv(fd.get(), buffer, sizeof buffer, 0);
    if (n <= 0) return "";
    const std::string_view bytes(buffer, static_cast<std::size_t>(n));
    wire::AttributeDecoder decoder;
    EXPECT_EQ(decoder.scan(bytes), wire::Frame::whole);
    wire::AttributeReader reader(decoder, bytes);
    EXPECT_EQ(reader.text("request"), "query");
    const std::string address(reader.text("address"));
    return address + " " + std::to_string(reader.number("wait"));
  }

  FakeLoop loop_;
  agent::Pool pool_{loop_, process::Spawner(), process::PoolSettings{}, {}};
  std::string directory_;
  NextHopSettings settings_;
  Fd listener_;
  std::optional<PendingLookups> lookups_;
  std::optional<NextHops> hops_;
  std::list<Query> queries_;
};

TEST_F(NextHopsTest, TellsWhatQmailProbeKnows) {
  const struct {
    Recipient recipient;
    const char* why;
    const char* told;
  } rows[] = {
      {Recipient::ok, "probe", "probe accept words"},
      {Recipient::ok, "accept-all", "accept-all accept words"},
      {Recipient::ok, "backup-mx", "backup-mx accept words"},
      {Recipient::bounce, "probe", "probe reject words"},
      {Recipient::defer, "probe", "probe defer words"},
      {Recipient::defer, "accept-all", "accept-all defer words"},
      {Recipient::defer, "unreachable", "unreachable defer words"},
      {Recipient::defer, "sender-refused", "sender-refused defer words"},
      {Recipient::defer, "busy", "busy defer words"},
      {Recipient::defer, "not-probed", "not-probed defer words"},
      {Recipient::defer, "table-error", "probe-error defer words"},
      {Recipient::defer, "syntax", "probe defer words"},
      {Recipient::defer, "a word of next year", "probe defer words"},
  };
  ask("first@x");
  const Fd probe = accept();
  reply(probe, Recipient::ok, "", "probe");
  for (const auto& row : rows) {
    const std::string address = std::string(row.told) + row.why + "@x";
    Query& query = ask(address);
    EXPECT_EQ(query.told, "");
    reply(probe, row.recipient, "words", row.why);
    EXPECT_EQ(query.told, row.told);
  }
}

TEST_F(NextHopsTest, WhatContradictsItselfIsNoAnswer) {
  const struct {
    Recipient recipient;
    const char* why;
  } rows[] = {
      {Recipient::ok, "probe-pending"},  {Recipient::ok, "unreachable"},   {Recipient::ok, ""},
      {Recipient::bounce, "accept-all"}, {Recipient::bounce, "backup-mx"}, {Recipient::bounce, ""}};
  for (const auto& row : rows) {
    Query& query = ask("joe@x");
    const Fd probe = accept();
    reply(probe, row.recipient, "", row.why);
    EXPECT_EQ(query.told, "probe-error defer qmail-probe violates its protocol") << row.why;
  }
}

TEST_F(NextHopsTest, NonsenseIsNoAnswer) {
  using namespace std::string_literals;
  for (const std::string& bytes :
       {"\0"s, "250 ok\r\n\0\0\0"s, "status\0000\0\0"s, "status\0000\0recipient_status\0000\0\0"s,
        "status\0000\0recipient_status\0009\0reason\0\0why\0probe\0\0"s, std::string(9000, 'x'),
        "status\0000\0recipient_status\0000\0reason\0"s + std::string(9000, 'x') + "\0\0"s}) {
    Query& query = ask("joe@x");
    const Fd probe = accept();
    say(probe, bytes);
    EXPECT_EQ(query.told, "probe-error defer qmail-probe violates its protocol") << bytes;
  }
}

TEST_F(NextHopsTest, SomebodyElseOnTheSocketIsNotAsked) {
  Query& query = ask("joe@x");
  const Fd probe = accept("proxymap_protocol");
  EXPECT_EQ(query.told, "probe-error defer qmail-probe violates its protocol");
}

TEST_F(NextHopsTest, ARequestThatIsRefusedIsCannotTellNow) {
  Query& query = ask("joe@x");
  const Fd probe = accept();
  std::string bytes;
  wire::address_verify::append_reply(bytes, {UINT32_MAX, Recipient::ok, "", ""});
  say(probe, bytes);
  EXPECT_EQ(query.told, "probe-error defer qmail-probe does not answer this question");
}

TEST_F(NextHopsTest, WhatIsNotKnownIsAskedForAgainAndWaitedFor) {
  Query& query = ask("joe@x");
  const Fd quick = accept();
  EXPECT_EQ(asked(quick), "joe@x 0");
  loop_.advance_us(kSecond);
  todo(quick);
  EXPECT_EQ(query.told, "");
  const Fd patient = accept();
  EXPECT_EQ(asked(patient), "joe@x 2000");
  reply(patient, Recipient::bounce, "550 no", "probe");
  EXPECT_EQ(query.told, "probe reject 550 no");
}

TEST_F(NextHopsTest, ASilentNextHopIsPendingInTime) {
  Query& query = ask("joe@x");
  const Fd quick = accept();
  todo(quick);
  const Fd patient = accept();
  loop_.advance_us(3 * kSecond);
  todo(patient);
  EXPECT_EQ(query.told, "probe-pending defer in progress");
  // The answer is there at the retry.
  Query& again = ask("joe@x");
  reply(quick, Recipient::ok, "250 ok", "probe");
  EXPECT_EQ(again.told, "probe accept 250 ok");
}

TEST_F(NextHopsTest, AQmailProbeThatHangsIsGivenUp) {
  Query& known = ask("joe@x");
  const Fd quick = accept();
  loop_.advance_us(4 * kSecond);
  EXPECT_EQ(known.told, "probe-error defer qmail-probe does not answer in time");
  Query& query = ask("ann@x");
  const Fd next = accept();
  todo(next);
  const Fd patient = accept();
  loop_.advance_us(4 * kSecond);
  EXPECT_EQ(query.told, "probe-pending defer the next hop is being asked");
}

TEST_F(NextHopsTest, WithoutPatienceItIsPendingAtOnce) {
  settings_.wait_us = 0;
  make(kSecond);
  Query& query = ask("joe@x");
  const Fd quick = accept();
  todo(quick);
  EXPECT_EQ(query.told, "probe-pending defer the next hop is being asked");
}

TEST_F(NextHopsTest, AQmailProbeThatIsNotThereIsAskedAgainLater) {
  listener_.reset();
  EXPECT_EQ(ask("joe@x").told, "probe-error defer qmail-probe cannot be reached");
  listen();
  Query& query = ask("joe@x");
  const Fd probe = accept();
  reply(probe, Recipient::ok, "", "probe");
  EXPECT_EQ(query.told, "probe accept ");
}

TEST_F(NextHopsTest, AQmailProbeStartedAnewCostsOneMoreTry) {
  Query& query = ask("joe@x");
  Fd probe = accept();
  probe.reset();
  turn();
  EXPECT_EQ(query.told, "");
  const Fd again = accept();
  EXPECT_EQ(asked(again), "joe@x 0");
  reply(again, Recipient::ok, "", "probe");
  EXPECT_EQ(query.told, "probe accept ");
}

TEST_F(NextHopsTest, YesAndNoAreRememberedForAWhile) {
  ask("joe@x");
  const Fd probe = accept();
  reply(probe, Recipient::bounce, "550 no", "probe");
  EXPECT_EQ(ask("joe@x").told, "probe reject 550 no");
  loop_.advance_us(kSecond + 1);
  EXPECT_EQ(ask("joe@x").told, "");
  reply(probe, Recipient::ok, "", "probe");
  hops_->forget();
  EXPECT_EQ(ask("joe@x").told, "") << "forgotten";
}

TEST_F(NextHopsTest, WhatIsUndecidedIsNotRemembered) {
  ask("joe@x");
  const Fd probe = accept();
  reply(probe, Recipient::defer, "451", "probe");
  Query& query = ask("joe@x");
  EXPECT_EQ(query.told, "");
  reply(probe, Recipient::ok, "", "probe");
  EXPECT_EQ(query.told, "probe accept ");
}

TEST_F(NextHopsTest, OneQuestionForAllWhoWait) {
  ask("joe@x");
  const Fd quick = accept();
  todo(quick);
  const Fd patient = accept();
  loop_.advance_us(kSecond);
  Query& late = ask("joe@x");
  reply(patient, Recipient::ok, "", "probe");
  for (const Query& query : queries_) EXPECT_EQ(query.told, "probe accept ");
  EXPECT_EQ(late.told, "probe accept ");
}

TEST_F(NextHopsTest, EachDomainIsALaneOfItsOwn) {
  const auto lane = [this](const char* address) {
    ask(address);
    return lookups_->waits_for()->lane;
  };
  const Lane of_x = lane("joe@x");
  EXPECT_EQ(lane("ann@x"), of_x);
  EXPECT_NE(lane("joe@y"), of_x);
}

TEST_F(NextHopsTest, SilenceDoesNotHoldUpWhatIsKnown) {
  ask("0@x");
  const Fd quick = accept();
  todo(quick);
  for (int i = 1; i < 200; ++i) {
    ask(std::to_string(i) + "@x");
    todo(quick);
  }
  Query& known = ask("known@x");
  reply(quick, Recipient::ok, "", "probe");
  EXPECT_EQ(known.told, "probe accept ");
  loop_.advance_us(4 * kSecond);
  for (const Query& query : queries_) EXPECT_NE(query.told, "") << query.address;
  EXPECT_EQ(queries_.front().told, "probe-pending defer the next hop is being asked");
}

// ---- settings
// ------------------------------------------------------------------------------------

Options options_of(const std::map<std::string, std::string>& values,
                   std::vector<control::Problem>& problems) {
  Options options;
  control::SettingSources sources;
  sources.environment = [&values](std::string_view name) -> std::optional<std::string> {
    const auto hit = values.find(std::string(name));
    return hit == values.end() ? std::nullopt : std::optional(hit->second);
  };
  control::Settings(verify_settings(options)).read(sources, problems);
  return options;
}

TEST(NextHopOptions, AreWhereQmailProbeListens) {
  std::vector<control::Problem> problems;
  EXPECT_EQ(options_of({{"QMAILHOME", "/q"}}, problems).next_hops.address.text,
            "unix:/q/probe/verify");
  const Options set = options_of({{"PROBE_SOCKET", "unix:/run/p"}, {"PROBE_WAIT", "1"}}, problems);
  EXPECT_EQ(set.next_hops.address.text, "unix:/run/p");
  EXPECT_EQ(set.next_hops.wait_us, kSecond);
  EXPECT_TRUE(problems.empty());
}

TEST(NextHopOptions, AreRefusedWhereTheyCannotBeMeant) {
  for (const auto& [name, value] :
       {std::pair("PROBE_SOCKET", "/run/p"), std::pair("PROBE_SOCKET", "unix:p"),
        std::pair("PROBE_SOCKET", "inet:127.0.0.1:5"), std::pair("PROBE_WAIT", "4"),
        std::pair("PROBE_WAIT", "soon")}) {
    std::vector<control::Problem> problems;
    static_cast<void>(options_of({{name, value}}, problems));
    ASSERT_EQ(problems.size(), 1u) << value;
    EXPECT_EQ(problems.front().where, "environment " + std::string(name));
  }
}

}  // namespace
}  // namespace qv::verify
