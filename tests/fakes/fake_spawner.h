// SPDX-License-Identifier: 0BSD
// tests/fakes/fake_spawner.h - a spawner and its workers, played by the test, with a clock to set.
#ifndef QV_TESTS_FAKES_FAKE_SPAWNER_H_
#define QV_TESTS_FAKES_FAKE_SPAWNER_H_

#include <errno.h>
#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "process/pool.h"
#include "tests/fakes/fake_loop.h"

namespace qv::process {

class FakeSpawner {
 public:
  struct Started {
    std::uint64_t number = 0;
    std::string subject;
    Fd socket;  // the worker's end
    bool is_killed = false;
  };

  explicit FakeSpawner(FakeLoop& loop) : loop_(loop) {
    Channel channel = open_channel().value();
    socket_ = std::move(channel.theirs);
    pools_end_ = std::move(channel.ours);
  }

  // For the pool, once.
  [[nodiscard]] Spawner spawner() { return Spawner{std::move(pools_end_), -1}; }

  // Follows orders, and lets the pool hear of it, until nothing happens any more.
  void turn() {
    do {
      loop_.serve_ready();
      loop_.run();
    } while (follow_orders());
  }
  void tell(Event event, std::uint64_t worker, std::int32_t number = 0) {
    EXPECT_TRUE(send_message(socket_, static_cast<std::uint32_t>(event), worker, as_bytes(number),
                             -1, Waiting::never)
                    .ok());
  }

  // The request that the worker at `index` got last; its body is empty where there is none.
  Message request_at(std::size_t index) {
    turn();
    if (index >= workers.size()) return {};
    Result<Message> got = receive_message(workers[index].socket, Waiting::never);
    if (!got.ok()) return {};
    last_serial_ = got.value().serial;
    return std::move(got).value();
  }
  // Answers the request that request_at() gave last.
  void answer(std::size_t index, std::string_view body, int file = -1) {
    answer_as(index, last_serial_, body, file);
  }
  void answer_as(std::size_t index, std::uint64_t serial, std::string_view body, int file = -1) {
    EXPECT_TRUE(send_message(workers[index].socket, 0, serial, body, file, Waiting::never).ok());
    turn();
  }
  void die(std::size_t index) {
    workers[index].socket.reset();
    tell(Event::ended, workers[index].number);
    turn();
  }
  [[nodiscard]] std::uint64_t last_serial() const { return last_serial_; }
  void go() { socket_.reset(); }

  std::vector<Started> workers;  // in the order of starting
  int refuse = 0;                // the errno with which starts are refused
  int reloads = 0;               // orders to read the settings again
  bool buries = true;            // tells that those it kills have ended

 private:
  bool follow_orders() {
    bool any = false;
    for (;;) {
      if (!socket_.valid()) return any;
      Result<Message> order = receive_message(socket_, Waiting::never);
      if (!order.ok()) return any;
      any = true;
      Message& message = order.value();
      if (static_cast<Order>(message.kind) == Order::kill) {
        kill(message.serial);
      } else if (static_cast<Order>(message.kind) == Order::reload) {
        ++reloads;
      } else if (refuse != 0) {
        tell(Event::refused, message.serial, refuse);
      } else {
        tell(Event::started, message.serial, 1000 + static_cast<int>(message.serial));
        workers.push_back({message.serial, message.body, std::move(message.file), false});
      }
    }
  }
  void kill(std::uint64_t number) {
    for (Started& worker : workers) {
      if (worker.number != number) continue;
      worker.is_killed = true;
      worker.socket.reset();
    }
    if (buries) tell(Event::ended, number);
  }

  FakeLoop& loop_;
  Fd socket_;
  Fd pools_end_;
  std::uint64_t last_serial_ = 0;
};

}  // namespace qv::process

#endif  // QV_TESTS_FAKES_FAKE_SPAWNER_H_
