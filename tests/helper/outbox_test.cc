// SPDX-License-Identifier: 0BSD
#include "helper/outbox.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/fakes/fake_loop.h"

namespace qv::helper {
namespace {

class OutboxTest : public testing::Test {
 protected:
  // The callback notes `name` and the fault's number, and then does `more`.
  void put(
      char name, int errnum, const std::function<void()>& more = [] {}) {
    outbox_->put(
        [this, name, more](const Result<Reply>& result) {
          told_ += name + std::to_string(result.ok() ? 0 : result.error().errnum);
          more();
        },
        Error{Fault::retry, errnum, "test"});
  }

  FakeLoop loop_;
  std::unique_ptr<Outbox> outbox_ = std::make_unique<Outbox>(loop_);
  std::string told_;
};

TEST_F(OutboxTest, CallsBackInOrderAndOnce) {
  put('a', 1);
  put('b', 2);
  EXPECT_EQ(told_, "");
  outbox_->deliver();
  outbox_->deliver();
  EXPECT_EQ(told_, "a1b2");
}

TEST_F(OutboxTest, SoonIsTheLoopsNextTurn) {
  outbox_->deliver_soon();
  put('a', 1);
  outbox_->deliver_soon();
  outbox_->deliver_soon();
  EXPECT_EQ(told_, "");
  loop_.run();
  EXPECT_EQ(told_, "a1");
}

TEST_F(OutboxTest, WhatIsPutInMeanwhileGoesOutLater) {
  put('a', 1, [this] {
    put('c', 3);
    outbox_->deliver_soon();
  });
  put('b', 2);
  outbox_->deliver();
  EXPECT_EQ(told_, "a1b2");
  loop_.run();
  EXPECT_EQ(told_, "a1b2c3");
}

TEST_F(OutboxTest, ACallbackMayEndIt) {
  put('a', 1, [this] { outbox_.reset(); });
  put('b', 2);
  outbox_->deliver();
  loop_.run();
  EXPECT_EQ(told_, "a1") << "those that are left are dropped";
}

}  // namespace
}  // namespace qv::helper
