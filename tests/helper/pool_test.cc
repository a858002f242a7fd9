// SPDX-License-Identifier: 0BSD
// The pool with real processes and a real loop: what hangs, dies and lies.
#include "helper/pool.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <map>
#include <optional>

#include "core/clock.h"
#include "event/libevent_loop.h"
#include "maps/cdb_file.h"
#include "tests/helper/home_tree.h"
#include "tests/helper/processes.h"

namespace qv::helper {
namespace {

class PoolTest : public testing::Test {
 protected:
  PoolTest() {
    tree_.write("home/.qmail", "");
    tree_.write("passwd", "joe:x:1000:100::/home/joe:\n");
    pool_settings_.time_limit_us = 3000000;
  }
  ~PoolTest() override {
    pool_.reset();
    if (keeper_pid_ > 0) waitpid(keeper_pid_, nullptr, 0);
  }

  void start() {
    keeper_settings_.passwd_path = tree_.path("passwd");
    Result<Keeper> keeper = start_keeper(keeper_settings_);
    ASSERT_TRUE(keeper.ok());
    keeper_pid_ = keeper.value().pid;
    pool_ = std::make_unique<Pool>(loop_, std::move(keeper).value(), pool_settings_,
                                   [this](Notice notice, pid_t pid, int errnum) {
                                     ++notices_[notice];
                                     last_errnum_ = errnum;
                                     if (notice == Notice::worker_started) started(pid);
                                   });
  }
  void started(pid_t worker) {
    if (stop_started_) kill(worker, SIGSTOP);
    workers_.push_back(worker);
  }
  [[nodiscard]] Request file_request(const std::string& name = ".qmail", uid_t uid = owner_uid()) {
    return home_file_request(uid, owner_gid(), tree_.home(), name, Contents::not_wanted).value();
  }

  // Asks; the answer is in answers_ under the number returned.
  std::size_t ask(const Request& request) {
    const std::size_t number = answers_.size();
    answers_.emplace_back();
    inside_ask_ = true;
    pool_->ask(request, [this, number](Result<Reply> result) {
      EXPECT_FALSE(inside_ask_);
      EXPECT_FALSE(answers_[number].has_value()) << "answered twice";
      answers_[number].emplace(std::move(result));
    });
    inside_ask_ = false;
    return number;
  }
  // Turns the loop until the condition holds; a failure after `limit_us`.
  void run_until(const std::function<bool()>& condition, std::int64_t limit_us = 8000000) {
    const std::int64_t last_us = monotonic_us() + limit_us;
    const Loop::Owned tick = loop_.every(500, [&] {
      if (condition() || monotonic_us() > last_us) loop_.stop();
    });
    loop_.run();
    EXPECT_TRUE(condition());
  }
  void run_until_answered(std::size_t number) {
    run_until([&] { return answers_[number].has_value(); });
  }
  void expect_outcome(std::size_t number, Outcome outcome) {
    ASSERT_TRUE(answers_[number].has_value());
    ASSERT_TRUE(answers_[number]->ok()) << "errno " << answers_[number]->error().errnum;
    EXPECT_EQ(answers_[number]->value().outcome, outcome);
  }
  void expect_fault(std::size_t number, Fault fault, int errnum) {
    ASSERT_TRUE(answers_[number].has_value());
    ASSERT_FALSE(answers_[number]->ok());
    EXPECT_EQ(answers_[number]->error().fault, fault);
    EXPECT_EQ(answers_[number]->error().errnum, errnum);
  }
  // Has one worker start, answer once, and be idle.
  pid_t idle_worker() {
    run_until_answered(ask(file_request()));
    EXPECT_FALSE(workers_.empty());
    return workers_.back();
  }

