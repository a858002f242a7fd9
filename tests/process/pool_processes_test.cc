// SPDX-License-Identifier: 0BSD
// The pool with real processes and a real loop: what hangs and dies.
#include <errno.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.h"
#include "event/libevent_loop.h"
#include "process/pool.h"
#include "process/worker.h"
#include "tests/process/processes.h"

namespace qv::process {
namespace {

class PoolProcessesTest : public testing::Test {
 protected:
  PoolProcessesTest() { pool_settings_.time_limit_us = 3000000; }
  ~PoolProcessesTest() override {
    pool_.reset();
    if (spawner_pid_ > 0) waitpid(spawner_pid_, nullptr, 0);
  }

  void start() {
    SpawnerSettings settings;
    settings.max_processes = max_processes_;
    settings.run = [](const std::string& subject, Fd socket) {
      serve_requests(socket, [&subject](Message& request) {
        while (request.body == "hang") pause();
        return Message{0, 0, subject + request.body, {}};
      });
    };
    Result<Spawner> spawner = start_spawner(std::move(settings));
    ASSERT_TRUE(spawner.ok());
    spawner_pid_ = spawner.value().pid;
    pool_ = std::make_unique<Pool>(loop_, std::move(spawner).value(), pool_settings_,
                                   [this](Notice notice, pid_t pid, int errnum) {
                                     ++notices_[notice];
                                     last_errnum_ = errnum;
                                     if (notice == Notice::worker_started) workers_.push_back(pid);
                                   });
  }
  // Asks; the answer is in answers_ under the number returned.
  std::size_t ask(const std::string& lane = "lane", const std::string& body = "x") {
    const std::size_t number = answers_.size();
    answers_.emplace_back();
    Job job;
    job.lane = lane;
    job.body = body;
    pool_->ask(std::move(job), [this, number](Result<Message>& answer) {
      EXPECT_FALSE(answers_[number].has_value()) << "answered twice";
      answers_[number] =
          answer.ok() ? answer.value().body : "errno " + std::to_string(answer.error().errnum);
    });
    return number;
  }
  // Turns the loop until the condition holds; a failure after `limit_us`.
  void run_until(const std::function<bool()>& condition, std::int64_t limit_us = 8000000) {
    const std::int64_t last_us = monotonic_us() + limit_us;
    const event::Loop::Owned tick = loop_.every(500, [&] {
      if (condition() || monotonic_us() > last_us) loop_.stop();
    });
    loop_.run();
    EXPECT_TRUE(condition());
  }
  std::string answer(std::size_t number) {
    run_until([&] { return answers_[number].has_value(); });
    return answers_[number].value_or("none");
  }
  static std::string failed_with(int errnum) { return "errno " + std::to_string(errnum); }
  // Has one worker start, answer once, and be idle.
  pid_t idle_worker() {
    EXPECT_EQ(answer(ask()), "x");
    run_until([&] { return !workers_.empty(); });
    return workers_.back();
  }

