// SPDX-License-Identifier: 0BSD
#include "proxymap/session.h"

#include <gtest/gtest.h>

#include "event/listen.h"
#include "tests/proxymap/fixture.h"

namespace qv::proxymap {
namespace {

using namespace std::string_literals;

constexpr std::int64_t kSecond = 1000000;
const char kSlow[] = "unix:passwd.byname";

class SessionTest : public ProxyTest {
 protected:
  SessionTest() {
    approve(std::string("proxy:cdb:/x proxy:") + kSlow);
    data["cdb:/x"].entries = {{"key", "value"}};
    server_limits.stream.message_us = 5 * kSecond;
    server_limits.stream.drain_us = 5 * kSecond;
    server_limits.stream.max_input = 100001;
    start();
    address = event::parse_stream_address("unix:" + directory + "/s").value();
    Fd listener = event::listen_on(address, {}).value();
    listener_number = listener.get();
    server = std::make_unique<event::StreamServer>(loop, server_limits);
    server->serve(std::move(listener), [this](event::Stream& stream) {
      last_number = stream.fd();
      return std::make_unique<Session>(*service, stream,
                                       wire::AttributeLimits{.message = 100000, .name = 64});
    });
  }
  ~SessionTest() override {
    server.reset();
    unlink((directory + "/s").c_str());
  }

  struct Client {
    Fd fd;
    int number = -1;  // the server's end
  };
  // Connects and takes the greeting.
  Client connect() {
    bool in_progress = false;
    Client client{event::start_connect(address, in_progress).value(), -1};
    loop.make_readable(listener_number);
    client.number = last_number;
    EXPECT_EQ(get(client), "protocol\0proxymap_protocol\0\0"s);
    return client;
  }
  void put(const Client& client, std::string_view bytes) {
    ASSERT_EQ(send(client.fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
    // A long message takes more than one read.
    for (std::size_t i = 0; i <= bytes.size() / 65536; ++i) loop.make_readable(client.number);
  }
  std::string get(const Client& client) {
    loop.run();
    std::string got(1 << 20, '\0');
    const ssize_t n = recv(client.fd.get(), got.data(), got.size(), 0);
    if (n < 0) return "nothing";
    got.resize(static_cast<std::size_t>(n));
    return got;
  }
  static std::string lookup_of(const std::string& table, const std::string& key) {
    std::string out;
    wire::proxymap::append_request(
        out, {.operation = wire::proxymap::Operation::lookup, .table = table, .key = key});
    return out;
  }

  event::StreamServerLimits server_limits;
  event::StreamAddress address;
  int listener_number = -1;
  int last_number = -1;
  std::unique_ptr<event::StreamServer> server;
  const std::string found = "status\0000\0value\0value\0\0"s;
  const std::string absent = "status\0001\0value\0\0\0"s;
};

TEST_F(SessionTest, AnswersManyRequestsOnOneConnection) {
  const Client client = connect();
  for (int i = 0; i < 3; ++i) {
    put(client, lookup_of("cdb:/x", "key"));
    EXPECT_EQ(get(client), found);
  }
}

TEST_F(SessionTest, AnswersTwoRequestsInOneWrite) {
  const Client client = connect();
  put(client, lookup_of("cdb:/x", "key") + lookup_of("cdb:/x", "no"));
  EXPECT_EQ(get(client), found + absent);
}

TEST_F(SessionTest, AnswersARequestByteByByte) {
  const Client client = connect();
  for (const char c : lookup_of("cdb:/x", "key")) put(client, {&c, 1});
  EXPECT_EQ(get(client), found);
}

TEST_F(SessionTest, KeepsTheOrderWhereOneMustWait) {
  const Client client = connect();
  put(client, lookup_of(kSlow, "root") + lookup_of("cdb:/x", "key"));
  EXPECT_EQ(get(client), "nothing");
  static_cast<void>(job_at(0));
  worker_answers(0, {wire::proxymap::Status::ok, "late", ""});
  EXPECT_EQ(get(client), "status\0000\0value\0late\0\0"s + found);
}

TEST_F(SessionTest, OthersDoNotWait) {
  const Client waiting = connect();
  const Client other = connect();
  put(waiting, lookup_of(kSlow, "root"));
  put(other, lookup_of("cdb:/x", "key"));
  EXPECT_EQ(get(other), found);
}

TEST_F(SessionTest, AClientThatGoesWhileItsRequestIsUnderWayIsForgotten) {
  Client client = connect();
  put(client, lookup_of(kSlow, "root"));
  static_cast<void>(job_at(0));
  const int number = client.number;
  client.fd.reset();
  loop.make_readable(number);
  worker_answers(0, {wire::proxymap::Status::ok, "late", ""});
  loop.run();
  loop.make_readable(number);
  EXPECT_EQ(server->clients(), 0u);
}

struct Bad {
  const char* what;
  std::string bytes;
  std::string reply;
};

TEST_F(SessionTest, AnswersNonsenseWithBadAndCloses) {
  const std::string bad = "status\0003\0\0"s;
  const std::string bad_value = "status\0003\0value\0\0\0"s;
  const Bad rows[] = {
      {"unknown request", "request\0bogus\0table\0cdb:/x\0\0"s, bad},
      {"missing attribute", "request\0lookup\0table\0cdb:/x\0flags\0000\0\0"s, bad_value},
      {"other order", "request\0lookup\0flags\0000\0table\0cdb:/x\0key\0key\0\0"s, bad_value},
      {"overflow", "request\0lookup\0table\0cdb:/x\0flags\00099999999999\0key\0key\0\0"s,
       bad_value},
      {"empty message", "\0"s, bad},
      {"no message", "GET / HTTP/1.0\r\nHost: somewhere.whose.name.is.rather.long.example\r\n\r\n"s,
       bad},
      {"too long", "request\0lookup\0table\0"s + std::string(100000, 'x'), bad},
      {"update without value", "request\0update\0table\0cdb:/x\0flags\0000\0key\0k\0\0"s, bad},
      {"sequence function", "request\0sequence\0table\0cdb:/x\0flags\0000\0function\0007\0\0"s,
       "status\0003\0key\0\0value\0\0\0"s},
  };
  const Client bystander = connect();
  std::size_t lines = 0;
  for (const Bad& row : rows) {
    const Client client = connect();
    put(client, row.bytes);
    EXPECT_EQ(get(client), row.reply) << row.what;
    EXPECT_EQ(get(client), "") << row.what;
    EXPECT_EQ(told.size(), ++lines) << row.what;
    EXPECT_EQ(told.back().kind, EventKind::bad_request) << row.what;
    put(bystander, lookup_of("cdb:/x", "key"));
    EXPECT_EQ(get(bystander), found) << row.what;
  }
  EXPECT_EQ(server->clients(), 1u);
  EXPECT_EQ(counters.replies[wire::proxymap::Status::bad], std::size(rows));
}

TEST_F(SessionTest, AnUnterminatedMessageIsNotAnswered) {
  Client client = connect();
  put(client, "request\0lookup\0table"s);
  shutdown(client.fd.get(), SHUT_WR);
  loop.make_readable(client.number);
  EXPECT_EQ(get(client), "");
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].detail, "unterminated message");
}

TEST_F(SessionTest, DropsOnlyAClientThatStopsInTheMiddle) {
  const Client half = connect();
  put(half, "request\0lookup\0table"s);
  const Client bystander = connect();
  loop.advance_us(7 * kSecond);
  EXPECT_EQ(get(half), "");
  put(bystander, lookup_of("cdb:/x", "key"));
  EXPECT_EQ(get(bystander), found);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].kind, EventKind::dropped);
}

