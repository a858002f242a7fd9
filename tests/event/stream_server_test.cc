// SPDX-License-Identifier: 0BSD
#include "event/stream_server.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

#include "event/listen.h"
#include "tests/fakes/fake_loop.h"

namespace qv::event {
namespace {

constexpr std::int64_t kSecond = 1000000;

class EchoSession final : public StreamSession {
 public:
  explicit EchoSession(int& living) : living_(living) { ++living_; }
  ~EchoSession() override { --living_; }
  std::size_t on_input(Stream& stream, std::string_view input) override {
    const std::size_t end = input.find('\n');
    if (end == std::string_view::npos) return 0;
    stream.write(input.substr(0, end + 1));
    return end + 1;
  }
  std::string_view last_words(StreamEnd why) const override {
    return has_last_words && why == StreamEnd::idle ? "bye\n" : "";
  }
  bool is_busy() const override { return busy; }

  bool has_last_words = false;
  bool busy = false;

 private:
  int& living_;
};

class StreamServerTest : public testing::Test {
 protected:
  StreamServerTest() {
    char name[] = "/tmp/qv-server-XXXXXX";
    directory = mkdtemp(name);
    address = parse_stream_address("unix:" + directory + "/s").value();
  }
  ~StreamServerTest() override {
    server.reset();
    unlink((directory + "/s").c_str());
    rmdir(directory.c_str());
  }
  void start() {
    Fd listener = listen_on(address, {}).value();
    listener_number = listener.get();
    server = std::make_unique<StreamServer>(loop, limits);
    server->on_trouble([this](std::string_view what) { troubles.emplace_back(what); });
    server->serve(std::move(listener), [this](Stream& stream) -> std::unique_ptr<StreamSession> {
      last_fd = stream.fd();
      stream.write("hi\n");
      if (refuse) return nullptr;
      return std::make_unique<EchoSession>(living);
    });
  }
  Fd connect() {
    bool in_progress = false;
    Result<Fd> fd = start_connect(address, in_progress);
    EXPECT_TRUE(fd.ok());
    loop.make_readable(listener_number);
    loop.run();
    return std::move(fd).value();
  }
  static void send_to(const Fd& fd, std::string_view bytes) {
    ASSERT_EQ(send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  static std::string get_from(const Fd& fd) {
    char buffer[100];
    const ssize_t n = recv(fd.get(), buffer, sizeof buffer, 0);
    return n < 0 ? "nothing" : std::string(buffer, static_cast<std::size_t>(n));
  }

  FakeLoop loop;
  StreamServerLimits limits;
  std::string directory;
  StreamAddress address;
  std::unique_ptr<StreamServer> server;
  std::vector<std::string> troubles;
  int listener_number = -1;
  int last_fd = -1;
  int living = 0;
  bool refuse = false;
};

TEST_F(StreamServerTest, GreetsAndAnswers) {
  start();
  const Fd client = connect();
  EXPECT_EQ(get_from(client), "hi\n");
  send_to(client, "hello\n");
  loop.make_readable(last_fd);
  EXPECT_EQ(get_from(client), "hello\n");
  EXPECT_EQ(server->clients(), 1u);
}

TEST_F(StreamServerTest, ForgetsAClientThatCloses) {
  start();
  Fd client = connect();
  EXPECT_EQ(get_from(client), "hi\n");
  client.reset();
  loop.make_readable(last_fd);
  EXPECT_EQ(server->clients(), 0u);
  EXPECT_EQ(living, 0);
  EXPECT_EQ(server->counters().closed_by_peer, 1u);
}

TEST_F(StreamServerTest, AClientThatDiesMidReplyDisturbsNobody) {
  start();
  Fd dying = connect();
  const int dying_fd = last_fd;
  const Fd other = connect();
  const int other_fd = last_fd;
  send_to(dying, "x\n");
  dying.reset();
  loop.make_readable(dying_fd);
  EXPECT_EQ(server->clients(), 1u);
  EXPECT_EQ(server->counters().failed, 1u);
  EXPECT_EQ(get_from(other), "hi\n");
  send_to(other, "y\n");
  loop.make_readable(other_fd);
  EXPECT_EQ(get_from(other), "y\n");
}

TEST_F(StreamServerTest, DropsOnlyTheClientThatSentHalf) {
  limits.stream.message_us = 5 * kSecond;
  start();
  const Fd half = connect();
  send_to(half, "never en");
  loop.make_readable(last_fd);
  const Fd quiet = connect();
  loop.advance_us(7 * kSecond);
  EXPECT_EQ(server->clients(), 1u);
  EXPECT_EQ(server->counters().too_slow, 1u);
  EXPECT_EQ(get_from(quiet), "hi\n");
  EXPECT_EQ(get_from(quiet), "nothing");
}

TEST_F(StreamServerTest, DropsIdleClientsWhereThatIsLimited) {
  limits.stream.idle_us = 10 * kSecond;
  start();
  const Fd client = connect();
  loop.advance_us(9 * kSecond);
  EXPECT_EQ(server->clients(), 1u);
  loop.advance_us(2 * kSecond);
  EXPECT_EQ(server->clients(), 0u);
  EXPECT_EQ(server->counters().idle, 1u);
}

TEST_F(StreamServerTest, TheLongestIdleMakesRoom) {
  limits.max_clients = 2;
  start();
  const Fd first = connect();
  loop.advance_us(kSecond);
  const Fd second = connect();
  loop.advance_us(kSecond);
  const Fd third = connect();
  EXPECT_EQ(server->clients(), 2u);
  EXPECT_EQ(server->counters().evicted, 1u);
  EXPECT_EQ(get_from(first), "hi\n");
  EXPECT_EQ(get_from(first), "");  // closed
  EXPECT_EQ(get_from(second), "hi\n");
  EXPECT_EQ(get_from(second), "nothing");
  EXPECT_EQ(get_from(third), "hi\n");
}

TEST_F(StreamServerTest, ABusySessionKeepsItsPlace) {
  limits.max_clients = 2;
  start();
  const Fd first = connect();
  server->each_session([](StreamSession& s) { static_cast<EchoSession&>(s).busy = true; });
  loop.advance_us(kSecond);
  const Fd second = connect();
  loop.advance_us(kSecond);
  const Fd third = connect();
  EXPECT_EQ(get_from(first), "hi\n");
  EXPECT_EQ(get_from(first), "nothing");
  EXPECT_EQ(get_from(second), "hi\n");
  EXPECT_EQ(get_from(second), "");  // closed
}

TEST_F(StreamServerTest, LastWordsGoToWhomTheServerEnds) {
  limits.stream.idle_us = 10 * kSecond;
  start();
  const Fd client = connect();
  server->each_session(
      [](StreamSession& s) { static_cast<EchoSession&>(s).has_last_words = true; });
  loop.advance_us(9 * kSecond);
  EXPECT_EQ(get_from(client), "hi\n");
  EXPECT_EQ(get_from(client), "nothing");
  loop.advance_us(2 * kSecond);
  EXPECT_EQ(get_from(client), "bye\n");
  EXPECT_EQ(get_from(client), "");
}

TEST_F(StreamServerTest, NewLimitsHoldForTheClientsThatAreThere) {
  start();
  const Fd client = connect();
  loop.advance_us(9 * kSecond);
  EXPECT_EQ(server->clients(), 1u);
  limits.stream.idle_us = 10 * kSecond;
  server->set_limits(limits);
  loop.advance_us(2 * kSecond);
  EXPECT_EQ(server->clients(), 0u);
}

TEST_F(StreamServerTest, ServesASocketThatIsConnectedAlready) {
  start();
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
  const Fd ours(pair[0]);
  server->add(Fd(pair[1]), [this](Stream&) { return std::make_unique<EchoSession>(living); });
  send_to(ours, "hello\n");
  loop.make_readable(pair[1]);
  EXPECT_EQ(get_from(ours), "hello\n");
}

TEST_F(StreamServerTest, NewcomersWaitWhereNobodyIsIdle) {
  limits.max_clients = 1;
  start();
  Fd first = connect();
  const int first_fd = last_fd;
  const Fd second = connect();
  EXPECT_EQ(server->clients(), 1u);
  EXPECT_EQ(get_from(second), "nothing");
  EXPECT_EQ(troubles, (std::vector<std::string>{"too many clients"}));
  first.reset();
  loop.make_readable(first_fd);
  loop.advance_us(kSecond / 5);
  loop.make_readable(listener_number);
  loop.run();
  EXPECT_EQ(get_from(second), "hi\n");
}

TEST_F(StreamServerTest, SurvivesTheLimitOfOpenFiles) {
  start();
  const Fd first = connect();
  loop.advance_us(2 * kSecond);
  bool in_progress = false;
  const Fd second = start_connect(address, in_progress).value();
  // No descriptor is left for the server.
  rlimit old{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
  rlimit none = old;
  const Fd next(dup(second.get()));
  none.rlim_cur = static_cast<rlim_t>(next.get()) + 1;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  loop.make_readable(listener_number);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
  loop.run();
  EXPECT_EQ(server->counters().no_descriptors, 1u);
  EXPECT_EQ(server->counters().evicted, 1u);
  EXPECT_EQ(get_from(second), "hi\n");
}

TEST_F(StreamServerTest, TakesNobodyItsFactoryDoesNotWant) {
  refuse = true;
  start();
  const Fd client = connect();
  EXPECT_EQ(server->clients(), 0u);
  EXPECT_EQ(get_from(client), "");
}

TEST_F(StreamServerTest, TakesABatchAtATime) {
  limits.accept_batch = 2;
  start();
  bool in_progress = false;
  std::vector<Fd> fds;
  for (int i = 0; i < 5; ++i) fds.push_back(start_connect(address, in_progress).value());
  loop.make_readable(listener_number);
  EXPECT_EQ(server->clients(), 2u);
  loop.make_readable(listener_number);
  loop.make_readable(listener_number);
  EXPECT_EQ(server->clients(), 5u);
}

TEST_F(StreamServerTest, StopsListeningAndKeepsItsClients) {
  start();
  const Fd client = connect();
  server->stop_listening();
  EXPECT_EQ(server->clients(), 1u);
  bool in_progress = false;
  EXPECT_FALSE(start_connect(address, in_progress).ok());
}

}  // namespace
}  // namespace qv::event
