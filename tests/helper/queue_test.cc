// SPDX-License-Identifier: 0BSD
#include "helper/queue.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace qv::helper {
namespace {

class QueueTest : public testing::Test {
 protected:
  // Owners are lanes; names tell the requests apart.
  static AskedOne asked(uid_t owner, const std::string& name, std::int64_t due_us = 0) {
    AskedOne one;
    one.push_back({home_file_request(owner, 1, "/h", name, Contents::not_wanted).value(),
                   [](const Result<Reply>&) {}, due_us, false});
    return one;
  }
  static std::string names(const std::list<Asked>& all) {
    std::string text;
    for (const Asked& one : all) text += std::string(one.request.name_view()) + " ";
    return text;
  }
  std::string hand_out() {
    AskedOne one = queue_.hand_out();
    const std::string text = names(one);
    out_.splice(out_.end(), one);
    return text;
  }

  Queue queue_{6, 2};
  std::list<Asked> out_;
};

TEST_F(QueueTest, FirstComeFirstServedButNoMoreOfALaneThanItMay) {
  for (const char* name : {"a1", "a2", "a3", "a4"}) queue_.add_last(asked(1, name));
  queue_.add_last(asked(2, "b1"));
  EXPECT_EQ(queue_.could_go(), 3U);
  EXPECT_EQ(hand_out(), "a1 ");
  EXPECT_EQ(hand_out(), "a2 ");
  EXPECT_EQ(hand_out(), "b1 ");
  EXPECT_EQ(hand_out(), "");
  EXPECT_EQ(queue_.could_go(), 0U);
  queue_.done(out_.front().request);
  EXPECT_EQ(queue_.could_go(), 1U);
  EXPECT_EQ(hand_out(), "a3 ");
}

TEST_F(QueueTest, OneThatComesBackGoesFirst) {
  queue_.add_last(asked(1, "a1"));
  queue_.add_last(asked(2, "b1"));
  AskedOne one = queue_.hand_out();
  queue_.done(one.front().request);
  queue_.add_first(std::move(one));
  EXPECT_EQ(hand_out(), "a1 ");
}

TEST_F(QueueTest, OperationsOfTheSystemAreLanesOfTheirOwn) {
  for (int i = 0; i < 3; ++i) {
    AskedOne user = asked(1, "x");
    user.front().request = passwd_user_request("joe").value();
    queue_.add_last(std::move(user));
  }
  AskedOne index = asked(1, "x");
  index.front().request = passwd_index_request(Stamp{});
  queue_.add_last(std::move(index));
  EXPECT_EQ(queue_.could_go(), 3U);
}

TEST_F(QueueTest, ALaneGetsHalfOfItAndAllTogetherAllOfIt) {
  for (const char* name : {"a1", "a2", "a3"}) {
    queue_.add_last(asked(1, name));
    EXPECT_EQ(names(queue_.take_excess()), "");
  }
  queue_.add_last(asked(1, "a4"));
  EXPECT_EQ(names(queue_.take_excess()), "a4 ");
  for (const char* name : {"b1", "b2", "b3"}) {
    queue_.add_last(asked(2, name));
    EXPECT_EQ(names(queue_.take_excess()), "");
  }
  queue_.add_last(asked(3, "c1"));
  EXPECT_EQ(names(queue_.take_excess()), "c1 ");
  EXPECT_EQ(queue_.size(), 6U);
}

TEST_F(QueueTest, WhatIsDueIsTakenWhereverItStands) {
  queue_.add_last(asked(1, "late", 300));
  queue_.add_last(asked(1, "early", 100));
  queue_.add_last(asked(2, "between", 200));
  EXPECT_EQ(queue_.first_due_us(), 100);
  EXPECT_EQ(names(queue_.take_due(99)), "");
  EXPECT_EQ(names(queue_.take_due(200)), "early between ");
  EXPECT_EQ(names(queue_.take_all()), "late ");
  EXPECT_EQ(queue_.first_due_us(), INT64_MAX);
}

}  // namespace
}  // namespace qv::helper
