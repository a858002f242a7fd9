// SPDX-License-Identifier: 0BSD
#include "maps/proxy_client.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/fakes/fake_loop.h"
#include "wire/proxymap.h"

namespace qv::maps {
namespace {

constexpr std::int64_t kSecond = 1000000;

// The proxy's side is played by the test: it accepts, and says what it is told to say.
class ProxyClientTest : public testing::Test {
 protected:
  ProxyClientTest() {
    char name[] = "/tmp/qv-proxy-XXXXXX";
    directory = mkdtemp(name);
    address = event::parse_stream_address("unix:" + directory + "/s").value();
    listen();
    limits.time_us = 5 * kSecond;
    make();
  }
  ~ProxyClientTest() override {
    client.reset();
    unlink((directory + "/s").c_str());
    rmdir(directory.c_str());
  }
  void listen() { listener = event::listen_on(address, {}).value(); }
  void make() { client = std::make_unique<ProxyClient>(loop, address, limits); }

  // Asks; where the answer goes, its index in `answers`.
  std::size_t ask(const std::string& key) {
    const std::size_t index = answers.size();
    answers.push_back({});
    client->lookup("proxy:cdb:/x", {}, key,
                   [this, index](const Result<Answer>& answer, std::string_view value) {
                     Said& said = answers[index];
                     ++said.times;
                     said.ok = answer.ok();
                     if (answer.ok()) said.answer = answer.value();
                     if (!answer.ok()) said.error = answer.error();
                     said.value = value;
                   });
    return index;
  }
  // The next connection of the client, greeted.
  Fd accept() {
    loop.run();
    Fd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK));
    std::string greeting;
    wire::proxymap::append_greeting(greeting);
    say(fd, greeting);
    return fd;
  }
  // Lets the client see what has been sent to it: it does not matter which descriptor it is.
  void turn() {
    for (int fd = 3; fd < 100; ++fd) loop.make_readable(fd);
    loop.run();
  }
  void say(const Fd& fd, const std::string& bytes) {
    EXPECT_EQ(send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
    turn();
  }
  void reply(const Fd& fd, wire::proxymap::Status status, const std::string& value) {
    std::string bytes;
    wire::proxymap::append_reply(bytes, wire::proxymap::Operation::lookup,
                                 wire::proxymap::Dialect::plain,
                                 {.status = status, .value = value});
    say(fd, bytes);
  }
  // The key of the request that has come, "" for none.
  std::string asked(const Fd& fd) {
    loop.run();
    char buffer[4096];
    const ssize_t n = recv(fd.get(), buffer, sizeof buffer, 0);
    if (n <= 0) return "";
    const std::string_view bytes(buffer, static_cast<std::size_t>(n));
    wire::AttributeDecoder decoder;
    wire::proxymap::Request request;
    EXPECT_EQ(decoder.scan(bytes), wire::Frame::whole);
    EXPECT_EQ(wire::proxymap::parse_request(decoder, bytes, request),
              wire::proxymap::Parsed::request);
    EXPECT_EQ(request.table, "cdb:/x");
    return std::string(request.key);
  }

  struct Said {
    int times = 0;
    bool ok = false;
    Answer answer = Answer::absent;
    Error error;
    std::string value;
  };

  FakeLoop loop;
  ProxyClientLimits limits;
  std::string directory;
  event::StreamAddress address;
  Fd listener;
  std::unique_ptr<ProxyClient> client;
  std::vector<Said> answers;
};

TEST_F(ProxyClientTest, FindsAndDoesNotFind) {
  ask("a");
  const Fd proxy = accept();
  EXPECT_EQ(asked(proxy), "a");
  EXPECT_EQ(answers[0].times, 0);
  reply(proxy, wire::proxymap::Status::ok, "value");
  EXPECT_TRUE(answers[0].ok);
  EXPECT_EQ(answers[0].answer, Answer::found);
  EXPECT_EQ(answers[0].value, "value");
  ask("b");
  EXPECT_EQ(asked(proxy), "b");
  reply(proxy, wire::proxymap::Status::no_key, "");
  EXPECT_TRUE(answers[1].ok);
  EXPECT_EQ(answers[1].answer, Answer::absent);
  EXPECT_EQ(client->connections(), 1u);
}

TEST_F(ProxyClientTest, KeepsFaultsApart) {
  ask("a");
  const Fd proxy = accept();
  const std::pair<wire::proxymap::Status, Fault> rows[] = {
      {wire::proxymap::Status::retry, Fault::retry},
      {wire::proxymap::Status::config, Fault::config},
      {wire::proxymap::Status::deny, Fault::config},
      {wire::proxymap::Status::bad, Fault::protocol}};
  for (const auto& [status, fault] : rows) {
    static_cast<void>(asked(proxy));
    reply(proxy, status, "");
    EXPECT_FALSE(answers.back().ok);
    EXPECT_EQ(answers.back().error.fault, fault);
    ask("next");
  }
}

TEST_F(ProxyClientTest, ASlowTableDoesNotHoldUpTheOthers) {
  ask("slow");
  const Fd first = accept();
  EXPECT_EQ(asked(first), "slow");
  ask("fast");
  const Fd second = accept();
  EXPECT_EQ(asked(second), "fast");
  reply(second, wire::proxymap::Status::ok, "v");
  EXPECT_EQ(answers[1].times, 1);
  EXPECT_EQ(answers[0].times, 0);
}

TEST_F(ProxyClientTest, WhatIsTooMuchWaitsAndThenIsRefused) {
  limits.connections = 1;
  limits.queue = 2;
  make();
  ask("a");
  const Fd proxy = accept();
  EXPECT_EQ(asked(proxy), "a");
  ask("b");
  ask("c");
  ask("d");
  loop.run();
  EXPECT_EQ(answers[3].times, 1);
  EXPECT_EQ(answers[3].error.errnum, EAGAIN);
  EXPECT_EQ(client->in_flight(), 3u);
  reply(proxy, wire::proxymap::Status::ok, "");
  EXPECT_EQ(asked(proxy), "b");
  reply(proxy, wire::proxymap::Status::ok, "");
  EXPECT_EQ(asked(proxy), "c");
  reply(proxy, wire::proxymap::Status::ok, "");
  EXPECT_EQ(client->in_flight(), 0u);
}

TEST_F(ProxyClientTest, AProxyThatIsNotThereIsCannotTellNow) {
  listener.reset();
  ask("a");
  EXPECT_EQ(answers[0].times, 0);  // never from within lookup()
  loop.run();
  ASSERT_EQ(answers[0].times, 1);
  EXPECT_EQ(answers[0].error.fault, Fault::retry);
  listen();
  ask("b");
  const Fd proxy = accept();
  EXPECT_EQ(asked(proxy), "b");
}

TEST_F(ProxyClientTest, AProxyStartedAnewCostsOneMoreTry) {
  ask("a");
  Fd proxy = accept();
  static_cast<void>(asked(proxy));
  proxy.reset();
  turn();
  EXPECT_EQ(answers[0].times, 0);
  Fd again = accept();
  EXPECT_EQ(asked(again), "a");
  again.reset();
  turn();
  ASSERT_EQ(answers[0].times, 1);
  EXPECT_EQ(answers[0].error.fault, Fault::retry);
}

TEST_F(ProxyClientTest, ALateAnswerIsNotTakenForAnother) {
  limits.connections = 1;
  make();
  ask("a");
  const Fd proxy = accept();
  static_cast<void>(asked(proxy));
  loop.advance_us(6 * kSecond);
  ASSERT_EQ(answers[0].times, 1);
  EXPECT_EQ(answers[0].error.errnum, ETIMEDOUT);
  ask("b");
  const Fd next = accept();
  EXPECT_EQ(asked(next), "b");
  EXPECT_EQ(answers[1].times, 0);
}

TEST_F(ProxyClientTest, NonsenseEndsTheConnection) {
  ask("a");
  const Fd proxy = accept();
  static_cast<void>(asked(proxy));
  say(proxy, std::string("status\0000\0\0", 10));
  ASSERT_EQ(answers[0].times, 1);
  EXPECT_EQ(answers[0].error.fault, Fault::protocol);
  EXPECT_EQ(client->connections(), 0u);
}

TEST_F(ProxyClientTest, AKeyWithANulIsInNoTable) {
  ask(std::string("a\0b", 3));
  loop.run();
  EXPECT_TRUE(answers[0].ok);
  EXPECT_EQ(answers[0].answer, Answer::absent);
}

TEST_F(ProxyClientTest, GivesUpConnectionsNobodyUses) {
  limits.idle_us = 10 * kSecond;
  make();
  ask("a");
  const Fd proxy = accept();
  static_cast<void>(asked(proxy));
  reply(proxy, wire::proxymap::Status::ok, "");
  loop.advance_us(9 * kSecond);
  EXPECT_EQ(client->connections(), 1u);
  loop.advance_us(2 * kSecond);
  EXPECT_EQ(client->connections(), 0u);
}

}  // namespace
}  // namespace qv::maps
