// SPDX-License-Identifier: 0BSD
#include "proxymap/pool.h"

#include <gtest/gtest.h>

#include "tests/proxymap/fixture.h"

namespace qv::proxymap {
namespace {

constexpr std::int64_t kSecond = 1000000;

class PoolTest : public ProxyTest {
 protected:
  PoolTest() { pool_limits = {.workers = 2, .per_table = 2, .queue = 3, .time_us = 10 * kSecond}; }

  Pool::Ticket ask_pool(const std::string& table, const std::string& key,
                        Operation operation = Operation::lookup) {
    const std::size_t index = answers.size();
    answers.emplace_back();
    Job job;
    job.operation = operation;
    job.table = table;
    job.key = key;
    return pool->ask(std::move(job), [this, index](const JobAnswer& answer) {
      EXPECT_EQ(answers[index].detail, "");
      answers[index] = answer;
      answers[index].detail = "answered";
    });
  }
  bool answered(std::size_t index) const { return answers[index].detail == "answered"; }

  std::vector<JobAnswer> answers;
};

TEST_F(PoolTest, AnswersThroughAWorker) {
  start();
  ask_pool("a:x", "k");
  EXPECT_EQ(job_at(0).key, "k");
  worker_answers(0, {Status::ok, "v", ""});
  ASSERT_TRUE(answered(0));
  EXPECT_EQ(answers[0].status, Status::ok);
  EXPECT_EQ(answers[0].value, "v");
  EXPECT_EQ(pool->in_flight(), 0u);
}

TEST_F(PoolTest, UsesAWorkerThatIsThere) {
  start();
  ask_pool("a:x", "1");
  static_cast<void>(job_at(0));
  worker_answers(0, {Status::ok, "", ""});
  ask_pool("a:x", "2");
  EXPECT_EQ(job_at(0).key, "2");
  EXPECT_EQ(pool->workers(), 1u);
}

TEST_F(PoolTest, PrefersTheWorkerThatHasTheTableOpen) {
  start();
  ask_pool("a:x", "1");
  ask_pool("b:y", "1");
  EXPECT_EQ(job_at(0).table, "a:x");
  EXPECT_EQ(job_at(1).table, "b:y");
  worker_answers(0, {Status::ok, "", ""});
  worker_answers(1, {Status::ok, "", ""});
  ask_pool("b:y", "2");
  EXPECT_EQ(job_at(1).key, "2");
}

TEST_F(PoolTest, JoinsLookUpsThatAreUnderWay) {
  start();
  ask_pool("a:x", "k");
  ask_pool("a:x", "k");
  ask_pool("a:x", "other");
  EXPECT_EQ(pool->in_flight(), 2u);
  static_cast<void>(job_at(0));
  worker_answers(0, {Status::ok, "v", ""});
  EXPECT_TRUE(answered(0));
  EXPECT_TRUE(answered(1));
  EXPECT_FALSE(answered(2));
  EXPECT_EQ(pool->counters().joined, 1u);
}

TEST_F(PoolTest, JoinsNoWrites) {
  start();
  ask_pool("a:x", "k", Operation::update);
  ask_pool("a:x", "k", Operation::update);
  EXPECT_EQ(pool->in_flight(), 2u);
}

TEST_F(PoolTest, OneTableDoesNotTakeAllWorkers) {
  pool_limits.per_table = 1;
  start();
  ask_pool("a:x", "1");
  ask_pool("a:x", "2");
  ask_pool("b:y", "1");
  EXPECT_EQ(job_at(0).table, "a:x");
  EXPECT_EQ(job_at(1).table, "b:y");
  worker_answers(1, {Status::ok, "", ""});
  EXPECT_TRUE(answered(2));
  EXPECT_FALSE(answered(1));
}

TEST_F(PoolTest, TablesTakeTurns) {
  pool_limits.workers = 1;
  start();
  ask_pool("a:x", "1");
  ask_pool("a:x", "2");
  ask_pool("a:x", "3");
  ask_pool("b:y", "1");
  static_cast<void>(job_at(0));
  worker_answers(0, {Status::ok, "", ""});
  EXPECT_EQ(job_at(0).table, "b:y");
  worker_answers(0, {Status::ok, "", ""});
  EXPECT_EQ(job_at(0).key, "2");
}

TEST_F(PoolTest, AFullQueueRefuses) {
  start();
  for (int i = 0; i < 5; ++i) EXPECT_NE(ask_pool("a:x", std::to_string(i)), 0u);
  EXPECT_EQ(ask_pool("a:x", "5"), 0u);
  EXPECT_NE(ask_pool("a:x", "4"), 0u);  // joined
  EXPECT_NE(ask_pool("b:y", "1"), 0u);  // another queue
  EXPECT_EQ(pool->counters().overflows, 1u);
}

TEST_F(PoolTest, GivesUpWhatTakesTooLong) {
  pool_limits.per_table = 1;
  start();
  ask_pool("a:x", "hangs");
  ask_pool("a:x", "waits");
  static_cast<void>(job_at(0));
  loop.advance_us(9 * kSecond);
  EXPECT_FALSE(answered(0));
  loop.advance_us(2 * kSecond);
  ASSERT_TRUE(answered(0));
  ASSERT_TRUE(answered(1));
  EXPECT_EQ(answers[0].status, Status::retry);
  EXPECT_EQ(answers[1].status, Status::retry);
  EXPECT_EQ(pool->counters().overdue, 2u);
  // The next one gets another worker.
  ask_pool("a:x", "next");
  EXPECT_EQ(job_at(worker_ends.size() - 1).key, "next");
}

TEST_F(PoolTest, ALookUpWhoseWorkerDiesGetsOneMore) {
  start();
  ask_pool("a:x", "k");
  static_cast<void>(job_at(0));
  worker_dies(0);
  EXPECT_FALSE(answered(0));
  EXPECT_EQ(job_at(1).key, "k");
  worker_dies(1);
  ASSERT_TRUE(answered(0));
  EXPECT_EQ(answers[0].status, Status::retry);
  EXPECT_EQ(pool->in_flight(), 0u);
}

TEST_F(PoolTest, AWriteWhoseWorkerDiesIsNotDoneTwice) {
  start();
  ask_pool("a:x", "k", Operation::update);
  static_cast<void>(job_at(0));
  worker_dies(0);
  ASSERT_TRUE(answered(0));
  EXPECT_EQ(answers[0].status, Status::retry);
}

TEST_F(PoolTest, AWorkerThatTalksNonsenseIsDropped) {
  start();
  ask_pool("a:x", "k");
  static_cast<void>(job_at(0));
  ASSERT_EQ(send(worker_ends[0].get(), "status\0007\0\0", 10, 0), 10);
  loop.make_readable(worker_numbers[0]);
  EXPECT_EQ(job_at(1).key, "k");
  EXPECT_EQ(pool->counters().workers_lost, 1u);
}

TEST_F(PoolTest, ACancelledJobIsNotBegun) {
  pool_limits.workers = 1;
  start();
  ask_pool("a:x", "1");
  const Pool::Ticket second = ask_pool("a:x", "2");
  ask_pool("a:x", "3");
  pool->cancel(second);
  static_cast<void>(job_at(0));
  worker_answers(0, {Status::ok, "", ""});
  EXPECT_EQ(job_at(0).key, "3");
  EXPECT_FALSE(answered(1));
}

TEST_F(PoolTest, ACancelledWaiterIsNotCalled) {
  start();
  const Pool::Ticket first = ask_pool("a:x", "k");
  ask_pool("a:x", "k");
  pool->cancel(first);
  static_cast<void>(job_at(0));
  worker_answers(0, {Status::ok, "", ""});
  EXPECT_FALSE(answered(0));
  EXPECT_TRUE(answered(1));
}

TEST_F(PoolTest, ReplacesAWorkerThatHasServedEnough) {
  pool_limits.max_use = 2;
  start();
  for (int i = 0; i < 2; ++i) {
    ask_pool("a:x", std::to_string(i));
    static_cast<void>(job_at(0));
    worker_answers(0, {Status::ok, "", ""});
  }
  EXPECT_EQ(pool->workers(), 0u);
  ask_pool("a:x", "2");
  EXPECT_EQ(job_at(1).key, "2");
}

TEST_F(PoolTest, WithoutWorkersTheAnswerIsTryAgain) {
  no_workers = true;
  start();
  ask_pool("a:x", "k");
  loop.advance_us(kSecond / 2);
  ASSERT_TRUE(answered(0));
  EXPECT_EQ(answers[0].status, Status::retry);
  no_workers = false;
  loop.advance_us(2 * kSecond);
  ask_pool("a:x", "k");
  EXPECT_EQ(job_at(0).key, "k");
}

}  // namespace
}  // namespace qv::proxymap
