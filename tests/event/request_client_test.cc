// SPDX-License-Identifier: 0BSD
// What tests/maps/proxy_client_test.cc does not see: framing, greeting, sizes, questions from
// within an answer.
#include "event/request_client.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/text.h"
#include "tests/fakes/fake_loop.h"

namespace qv::event {
namespace {

constexpr std::int64_t kSecond = 1000000;

// A message is a line; the server greets with "hello".
std::optional<std::size_t> find_line(std::string_view input, RequestClient::Awaited awaited) {
  const std::size_t size = find_byte(input, '\n') + 1;
  if (size > input.size()) return 0;
  const bool is_greeting = first_bytes(input, size) == "hello\n";
  if (awaited == RequestClient::Awaited::greeting && !is_greeting) return std::nullopt;
  return size;
}

class RequestClientTest : public testing::Test {
 protected:
  RequestClientTest() {
    char name[] = "/tmp/qv-client-XXXXXX";
    directory_ = mkdtemp(name);
    const StreamAddress address = parse_stream_address("unix:" + directory_ + "/s").value();
    listener_ = listen_on(address, {}).value();
    client_ = std::make_unique<RequestClient>(loop_, address, RequestClientLimits{.max_reply = 100},
                                              [] { return find_line; });
  }
  ~RequestClientTest() override {
    client_.reset();
    unlink((directory_ + "/s").c_str());
    rmdir(directory_.c_str());
  }
  void ask(const std::string& line) {
    client_->ask(line + "\n", loop_.now_us() + 5 * kSecond,
                 [this, line](const Result<std::string_view>& reply) {
                   told_ += line + "=" + (reply.ok() ? std::string(reply.value()) : "?\n");
                   if (!reply.ok()) errnum_ = reply.error().errnum;
                   if (line == "again") ask("more");
                   return RequestClient::Sense::good;
                 });
  }
  Fd accept(const std::string& greeting) {
    loop_.run();
    Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK));
    say(fd, greeting);
    return fd;
  }
  void say(const Fd& fd, const std::string& bytes) {
    EXPECT_EQ(send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
    for (int each = 3; each < 100; ++each) loop_.make_readable(each);
    loop_.run();
  }
  static std::string heard(const Fd& fd) {
    char buffer[1000];
    const ssize_t n = recv(fd.get(), buffer, sizeof buffer, 0);
    return n < 0 ? "" : std::string(buffer, static_cast<std::size_t>(n));
  }

  FakeLoop loop_;
  std::string directory_;
  Fd listener_;
  std::unique_ptr<RequestClient> client_;
  std::string told_;
  int errnum_ = 0;
};

TEST_F(RequestClientTest, AsksAndIsToldOnceWhateverThePieces) {
  ask("a");
  const Fd server = accept("hel");
  say(server, "lo\n");
  EXPECT_EQ(heard(server), "a\n");
  say(server, "1");
  EXPECT_EQ(told_, "");
  say(server, "2\n");
  EXPECT_EQ(told_, "a=12\n");
  EXPECT_EQ(client_->in_flight(), 0u);
}

TEST_F(RequestClientTest, AnotherGreetingIsNoServerOfOurs) {
  ask("a");
  const Fd server = accept("220 smtp\n");
  EXPECT_EQ(told_, "a=?\n");
  EXPECT_EQ(errnum_, EPROTO);
  EXPECT_EQ(client_->connections(), 0u);
}

TEST_F(RequestClientTest, AReplyWithoutEndIsNotKept) {
  ask("a");
  const Fd server = accept("hello\n");
  say(server, std::string(101, 'x'));
  EXPECT_EQ(told_, "") << "once more, on another connection";
  const Fd next = accept("hello\n");
  say(next, std::string(101, 'x'));
  EXPECT_EQ(told_, "a=?\n");
}

TEST_F(RequestClientTest, WhatNobodyAskedForEndsTheConnection) {
  ask("a");
  const Fd server = accept("hello\n");
  say(server, "1\n2\n");
  EXPECT_EQ(told_, "a=1\n");
  EXPECT_EQ(client_->connections(), 0u);
}

TEST_F(RequestClientTest, WhoIsToldMayAskTheNextQuestion) {
  ask("again");
  const Fd server = accept("hello\n");
  EXPECT_EQ(heard(server), "again\n");
  say(server, "1\n");
  EXPECT_EQ(heard(server), "more\n") << "on the same connection";
  say(server, "2\n");
  EXPECT_EQ(told_, "again=1\nmore=2\n");
}

TEST_F(RequestClientTest, EachQuestionHasATimeOfItsOwn) {
  ask("long");
  client_->ask("short\n", loop_.now_us() + kSecond, [this](const Result<std::string_view>& reply) {
    told_ += reply.ok() ? "short=!\n" : "short=?\n";
    return RequestClient::Sense::good;
  });
  loop_.advance_us(2 * kSecond);
  EXPECT_EQ(told_, "short=?\n");
  loop_.advance_us(4 * kSecond);
  EXPECT_EQ(told_, "short=?\nlong=?\n");
  EXPECT_EQ(errnum_, ETIMEDOUT);
  EXPECT_EQ(client_->in_flight() + client_->connections(), 0u);
}

}  // namespace
}  // namespace qv::event
