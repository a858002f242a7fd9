// SPDX-License-Identifier: 0BSD
// tests/fakes/fake_helper.h - a keeper and one worker that a test plays, for a pool on a FakeLoop.
//
// A fixture derives from it, and gives keeper() to the pool that it makes.
#ifndef QV_TESTS_FAKES_FAKE_HELPER_H_
#define QV_TESTS_FAKES_FAKE_HELPER_H_

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

#include "helper/channel.h"
#include "helper/keeper.h"
#include "helper/request.h"
#include "tests/fakes/fake_loop.h"

namespace qv::helper {

class FakeHelper {
 protected:
  FakeHelper() {
    Channel channel = open_channel().value();
    keeper_ = std::move(channel.theirs);
    keepers_fd_ = channel.ours.get();
    pools_end_ = std::move(channel.ours);
  }

  // For the pool, once.
  [[nodiscard]] Keeper keeper() { return Keeper{std::move(pools_end_), -1}; }

  // The next order that the pool gave; a number of 0 where there is none.
  Order next_order() {
    std::array<char, sizeof(Order)> buffer;
    const Result<Received> got = receive_message(keeper_, buffer, Waiting::never);
    Order none;
    none.worker = 0;
    if (!got.ok()) return none;
    const Result<Order> order = validate_order({buffer.data(), got.value().size});
    return order.ok() ? order.value() : none;
  }
  void tell(const News& news, int fd = -1) {
    ASSERT_TRUE(send_message(keeper_, as_bytes(news), fd, Waiting::never).ok());
    loop_.make_readable(keepers_fd_);
  }

  // Obeys an order to start; the test is the worker from here on.
  void start_ordered() {
    const Order order = next_order();
    ASSERT_EQ(order.command, Command::start);
    ASSERT_NE(order.worker, 0U);
    number_ = order.worker;
    Channel channel = open_channel().value();
    worker_ = std::move(channel.theirs);
    News news;
    news.worker = number_;
    // The pool's copy will get the lowest number that is free.
    Fd lowest(dup(keeper_.get()));
    workers_fd_ = lowest.get();
    lowest.reset();
    tell(news, channel.ours.get());
  }
  Request taken() {
    std::array<char, sizeof(Request)> buffer;
    const Result<Received> got = receive_message(worker_, buffer, Waiting::never);
    EXPECT_TRUE(got.ok());
    return validate({buffer.data(), got.value().size}).value();
  }
  void respond(std::string_view bytes, int fd = -1) {
    ASSERT_TRUE(send_message(worker_, bytes, fd, Waiting::never).ok());
    ASSERT_EQ(loop_.make_readable(workers_fd_), 1);
  }

  FakeLoop loop_;
  Fd keeper_;
  Fd worker_;
  std::uint64_t number_ = 0;  // of the worker

 private:
  Fd pools_end_;
  int keepers_fd_ = -1;
  int workers_fd_ = -1;
};

}  // namespace qv::helper

#endif  // QV_TESTS_FAKES_FAKE_HELPER_H_