TEST_F(SessionTest, AClientThatNeverReadsIsBoundedAndDropped) {
  data["cdb:/x"].entries["large"] = std::string(65536, 'v');
  const Client deaf = connect();
  std::string many;
  for (int i = 0; i < 400; ++i) many += lookup_of("cdb:/x", "large");
  put(deaf, many);
  EXPECT_LT(counters.requests[wire::proxymap::Operation::lookup], 20u);
  const Client bystander = connect();
  put(bystander, lookup_of("cdb:/x", "key"));
  EXPECT_EQ(get(bystander), found);
  loop.advance_us(7 * kSecond);
  EXPECT_EQ(server->clients(), 1u);
  EXPECT_EQ(server->counters().too_slow, 1u);
}

TEST_F(SessionTest, CarriesLargeKeysAndValues) {
  const std::string large(65536, 'v');
  data["cdb:/x"].entries[large] = large;
  const Client client = connect();
  put(client, lookup_of("cdb:/x", large));
  std::string all;
  for (int i = 0; i < 10 && all.size() < large.size() + 20; ++i) {
    const std::string some = get(client);
    if (some != "nothing") all += some;
    loop.make_writable(client.number);
    loop.make_readable(client.number);
  }
  EXPECT_EQ(all, "status\0000\0value\0"s + large + "\0\0"s);
}

TEST_F(SessionTest, RefusesWhatIsNotApprovedAndGoesOn) {
  const Client client = connect();
  put(client, lookup_of("cdb:/y", "key"));
  EXPECT_EQ(get(client), "status\0004\0value\0\0\0"s);
  put(client, lookup_of("cdb:/x", "key"));
  EXPECT_EQ(get(client), found);
}

}  // namespace
}  // namespace qv::proxymap
