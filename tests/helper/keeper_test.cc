// SPDX-License-Identifier: 0BSD
// The keeper and its workers as processes, spoken to without a pool between.
#include "helper/keeper.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>

#include "helper/channel.h"
#include "helper/request.h"
#include "tests/helper/home_tree.h"
#include "tests/helper/processes.h"

namespace qv::helper {
namespace {

class KeeperTest : public testing::Test {
 protected:
  struct Told {
    News news;
    Fd socket;
    bool gone = true;
  };

  void start(std::uint32_t max_processes = 4) {
    KeeperSettings settings;
    settings.max_processes = max_processes;
    settings.passwd_path = tree_.path("passwd");
    Result<Keeper> keeper = start_keeper(settings);
    ASSERT_TRUE(keeper.ok());
    keeper_ = std::move(keeper).value();
    const timeval limit{5, 0};
    setsockopt(keeper_.socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  void TearDown() override {
    keeper_.socket.reset();
    if (keeper_.pid > 0) {
      EXPECT_EQ(waitpid(keeper_.pid, nullptr, 0), keeper_.pid);
    }
  }

  void order(Command command, std::uint64_t worker) {
    Order order;
    order.command = command;
    order.worker = worker;
    EXPECT_TRUE(send_message(keeper_.socket, as_bytes(order), -1, Waiting::never).ok());
  }
  Told listen() {
    Told told;
    std::array<char, sizeof(News)> buffer;
    Result<Received> got = receive_message(keeper_.socket, buffer, Waiting::allowed);
    if (!got.ok() || got.value().size == 0) return told;
    const Result<News> news = validate_news({buffer.data(), got.value().size});
    if (!news.ok()) return told;
    return {news.value(), std::move(got.value().file), false};
  }
  Told start_worker(std::uint64_t number) {
    order(Command::start, number);
    Told told = listen();
    EXPECT_FALSE(told.gone);
    EXPECT_EQ(told.news.worker, number);
    if (told.socket.valid()) {
      const timeval limit{5, 0};
      setsockopt(told.socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    }
    return told;
  }
  static Result<Response> ask(const Fd& worker, std::string_view message) {
    const Result<void> sent = send_message(worker, message, -1, Waiting::never);
    if (!sent.ok()) return sent.error();
    std::array<char, sizeof(Response)> buffer;
    QV_TRY(const Received got, receive_message(worker, buffer, Waiting::allowed));
    return validate_response({buffer.data(), got.size});
  }

  HomeTree tree_;
  Keeper keeper_;
};

TEST_F(KeeperTest, StartsAWorkerThatAnswers) {
  start();
  tree_.write("home/.qmail", "");
  const Told told = start_worker(7);
  ASSERT_EQ(told.news.event, Event::started);
  ASSERT_TRUE(told.socket.valid());
  Request request =
      home_file_request(owner_uid(), owner_gid(), tree_.home(), ".qmail", Contents::not_wanted)
          .value();
  request.serial = 99;
  const Result<Response> response = ask(told.socket, as_bytes(request));
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response.value().serial, 99U);
  EXPECT_EQ(response.value().failed, 0);
  EXPECT_EQ(response.value().outcome, Outcome::found);
}

// Neither holds a socket of the network, whatever the front had open.
TEST_F(KeeperTest, BothHoldOnlyTheirOwnSockets) {
  const Fd network(socket(AF_INET, SOCK_DGRAM, 0));  // not even close-on-exec
  start();
  const Told told = start_worker(1);
  ASSERT_TRUE(soon([&] { return status_of(told.news.pid, "Name") == "qv-worker"; }));
  int sockets = 0;
  for (const std::string& fd : descriptors_of(told.news.pid)) {
    if (fd.find("socket:") != std::string::npos && fd[0] != '2') ++sockets;
    if (fd[0] == '0' || fd[0] == '1') {
      EXPECT_NE(fd.find("/dev/null"), std::string::npos) << fd;
    }
  }
  EXPECT_EQ(sockets, 1);
  EXPECT_LE(descriptors_of(told.news.pid).size(), 4U);
  for (const pid_t pid : {told.news.pid, keeper_.pid}) {
    EXPECT_EQ(status_of(pid, "NoNewPrivs"), "1");
    EXPECT_EQ(status_of(pid, "Groups"), is_root() ? "" : status_of(getpid(), "Groups"));
    EXPECT_EQ(status_of(pid, "Umask"), "0077");
  }
  EXPECT_EQ(status_of(keeper_.pid, "Name"), "qv-keeper");
}

TEST_F(KeeperTest, BoundsTheLivingAndTellsOfTheDead) {
  start(2);
  const Told first = start_worker(1);
  const Told second = start_worker(2);
  const Told third = start_worker(3);
  EXPECT_EQ(third.news.event, Event::refused);
  EXPECT_EQ(third.news.errnum, EAGAIN);
  EXPECT_FALSE(third.socket.valid());

  order(Command::kill, 1);
  const Told ended = listen();
  EXPECT_EQ(ended.news.event, Event::ended);
  EXPECT_EQ(ended.news.worker, 1U);
  EXPECT_TRUE(is_dead(first.news.pid));
  EXPECT_EQ(start_worker(3).news.event, Event::started);
}

TEST_F(KeeperTest, AStoppedWorkerCanBeKilled) {
  start();
  const Told told = start_worker(1);
  kill(told.news.pid, SIGSTOP);
  order(Command::kill, 1);
  EXPECT_EQ(listen().news.event, Event::ended);
}

TEST_F(KeeperTest, ANumberIsGivenOnce) {
  start();
  const Told first = start_worker(1);
  EXPECT_EQ(first.news.event, Event::started);
  const Told again = start_worker(1);
  EXPECT_EQ(again.news.event, Event::refused);
  EXPECT_EQ(again.news.errnum, EEXIST);
  order(Command::kill, 42);  // nobody's: no harm
  EXPECT_EQ(start_worker(2).news.event, Event::started);
}

TEST_F(KeeperTest, EndsWithTheFrontAndTakesTheWorkersAlong) {
  start();
  const Told told = start_worker(1);
  kill(told.news.pid, SIGSTOP);  // it cannot see that its own socket is closed
  keeper_.socket.reset();
  EXPECT_EQ(waitpid(keeper_.pid, nullptr, 0), keeper_.pid);
  keeper_.pid = -1;
  EXPECT_TRUE(soon([&] { return is_dead(told.news.pid); }));
}

TEST_F(KeeperTest, AKilledKeeperTakesTheWorkersAlong) {
  start();
  tree_.write("home/.qmail", "");
  const Told told = start_worker(1);
  // A change of rights makes the kernel forget whom it should die with.
  const Request request =
      home_file_request(owner_uid(), owner_gid(), tree_.home(), ".qmail", Contents::not_wanted)
          .value();
  ASSERT_TRUE(ask(told.socket, as_bytes(request)).ok());
  kill(keeper_.pid, SIGKILL);
  EXPECT_TRUE(listen().gone);
  EXPECT_TRUE(soon([&] { return is_dead(told.news.pid); }));
}

TEST_F(KeeperTest, SignalsForAllLeaveTheHelperToTheFront) {
  start();
  const Told told = start_worker(1);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) {
    kill(keeper_.pid, number);
    kill(told.news.pid, number);
  }
  EXPECT_EQ(start_worker(2).news.event, Event::started);
  EXPECT_TRUE(ask(told.socket, as_bytes(passwd_user_request("root").value())).ok());
}

// Whoever sends such is not the front.
TEST_F(KeeperTest, GarbageEndsTheKeeper) {
  const Order good;
  Order wrong_magic;
  wrong_magic.magic = 1;
  Order wrong_command;
  wrong_command.command = static_cast<Command>(9);
  const std::string cases[] = {"x",
                               std::string(as_bytes(good)) + "x",
                               std::string(as_bytes(good)).substr(1),
                               std::string(100000, 'x'),
                               std::string(as_bytes(wrong_magic)),
                               std::string(as_bytes(wrong_command))};
  for (const std::string& garbage : cases) {
    start();
    const Told worker = start_worker(1);
    ASSERT_TRUE(send_message(keeper_.socket, garbage, -1, Waiting::never).ok());
    EXPECT_TRUE(listen().gone);
    EXPECT_EQ(waitpid(keeper_.pid, nullptr, 0), keeper_.pid);
    keeper_.pid = -1;
    EXPECT_TRUE(soon([&] { return is_dead(worker.news.pid); }));
  }
}

TEST_F(KeeperTest, GarbageEndsAWorker) {
  start();
  const Request good = passwd_user_request("root").value();
  const std::string cases[] = {"x", std::string(as_bytes(good)) + "x",
                               std::string(as_bytes(good)).substr(1), std::string(100000, 'x')};
  std::uint64_t number = 1;
  for (const std::string& garbage : cases) {
    const Told told = start_worker(number++);
    EXPECT_FALSE(ask(told.socket, garbage).ok());
    EXPECT_EQ(listen().news.event, Event::ended);
  }
}

TEST_F(KeeperTest, AForgedRequestIsRefusedAndTheWorkerGoesOn) {
  start();
  const Told told = start_worker(1);
  Request forged =
      home_file_request(owner_uid(), owner_gid(), "/root", ".qmail", Contents::wanted).value();
  forged.serial = 5;
  forged.uid = 0;
  forged.gid = 0;
  const Result<Response> refused = ask(told.socket, as_bytes(forged));
  ASSERT_TRUE(refused.ok());
  EXPECT_EQ(refused.value().failed, 1);
  EXPECT_EQ(refused.value().fault, Fault::denied);
  EXPECT_EQ(refused.value().serial, 5U);
  const Result<Response> next = ask(told.socket, as_bytes(passwd_user_request("root").value()));
  ASSERT_TRUE(next.ok());
  EXPECT_EQ(next.value().outcome, Outcome::found);
}

// The password file is read with the account's rights, not with root's.
TEST_F(KeeperTest, PasswdIsReadWithoutRootsRights) {
  QV_NEEDS_ROOT();
  start();
  tree_.write("passwd", "joe:x:1:2::/h:\n", 0600);
  const Told told = start_worker(1);
  const Result<Response> closed = ask(told.socket, as_bytes(passwd_index_request(Stamp{})));
  ASSERT_TRUE(closed.ok());
  EXPECT_EQ(closed.value().errnum, EACCES);
  tree_.set_mode("passwd", 0644);
  const Result<Response> open = ask(told.socket, as_bytes(passwd_index_request(Stamp{})));
  ASSERT_TRUE(open.ok());
  EXPECT_EQ(open.value().failed, 0);
}

}  // namespace
}  // namespace qv::helper
