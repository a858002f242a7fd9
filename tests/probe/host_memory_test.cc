// SPDX-License-Identifier: 0BSD
#include <gtest/gtest.h>

#include "probe/limits.h"

namespace qv::probe {
namespace {

class Memory : public testing::Test {
 protected:
  std::int64_t left_alone_s(std::int64_t from_us) {
    std::int64_t seconds = 0;
    while (memory_.state("h", from_us + seconds * kSecond_us) != HostMemory::State::fine) ++seconds;
    return seconds;
  }

  ProbeLimits limits_;
  std::uint64_t random_ = 250;  // in the middle: no jitter
  HostMemory memory_{limits_, [this] { return random_; }};
};

TEST_F(Memory, LeavesAFailedHostAloneLongerAndLonger) {
  std::int64_t now = 1000 * kSecond_us;
  for (const std::int64_t seconds : {10, 20, 40, 80, 160, 320, 600, 600}) {
    memory_.record_failure("h", now);
    memory_.record_failure("h", now + 1);
    EXPECT_EQ(left_alone_s(now), seconds);
    now += 1000 * kSecond_us;
  }
  memory_.record_answer("h");
  memory_.record_failure("h", now);
  EXPECT_EQ(left_alone_s(now), 10);
}

TEST_F(Memory, SpreadsTheTimes) {
  random_ = 0;
  memory_.record_failure("h", 0);
  EXPECT_EQ(left_alone_s(0), 8);
  memory_.clear();
  random_ = 500;
  memory_.record_failure("h", 0);
  EXPECT_EQ(left_alone_s(0), 13);
}

TEST_F(Memory, AnAnswerEndsBackingOff) {
  memory_.record_failure("h", 0);
  memory_.record_answer("h");
  EXPECT_EQ(memory_.state("h", 1), HostMemory::State::fine);
}

TEST_F(Memory, IsBounded) {
  limits_.remembered_hosts = 100;
  for (int i = 0; i < 1000; ++i) {
    memory_.record_failure("h" + std::to_string(i), i * kSecond_us);
    ASSERT_LE(memory_.size(), 100u);
  }
  EXPECT_EQ(memory_.state("h999", 1000 * kSecond_us), HostMemory::State::backing_off);
}

}  // namespace
}  // namespace qv::probe
