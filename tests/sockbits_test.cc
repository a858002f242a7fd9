// SPDX-License-Identifier: 0BSD
#include "sockbits.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>
#include <thread>

#include "core/clock.h"
#include "core/fd.h"
#include "tests/fakes/local_endpoint.h"
#include "tests/fakes/responder.h"
#include "udpbits.h"

namespace qv {
namespace {

using fakes::Datagrams;
using fakes::Question;
using fakes::Responder;

constexpr std::int64_t kLong = 20'000'000;  // microseconds; no test is to wait that long
constexpr std::int64_t kShort = 200'000;

// Each question is "?", its answer "!".
class QuerySkt : public ::testing::Test {
 protected:
  static bool is_answer(void* context, int from, std::string_view datagram) {
    auto* test = static_cast<QuerySkt*>(context);
    test->seen_.append(datagram).append(";");
    test->seen_from_ = from;
    return datagram == "!";
  }

  static Fd connected(const std::string& where, std::int64_t limit_us = kLong) {
    Fd fd = connect_udp(parse_endpoint(where, 0).value()).value();
    EXPECT_TRUE(set_receive_timeout(fd.get(), limit_us).ok());
    return fd;
  }

  Received ask(const Fd& fd, std::int64_t within_us, Patience patience = Patience::of_deadline) {
    prepare();
    return query_skt(query_, fd.get(), monotonic_us() + within_us, patience);
  }

  Received wait(std::int64_t within_us) {
    prepare();
    return wait_skt(query_, monotonic_us() + within_us);
  }

  void prepare() {
    query_.question = "?";
    query_.is_answer = is_answer;
    query_.context = this;
    query_.buffer = buffer_;
  }

