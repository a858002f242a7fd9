// SPDX-License-Identifier: 0BSD
// The spawner and its workers as processes, spoken to without a pool between.
#include "process/spawner.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>

#include "process/worker.h"
#include "tests/process/processes.h"

namespace qv::process {
namespace {

void limit_waiting(const Fd& socket) {
  const timeval limit{5, 0};
  setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

class SpawnerTest : public testing::Test {
 protected:
  struct Told {
    News news;
    Fd socket;
    bool gone = true;
  };

  void start(std::uint32_t max_processes = 4) {
    SpawnerSettings settings;
    settings.max_processes = max_processes;
    settings.run = [this](const std::string& subject, Fd socket) {
      if (subject == "nobody" && !become_in_child({65534, 65534}).ok()) return;
      serve_requests(socket, [this, &subject](Message& request) {
        return Message{0, 0, subject + setting_ + request.body, {}};
      });
    };
    settings.reload = [this] { setting_ = "="; };
    Result<Spawner> spawner = start_spawner(std::move(settings));
    ASSERT_TRUE(spawner.ok());
    spawner_ = std::move(spawner).value();
    limit_waiting(spawner_.socket);
  }
  void TearDown() override {
    spawner_.socket.reset();
    if (spawner_.pid > 0) {
      EXPECT_EQ(waitpid(spawner_.pid, nullptr, 0), spawner_.pid);
    }
  }

  void order(Order order, std::uint64_t worker, int socket = -1, const std::string& subject = "") {
    EXPECT_TRUE(send_order(spawner_.socket, order, worker, subject, socket).ok());
  }
  Told listen() {
    Told told;
    for (int i = 0; i < 5000; ++i) {
      const Result<News> news = receive_news(spawner_.socket);
      if (!news.ok() && news.error().errnum == EAGAIN) {
        usleep(1000);
        continue;
      }
      if (news.ok()) told = {news.value(), Fd(), false};
      return told;
    }
    return told;
  }
  Told start_worker(std::uint64_t number, const std::string& subject = "s") {
    Channel channel = open_channel().value();
    order(Order::start, number, channel.theirs.get(), subject);
    channel.theirs.reset();
    Told told = listen();
    EXPECT_FALSE(told.gone);
    EXPECT_EQ(told.news.worker, number);
    limit_waiting(channel.ours);
    told.socket = std::move(channel.ours);
    return told;
  }
  static std::string ask(const Fd& worker, std::string_view body) {
    if (!send_message(worker, 7, 99, body, -1, Waiting::never).ok()) return "gone";
    const Result<Message> answer = receive_message(worker, Waiting::allowed);
    if (!answer.ok()) return "gone";
    EXPECT_EQ(answer.value().serial, 99U);
    EXPECT_EQ(answer.value().kind, 7U);
    return answer.value().body;
  }

  // The only child of a spawner that has started nobody yet.
  [[nodiscard]] pid_t spare() const {
    const std::string pid = std::to_string(spawner_.pid);
    pid_t child = 0;
    EXPECT_TRUE(soon([&] {
      return static_cast<bool>(std::ifstream("/proc/" + pid + "/task/" + pid + "/children") >>
                               child);
    }));
    return child;
  }

  Spawner spawner_;
  std::string setting_ = ":";
};

TEST_F(SpawnerTest, StartsAWorkerThatAnswers) {
  start();
  const Told told = start_worker(7, "joe");
  ASSERT_EQ(told.news.event, Event::started);
  EXPECT_GT(told.news.number, 0);
  EXPECT_EQ(ask(told.socket, "hello"), "joe:hello");
  EXPECT_EQ(ask(told.socket, std::string(200000, 'x')), "joe:" + std::string(200000, 'x'));
}

// The first request may be there before the worker is.
TEST_F(SpawnerTest, ARequestNeedNotWaitForTheWorker) {
  start();
  Channel channel = open_channel().value();
  ASSERT_TRUE(send_message(channel.ours, 0, 1, "early", -1, Waiting::never).ok());
  order(Order::start, 1, channel.theirs.get(), "joe");
  limit_waiting(channel.ours);
  EXPECT_EQ(receive_message(channel.ours, Waiting::allowed).value().body, "joe:early");
}

TEST_F(SpawnerTest, TheSpareProcessBecomesTheWorker) {
  start();
  const pid_t waiting = spare();
  EXPECT_EQ(start_worker(1).news.number, waiting);
}

TEST_F(SpawnerTest, ASpareProcessThatDiedIsReplaced) {
  start();
  const pid_t waiting = spare();
  kill(waiting, SIGKILL);
  ASSERT_TRUE(soon([&] { return is_dead(waiting); }));
  const Told told = start_worker(1);
  EXPECT_EQ(told.news.event, Event::started);
  EXPECT_NE(told.news.number, waiting);
  EXPECT_EQ(ask(told.socket, "x"), "s:x");
}

TEST_F(SpawnerTest, AWorkerStartedAfterAReloadHasTheNewSettings) {
  start();
  const Told before = start_worker(1);
  EXPECT_EQ(ask(before.socket, "x"), "s:x");
  order(Order::reload, 0);
  EXPECT_EQ(ask(start_worker(2).socket, "x"), "s=x");
}

// Neither holds a socket of the network, whatever the daemon had open.
TEST_F(SpawnerTest, BothHoldOnlyTheirOwnSockets) {
  const Fd network(socket(AF_INET, SOCK_DGRAM, 0));  // not even close-on-exec
  start();
  const Told told = start_worker(1);
  ASSERT_TRUE(soon([&] { return status_of(told.news.number, "Name") == "qv-worker"; }));
  EXPECT_EQ(ask(told.socket, "x"), "s:x");
  int sockets = 0;
  for (const std::string& fd : descriptors_of(told.news.number)) {
    if (fd.find("socket:") != std::string::npos && fd[0] != '2') ++sockets;
    if (fd[0] == '0' || fd[0] == '1') {
      EXPECT_NE(fd.find("/dev/null"), std::string::npos) << fd;
    }
  }
  EXPECT_EQ(sockets, 1);
  EXPECT_LE(descriptors_of(told.news.number).size(), 4U);
  const bool is_root = geteuid() == 0;
  for (const pid_t pid : {pid_t{told.news.number}, spawner_.pid}) {
    EXPECT_EQ(status_of(pid, "NoNewPrivs"), "1");
    EXPECT_EQ(status_of(pid, "Groups"), is_root ? "" : status_of(getpid(), "Groups"));
    EXPECT_EQ(status_of(pid, "Umask"), "0077");
  }
  EXPECT_EQ(status_of(spawner_.pid, "Name"), "qv-spawner");
}

TEST_F(SpawnerTest, BoundsTheLivingAndTellsOfTheDead) {
  start(2);
  const Told first = start_worker(1);
  const Told second = start_worker(2);
  const Told third = start_worker(3);
  EXPECT_EQ(third.news.event, Event::refused);
  EXPECT_EQ(third.news.number, EAGAIN);
  EXPECT_EQ(ask(third.socket, "x"), "gone");

  order(Order::kill, 1);
  const Told ended = listen();
  EXPECT_EQ(ended.news.event, Event::ended);
  EXPECT_EQ(ended.news.worker, 1U);
  EXPECT_TRUE(is_dead(first.news.number));
  EXPECT_EQ(start_worker(3).news.event, Event::started);
}

TEST_F(SpawnerTest, AStoppedWorkerCanBeKilled) {
  start();
  const Told told = start_worker(1);
  kill(told.news.number, SIGSTOP);
  order(Order::kill, 1);
  EXPECT_EQ(listen().news.event, Event::ended);
}

TEST_F(SpawnerTest, AWorkerWhoseSocketIsClosedEnds) {
  start();
  Told told = start_worker(1);
  told.socket.reset();
  EXPECT_EQ(listen().news.event, Event::ended);
}

TEST_F(SpawnerTest, ANumberIsGivenOnce) {
  start();
  const Told first = start_worker(1);
  EXPECT_EQ(first.news.event, Event::started);
  const Told again = start_worker(1);
  EXPECT_EQ(again.news.event, Event::refused);
  EXPECT_EQ(again.news.number, EINVAL);
  order(Order::kill, 42);  // nobody's: no harm
  EXPECT_EQ(start_worker(2).news.event, Event::started);
}

TEST_F(SpawnerTest, AStartNeedsASocket) {
  start();
  order(Order::start, 1);
  const Told told = listen();
  EXPECT_EQ(told.news.event, Event::refused);
  EXPECT_EQ(told.news.number, EINVAL);
}

TEST_F(SpawnerTest, EndsWithTheDaemonAndTakesTheWorkersAlong) {
  start();
  const Told told = start_worker(1);
  kill(told.news.number, SIGSTOP);  // it cannot see that its own socket is closed
  spawner_.socket.reset();
  EXPECT_EQ(waitpid(spawner_.pid, nullptr, 0), spawner_.pid);
  spawner_.pid = -1;
  EXPECT_TRUE(soon([&] { return is_dead(told.news.number); }));
}

TEST_F(SpawnerTest, AKilledSpawnerTakesTheWorkersAlong) {
  start();
  // A change of rights makes the kernel forget whom it should die with.
  const bool is_root = geteuid() == 0;
  const Told told = start_worker(1, is_root ? "nobody" : "s");
  ASSERT_NE(ask(told.socket, "x"), "gone");
  if (is_root) {
    EXPECT_EQ(status_of(told.news.number, "Uid"), "65534\t65534\t65534\t65534");
    EXPECT_EQ(status_of(told.news.number, "Groups"), "65534 ");
  }
  kill(spawner_.pid, SIGKILL);
  EXPECT_TRUE(listen().gone);
  EXPECT_TRUE(soon([&] { return is_dead(told.news.number); }));
}

TEST_F(SpawnerTest, SignalsForAllLeaveTheWorkersToTheDaemon) {
  start();
  const Told told = start_worker(1);
  EXPECT_EQ(ask(told.socket, "x"), "s:x");
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGUSR1}) {
    kill(spawner_.pid, number);
    kill(told.news.number, number);
  }
  EXPECT_EQ(start_worker(2).news.event, Event::started);
  EXPECT_EQ(ask(told.socket, "y"), "s:y");
}

// Whoever sends such is not the daemon.
TEST_F(SpawnerTest, GarbageEndsTheSpawner) {
  for (int garbage = 0; garbage < 4; ++garbage) {
    start();
    const Told worker = start_worker(1);
    const std::string noise(garbage == 0 ? 1 : 100000, 'x');
    if (garbage < 2) {
      ASSERT_EQ(send(spawner_.socket.get(), noise.data(), noise.size(), 0),
                static_cast<ssize_t>(noise.size()));
    } else if (garbage == 2) {
      order(static_cast<Order>(9), 1);
    } else {
      order(Order::start, 2, spawner_.socket.get(), std::string(kMaxSubject + 1, 's'));
    }
    EXPECT_TRUE(listen().gone);
    EXPECT_EQ(waitpid(spawner_.pid, nullptr, 0), spawner_.pid);
    spawner_.pid = -1;
    EXPECT_TRUE(soon([&] { return is_dead(worker.news.number); }));
  }
}

TEST_F(SpawnerTest, GarbageEndsAWorker) {
  start();
  std::uint64_t number = 1;
  for (const std::size_t size : {std::size_t{1}, std::size_t{100}, std::size_t{100000}}) {
    const Told told = start_worker(number++);
    const std::string noise(size, 'x');
    ASSERT_EQ(send(told.socket.get(), noise.data(), size, 0), static_cast<ssize_t>(size));
    EXPECT_EQ(receive_message(told.socket, Waiting::allowed).error().errnum, EPIPE);
    EXPECT_EQ(listen().news.event, Event::ended);
  }
}

}  // namespace
}  // namespace qv::process