  PoolSettings pool_settings_;
  std::uint32_t max_processes_ = 16;
  event::LibeventLoop loop_;
  pid_t spawner_pid_ = -1;
  std::unique_ptr<Pool> pool_;
  std::map<Notice, int> notices_;
  int last_errnum_ = 0;
  std::vector<pid_t> workers_;
  std::vector<std::optional<std::string>> answers_;
};

TEST_F(PoolProcessesTest, OneWorkerServesManyInTurn) {
  pool_settings_.workers = 1;
  start();
  for (int i = 0; i < 50; ++i) ask("lane", std::to_string(i));
  for (int i = 0; i < 50; ++i) EXPECT_EQ(answer(static_cast<std::size_t>(i)), std::to_string(i));
  EXPECT_EQ(workers_.size(), 1U);
}

// A hanging file system, as far as the pool can tell: its worker does not run.
TEST_F(PoolProcessesTest, WhatHangsIsGivenUpInTimeAndOthersAreAnswered) {
  pool_settings_.time_limit_us = 300000;
  start();
  const pid_t hanging = idle_worker();
  kill(hanging, SIGSTOP);
  const std::int64_t asked_us = monotonic_us();
  const std::size_t overdue = ask();
  EXPECT_EQ(answer(ask("lane", "other")), "other");
  EXPECT_FALSE(answers_[overdue].has_value());
  EXPECT_EQ(answer(overdue), failed_with(ETIMEDOUT));
  EXPECT_GE(monotonic_us() - asked_us, 290000);
  EXPECT_EQ(notices_[Notice::worker_overdue], 1);
  EXPECT_EQ(pool_->counters().overdue, 1U);
  run_until([&] { return pool_->dying() == 0; });
  EXPECT_TRUE(is_dead(hanging));
}

TEST_F(PoolProcessesTest, AHangingLaneDoesNotTakeAllWorkers) {
  pool_settings_.workers = 4;
  pool_settings_.per_lane = 2;
  start();
  for (int i = 0; i < 10; ++i) ask("lane", "hang");
  EXPECT_EQ(answer(ask("other", "y")), "y");
  EXPECT_EQ(pool_->workers() - pool_->idle(), 2U);
  EXPECT_EQ(pool_->waiting(), 8U);
}

TEST_F(PoolProcessesTest, AJobWhoseWorkerIsKilledIsDoneOnceMore) {
  start();
  const pid_t first = idle_worker();
  kill(first, SIGSTOP);
  const std::size_t asked = ask();
  kill(first, SIGKILL);
  EXPECT_EQ(answer(asked), "x");
  EXPECT_EQ(notices_[Notice::worker_died], 1);
  EXPECT_EQ(pool_->counters().retried, 1U);
}

TEST_F(PoolProcessesTest, AnIdleWorkerThatIsKilledIsReplacedWhenNeeded) {
  start();
  const pid_t first = idle_worker();
  kill(first, SIGKILL);
  run_until([&] { return notices_[Notice::worker_died] == 1; });
  EXPECT_EQ(answer(ask()), "x");
  run_until([&] { return workers_.back() != first; });
}

TEST_F(PoolProcessesTest, WithoutASpawnerEverythingIsARetry) {
  start();
  kill(idle_worker(), SIGSTOP);
  const std::size_t in_hand = ask();
  kill(spawner_pid_, SIGKILL);
  EXPECT_EQ(answer(in_hand), failed_with(EPIPE));
  EXPECT_EQ(notices_[Notice::spawner_gone], 1);
  EXPECT_FALSE(pool_->is_alive());
  const std::size_t later = ask();
  EXPECT_FALSE(answers_[later].has_value());
  EXPECT_EQ(answer(later), failed_with(EPIPE));
  EXPECT_TRUE(soon([&] { return is_dead(workers_.back()); }));
}

// A spawner that does not run: no worker can be started, and nothing waits for it.
TEST_F(PoolProcessesTest, AHangingSpawnerCostsTheTimeLimitAtMost) {
  pool_settings_.time_limit_us = 200000;
  start();
  kill(spawner_pid_, SIGSTOP);
  EXPECT_EQ(answer(ask()), failed_with(ETIMEDOUT));
  kill(spawner_pid_, SIGCONT);
  EXPECT_EQ(answer(ask()), "x");
}

TEST_F(PoolProcessesTest, ASpawnerThatRefusesIsAskedAgainWhenAWorkerEnds) {
  max_processes_ = 1;
  pool_settings_.workers = 2;
  start();
  kill(idle_worker(), SIGSTOP);
  const std::size_t first = ask("lane", "1");
  const std::size_t second = ask("lane", "2");
  run_until([&] { return notices_[Notice::worker_refused] >= 1; });
  EXPECT_EQ(last_errnum_, EAGAIN);
  kill(workers_.back(), SIGKILL);
  EXPECT_EQ(answer(first), "1");
  EXPECT_EQ(answer(second), "2");
}

TEST_F(PoolProcessesTest, EndingThePoolEndsTheProcesses) {
  start();
  idle_worker();
  pool_.reset();
  EXPECT_TRUE(soon([&] { return is_dead(spawner_pid_); }));
  EXPECT_TRUE(soon([&] { return is_dead(workers_.back()); }));
}

// Not a measurement: a job that waits for a timer instead of a wake-up would show.
TEST_F(PoolProcessesTest, AnIdleWorkerAnswersAtOnce) {
  start();
  idle_worker();
  std::int64_t best_us = INT64_MAX;
  for (int i = 0; i < 200; ++i) {
    const std::int64_t asked_us = monotonic_us();
    pool_->ask(Job{}, [&](Result<Message>&) { loop_.stop(); });
    loop_.run();
    best_us = std::min(best_us, monotonic_us() - asked_us);
  }
  EXPECT_LT(best_us, 2000);
  RecordProperty("best_round_trip_us", static_cast<int>(best_us));
}

}  // namespace
}  // namespace qv::process