  SocketQuery query_;
  std::string seen_;  // every datagram that was shown to the test
  int seen_from_ = -1;
  std::array<char, 8> buffer_{};
};

fakes::Script says(Datagrams datagrams) {
  return [datagrams](const Question&) { return datagrams; };
}

TEST_F(QuerySkt, BringsTheAnswer) {
  const Responder server(says({"!"}));
  for (const Patience patience : {Patience::of_socket, Patience::of_deadline}) {
    const Fd fd = connected(server.where());
    EXPECT_EQ(ask(fd, kLong, patience), Received::answer);
    EXPECT_EQ(query_.answer, "!");
    EXPECT_EQ(query_.from, fd.get());
  }
}

TEST_F(QuerySkt, PassesOverWhatIsNoAnswer) {
  const Responder server(says({"", "no", "also no", "!", "never seen"}));
  for (const Patience patience : {Patience::of_socket, Patience::of_deadline}) {
    seen_.clear();
    EXPECT_EQ(ask(connected(server.where()), kLong, patience), Received::answer);
    EXPECT_EQ(seen_, ";no;also no;!;");
  }
}

TEST_F(QuerySkt, DoesNotTakeADatagramThatFillsTheBuffer) {
  const Responder server(says({"12345678", "1234567890", "1234567", "!"}));
  EXPECT_EQ(ask(connected(server.where()), kLong), Received::answer);
  EXPECT_EQ(seen_, "1234567;!;");
}

TEST_F(QuerySkt, EndsAtTheDeadline) {
  const Responder server(fakes::silence());
  const Fd fd = connected(server.where(), kShort);
  for (const Patience patience : {Patience::of_socket, Patience::of_deadline}) {
    const std::int64_t before = monotonic_us();
    EXPECT_EQ(ask(fd, kShort, patience), Received::silence);
    EXPECT_GE(monotonic_us() - before, kShort);
  }
}

// Wrong answers must not lengthen the waiting: each would begin SO_RCVTIMEO anew.
TEST_F(QuerySkt, EndsAtTheDeadlineWhateverArrives) {
  const Responder server(says(Datagrams(200, "no")));
  const Fd fd = connected(server.where());
  const std::int64_t before = monotonic_us();
  EXPECT_EQ(ask(fd, kShort, Patience::of_socket), Received::silence);
  EXPECT_LT(monotonic_us() - before, kLong);
}

TEST_F(QuerySkt, SaysAtOnceThatNobodyIsThere) {
  for (const Patience patience : {Patience::of_socket, Patience::of_deadline}) {
    EXPECT_EQ(ask(connected(fakes::nobody()), kLong, patience), Received::refused);
    EXPECT_EQ(query_.error, ECONNREFUSED);
  }
}

// A Unix socket is refused when it sends, not when it waits.
TEST_F(QuerySkt, SaysWhyNothingCouldBeSent) {
  char directory[] = "/tmp/sockbits.XXXXXX";
  ASSERT_NE(mkdtemp(directory), nullptr);
  const std::string where = "unix:" + std::string(directory) + "/socket";
  Responder server(says({"!"}), where);
  const Fd fd = connected(where);
  server.stop();
  EXPECT_EQ(ask(fd, kLong), Received::refused);
  EXPECT_EQ(query_.error, ECONNREFUSED);
  rmdir(directory);
}

TEST_F(QuerySkt, ForgetsAnEarlierRefusal) {
  Responder server(says({"!"}));
  const Fd fd = connected(server.where());
  server.stop();
  EXPECT_EQ(send(fd.get(), "?", 1, 0), 1);  // its refusal is waiting on the socket now
  server.start();
  EXPECT_EQ(ask(fd, kLong), Received::answer);
}

TEST_F(QuerySkt, TakesTheAnswerOfAServerAskedBefore) {
  const Responder silent(fakes::silence());
  const Responder server(says({"!"}));
  const Fd first = connected(server.where());
  const Fd second = connected(silent.where());
  const std::array<int, 3> asked = {-1, first.get(), second.get()};
  EXPECT_EQ(send(first.get(), "?", 1, 0), 1);
  query_.asked = asked;
  EXPECT_EQ(ask(second, kLong), Received::answer);
  EXPECT_EQ(query_.from, first.get());
  EXPECT_EQ(seen_from_, first.get());
}

TEST_F(QuerySkt, DoesNotMindTheRefusalOfAServerAskedBefore) {
  const Responder server(says({"!"}));
  const Fd dead = connected(fakes::nobody());
  const Fd alive = connected(server.where());
  const std::array<int, 1> asked = {dead.get()};
  EXPECT_EQ(send(dead.get(), "?", 1, 0), 1);
  query_.asked = asked;
  EXPECT_EQ(ask(alive, kLong), Received::answer);
}

TEST_F(QuerySkt, GoesOnAfterASignal) {
  struct sigaction old {};
  struct sigaction action {};
  action.sa_handler = [](int) {};
  sigaction(SIGUSR1, &action, &old);
  const pthread_t self = pthread_self();
  const Responder server([self](const Question&) -> Datagrams {
    for (int i = 0; i < 5; ++i) {
      pthread_kill(self, SIGUSR1);
      usleep(10'000);
    }
    return {"!"};
  });
  for (const Patience patience : {Patience::of_socket, Patience::of_deadline}) {
    EXPECT_EQ(ask(connected(server.where()), kLong, patience), Received::answer);
  }
  sigaction(SIGUSR1, &old, nullptr);
}

TEST_F(QuerySkt, WaitsForRoomInAUnixServersQueue) {
  char directory[] = "/tmp/sockbits.XXXXXX";
  ASSERT_NE(mkdtemp(directory), nullptr);
  const std::string path = std::string(directory) + "/socket";
  const Endpoint endpoint = parse_endpoint("unix:" + path, 0).value();
  const Fd server = fakes::bind_udp(endpoint);
  const Fd client = connect_udp(endpoint).value();
  while (send(client.get(), "x", 1, MSG_DONTWAIT) == 1) continue;
  EXPECT_EQ(ask(client, kShort), Received::silence);  // and it does not hang
  std::thread slow([&server] {
    char buffer[8];
    sockaddr_storage peer{};
    std::string got;
    for (int i = 0; i < 100 && got != "?"; ++i) {
      pollfd ready{server.get(), POLLIN, 0};
      poll(&ready, 1, 100);
      socklen_t length = sizeof peer;
      auto* to = reinterpret_cast<sockaddr*>(&peer);
      const ssize_t n = recvfrom(server.get(), buffer, sizeof buffer, 0, to, &length);
      if (n > 0) got.assign(buffer, static_cast<std::size_t>(n));
      if (got == "?") sendto(server.get(), "!", 1, 0, to, length);
    }
  });
  EXPECT_EQ(ask(client, kLong), Received::answer);
  slow.join();
  unlink(path.c_str());
  rmdir(directory);
}

TEST_F(QuerySkt, WaitsWithoutAsking) {
  const Responder server(says({"!"}));
  const Fd fd = connected(server.where());
  const std::array<int, 1> asked = {fd.get()};
  query_.asked = asked;
  EXPECT_EQ(wait(kShort), Received::silence);
  EXPECT_TRUE(server.heard().empty());
  EXPECT_EQ(send(fd.get(), "?", 1, 0), 1);
  EXPECT_EQ(wait(kLong), Received::answer);
  query_.asked = {};
  EXPECT_EQ(wait(kShort), Received::silence);
}

}  // namespace
}  // namespace qv