  HomeTree tree_;
  KeeperSettings keeper_settings_;
  PoolSettings pool_settings_;
  LibeventLoop loop_;
  pid_t keeper_pid_ = -1;
  std::unique_ptr<Pool> pool_;
  std::map<Notice, int> notices_;
  int last_errnum_ = 0;
  std::vector<pid_t> workers_;
  std::vector<std::optional<Result<Reply>>> answers_;
  bool inside_ask_ = false;
  bool stop_started_ = false;  // new workers hang, before they get anything to do
};

TEST_F(PoolTest, AnswersEveryKindOfRequest) {
  start();
  const std::size_t file = ask(file_request());
  const std::size_t none = ask(file_request(".qmail-none"));
  const std::size_t home =
      ask(home_index_request(owner_uid(), owner_gid(), tree_.home(), Stamp{}).value());
  const std::size_t users = ask(passwd_index_request(Stamp{}));
  const std::size_t root = ask(passwd_user_request("root").value());
  run_until([&] {
    for (const auto& answer : answers_) {
      if (!answer.has_value()) return false;
    }
    return true;
  });
  expect_outcome(file, Outcome::found);
  expect_outcome(none, Outcome::absent);
  expect_outcome(home, Outcome::found);
  expect_outcome(users, Outcome::found);
  expect_outcome(root, Outcome::found);
  EXPECT_EQ(answers_[root]->value().user, "root");
  EXPECT_EQ(answers_[root]->value().home, "/root");
  EXPECT_NE(answers_[home]->value().stamp.ino, 0U);

  std::string_view value;
  const CdbFile table = CdbFile::map(std::move(answers_[users]->value().file)).value();
  EXPECT_EQ(table.find("joe", value).value(), Answer::found);
  EXPECT_LE(workers_.size(), pool_settings_.workers);
  EXPECT_EQ(pool_->counts().busy, 0U);
}

TEST_F(PoolTest, AFaultKeepsItsErrno) {
  start();
  tree_.link("home/.qmail-loop", ".qmail-loop");
  const std::size_t asked = ask(file_request(".qmail-loop"));
  run_until_answered(asked);
  expect_fault(asked, Fault::config, ELOOP);
}

TEST_F(PoolTest, OneWorkerServesManyInTurn) {
  pool_settings_.workers = 1;
  start();
  for (int i = 0; i < 50; ++i) ask(file_request());
  run_until_answered(49);
  for (std::size_t i = 0; i < 50; ++i) expect_outcome(i, Outcome::found);
  EXPECT_EQ(workers_.size(), 1U);
}

// A hanging file system, as far as the pool can tell: its worker does not run.
TEST_F(PoolTest, WhatHangsIsGivenUpInTimeAndOthersAreAnswered) {
  pool_settings_.time_limit_us = 300000;
  start();
  const pid_t hanging = idle_worker();
  kill(hanging, SIGSTOP);
  const std::int64_t asked_us = monotonic_us();
  const std::size_t overdue = ask(file_request());
  const std::size_t other = ask(file_request(".qmail-none"));
  run_until_answered(other);
  expect_outcome(other, Outcome::absent);
  EXPECT_LT(monotonic_us() - asked_us, 200000);
  EXPECT_FALSE(answers_[overdue].has_value());

  run_until_answered(overdue);
  expect_fault(overdue, Fault::retry, ETIMEDOUT);
  EXPECT_GE(monotonic_us() - asked_us, 290000);
  EXPECT_LT(monotonic_us() - asked_us, 1000000);
  EXPECT_EQ(notices_[Notice::worker_overdue], 1);
  EXPECT_EQ(pool_->counts().overdue, 1U);
  run_until([&] { return pool_->counts().dying == 0; });
  EXPECT_TRUE(is_dead(hanging));
}

TEST_F(PoolTest, AHangingHomeDoesNotTakeAllWorkers) {
  QV_NEEDS_ROOT();
  pool_settings_.workers = 4;
  pool_settings_.per_owner = 2;
  start();
  stop_started_ = true;
  for (int i = 0; i < 10; ++i) ask(file_request());
  run_until([&] { return pool_->counts().busy == 2; });
  stop_started_ = false;
  const std::size_t other = ask(file_request(".qmail", kStranger));
  run_until_answered(other);
  expect_outcome(other, Outcome::found);
  EXPECT_EQ(pool_->counts().busy, 2U);
  EXPECT_EQ(pool_->counts().waiting, 8U);
}

TEST_F(PoolTest, ARequestWhoseWorkerIsKilledIsTriedOnce) {
  start();
  const pid_t first = idle_worker();
  kill(first, SIGSTOP);
  const std::size_t asked = ask(file_request());
  kill(first, SIGKILL);
  run_until_answered(asked);
  expect_outcome(asked, Outcome::found);
  EXPECT_EQ(notices_[Notice::worker_died], 1);
  EXPECT_EQ(pool_->counts().retried, 1U);
}

TEST_F(PoolTest, ARequestThatKillsTwoWorkersIsGivenUp) {
  pool_settings_.workers = 1;
  start();
  stop_started_ = true;
  const std::size_t asked = ask(file_request());
  for (std::size_t deaths = 1; deaths <= 2; ++deaths) {
    run_until([&] { return workers_.size() == deaths && pool_->counts().busy == 1; });
    kill(workers_.back(), SIGKILL);
  }
  run_until_answered(asked);
  expect_fault(asked, Fault::retry, EPIPE);
  EXPECT_EQ(notices_[Notice::worker_died], 2);
  EXPECT_EQ(pool_->counts().retried, 1U);
}

TEST_F(PoolTest, AnIdleWorkerThatIsKilledIsReplacedWhenNeeded) {
  start();
  const pid_t first = idle_worker();
  kill(first, SIGKILL);
  run_until([&] { return notices_[Notice::worker_died] == 1; });
  const std::size_t asked = ask(file_request());
  run_until_answered(asked);
  expect_outcome(asked, Outcome::found);
  EXPECT_NE(workers_.back(), first);
}

TEST_F(PoolTest, WithoutAKeeperEverythingIsARetry) {
  start();
  kill(idle_worker(), SIGSTOP);
  const std::size_t in_hand = ask(file_request());
  kill(keeper_pid_, SIGKILL);
  run_until_answered(in_hand);
  expect_fault(in_hand, Fault::retry, EPIPE);
  EXPECT_EQ(notices_[Notice::keeper_gone], 1);
  EXPECT_FALSE(pool_->alive());
  const std::size_t later = ask(file_request());
  EXPECT_FALSE(answers_[later].has_value());
  run_until_answered(later);
  expect_fault(later, Fault::retry, EPIPE);
  EXPECT_TRUE(soon([&] { return is_dead(workers_.back()); }));
}

// A keeper that does not run: no worker can be started, and nothing waits for it.
TEST_F(PoolTest, AHangingKeeperCostsTheTimeLimitAtMost) {
  pool_settings_.time_limit_us = 200000;
  start();
  kill(keeper_pid_, SIGSTOP);
  const std::size_t asked = ask(file_request());
  run_until_answered(asked);
  expect_fault(asked, Fault::retry, ETIMEDOUT);
  kill(keeper_pid_, SIGCONT);
  const std::size_t later = ask(file_request());
  run_until_answered(later);
  expect_outcome(later, Outcome::found);
}

TEST_F(PoolTest, WorkersAreBoundedAndSoIsTheQueue) {
  pool_settings_.workers = 2;
  pool_settings_.queue = 5;
  pool_settings_.time_limit_us = 400000;
  start();
  run_until_answered(ask(file_request()));
  run_until([&] { return pool_->counts().idle == 1; });
  kill(workers_[0], SIGSTOP);
  kill(keeper_pid_, SIGSTOP);  // so that no second worker comes
  const std::size_t in_hand = ask(file_request());
  std::vector<std::size_t> waiting;
  std::vector<std::size_t> too_many;
  // Half of the queue for one owner, rounded up; then another's share, then it is full.
  for (int i = 0; i < 3; ++i) waiting.push_back(ask(file_request()));
  too_many.push_back(ask(file_request()));
  for (int i = 0; i < 2; ++i) waiting.push_back(ask(passwd_user_request("root").value()));
  too_many.push_back(ask(passwd_user_request("root").value()));
  EXPECT_EQ(pool_->counts().waiting, 5U);
  for (const std::size_t number : too_many) {
    run_until_answered(number);
    expect_fault(number, Fault::retry, EAGAIN);
  }
  EXPECT_EQ(pool_->counts().overflowed, 2U);
  for (const std::size_t number : waiting) {
    run_until_answered(number);
    expect_fault(number, Fault::retry, ETIMEDOUT);
  }
  run_until_answered(in_hand);
  kill(keeper_pid_, SIGCONT);
}

TEST_F(PoolTest, AKeeperThatRefusesIsAskedAgainWhenAWorkerEnds) {
  keeper_settings_.max_processes = 1;
  pool_settings_.workers = 2;
  start();
  kill(idle_worker(), SIGSTOP);
  const std::size_t first = ask(file_request());
  const std::size_t second = ask(file_request(".qmail-none"));
  run_until([&] { return notices_[Notice::worker_refused] == 1; });
  EXPECT_EQ(last_errnum_, EAGAIN);
  kill(workers_.back(), SIGKILL);
  run_until_answered(first);
  run_until_answered(second);
  expect_outcome(first, Outcome::found);
  expect_outcome(second, Outcome::absent);
}

TEST_F(PoolTest, ACallbackMayAskAgainAndMayEndThePool) {
  start();
  bool second = false;
  pool_->ask(file_request(), [&](const Result<Reply>&) {
    pool_->ask(file_request(), [&](const Result<Reply>&) {
      second = true;
      pool_.reset();
    });
    for (int i = 0; i < 20; ++i) {
      pool_->ask(file_request(), [](const Result<Reply>&) {});
    }
  });
  run_until([&] { return second; });
  EXPECT_EQ(pool_, nullptr);
}

TEST_F(PoolTest, EndingThePoolEndsTheProcesses) {
  start();
  idle_worker();
  pool_.reset();
  EXPECT_TRUE(soon([&] { return is_dead(keeper_pid_); }));
  EXPECT_TRUE(soon([&] { return is_dead(workers_.back()); }));
}

// Not a measurement: a look-up that waits for a timer instead of a wake-up would show.
TEST_F(PoolTest, AnIdleWorkerAnswersAtOnce) {
  start();
  idle_worker();
  std::int64_t best_us = INT64_MAX;
  for (int i = 0; i < 200; ++i) {
    const std::int64_t asked_us = monotonic_us();
    bool answered = false;
    pool_->ask(file_request(), [&](const Result<Reply>&) {
      answered = true;
      loop_.stop();
    });
    loop_.run();
    ASSERT_TRUE(answered);
    best_us = std::min(best_us, monotonic_us() - asked_us);
  }
  EXPECT_LT(best_us, 2000);
  RecordProperty("best_round_trip_us", static_cast<int>(best_us));
  if (getenv("QV_TEST_PRINT") != nullptr)
    printf("best round trip %d us\n", static_cast<int>(best_us));
}

}  // namespace
}  // namespace qv::helper
