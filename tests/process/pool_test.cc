// SPDX-License-Identifier: 0BSD
// The pool with a spawner and workers that the test plays, so that they can lie, and a clock to
// set.
#include "process/pool.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/fakes/fake_spawner.h"

namespace qv::process {
namespace {

constexpr std::int64_t kSecond = 1000000;

class PoolTest : public testing::Test {
 protected:
  PoolTest() {
    settings.workers = 2;
    settings.per_lane = 2;
    settings.queue = 100;
    settings.lane_queue = 3;
    settings.time_limit_us = 10 * kSecond;
  }

  void start() {
    pool = std::make_unique<Pool>(loop, fake.spawner(), settings,
                                  [this](Notice notice, pid_t, int) { ++notices[notice]; });
  }
  Job job(const std::string& lane, const std::string& key) {
    Job job;
    job.lane = lane;
    job.body = key;
    job.identity = lane + "\n" + key;
    return job;
  }
  // A job that another worker may do once more, and that is joined with its equals.
  Pool::Ticket ask(const std::string& lane, const std::string& key) { return ask(job(lane, key)); }
  Pool::Ticket ask(Job job) {
    const std::size_t index = answers.size();
    answers.emplace_back();
    inside_ask = true;
    const Pool::Ticket ticket = pool->ask(std::move(job), [this, index](Result<Message>& answer) {
      EXPECT_FALSE(inside_ask);
      EXPECT_FALSE(answers[index].has_value()) << "answered twice";
      answers[index] =
          answer.ok() ? answer.value().body : "errno " + std::to_string(answer.error().errnum);
    });
    inside_ask = false;
    return ticket;
  }
  Pool::Ticket ask_write(const std::string& lane, const std::string& key) {
    Job write = job(lane, key);
    write.identity.clear();
    write.is_repeatable = false;
    return ask(std::move(write));
  }
  bool answered(std::size_t index) const { return answers[index].has_value(); }
  std::string answer(std::size_t index) const { return answers[index].value_or("none"); }
  std::string failed_with(int errnum) const { return "errno " + std::to_string(errnum); }
  std::string job_at(std::size_t index) { return fake.request_at(index).body; }
  void worker_answers(std::size_t index, const std::string& body = "") { fake.answer(index, body); }

  FakeLoop loop;
  FakeSpawner fake{loop};
  PoolSettings settings;
  std::unique_ptr<Pool> pool;
  std::map<Notice, int> notices;
  std::vector<std::optional<std::string>> answers;
  bool inside_ask = false;
};

// ---- what is asked of whom ----------------------------------------------------------------------

TEST_F(PoolTest, AnswersThroughAWorker) {
  start();
  ask("x", "k");
  EXPECT_EQ(job_at(0), "k");
  EXPECT_EQ(fake.workers[0].subject, "");
  worker_answers(0, "v");
  EXPECT_EQ(answer(0), "v");
  EXPECT_EQ(pool->in_flight(), 0U);
  EXPECT_EQ(pool->idle(), 1U);
  EXPECT_EQ(notices[Notice::worker_started], 1);
}

TEST_F(PoolTest, UsesAWorkerThatIsThere) {
  start();
  ask("x", "1");
  EXPECT_EQ(job_at(0), "1");
  worker_answers(0);
  ask("x", "2");
  EXPECT_EQ(job_at(0), "2");
  EXPECT_EQ(pool->workers(), 1U);
}

TEST_F(PoolTest, PrefersTheWorkerThatHasServedTheLane) {
  start();
  ask("x", "1");
  ask("y", "1");
  EXPECT_EQ(job_at(0), "1");
  EXPECT_EQ(job_at(1), "1");
  worker_answers(1);
  EXPECT_EQ(answer(1), "");
  fake.answer_as(0, fake.last_serial() - 1, "");
  EXPECT_TRUE(answered(0));
  ask("y", "2");
  EXPECT_EQ(job_at(1), "2");
}

TEST_F(PoolTest, AJobGoesToAWorkerOfItsSubject) {
  settings.workers = 1;
  start();
  Job joe = job("joe", "1");
  joe.subject = "joe";
  ask(std::move(joe));
  EXPECT_EQ(job_at(0), "1");
  EXPECT_EQ(fake.workers[0].subject, "joe");
  Job ann = job("ann", "2");
  ann.subject = "ann";
  ask(std::move(ann));
  fake.turn();
  EXPECT_EQ(fake.workers.size(), 1U) << "there is no place for another";
  worker_answers(0);
  // The one that has nothing to do makes room, and ends by itself: its socket is closed.
  EXPECT_EQ(job_at(1), "2");
  EXPECT_EQ(fake.workers[1].subject, "ann");
  EXPECT_FALSE(fake.workers[0].is_killed);
  EXPECT_EQ(receive_message(fake.workers[0].socket, Waiting::never).error().errnum, EPIPE);
  EXPECT_EQ(pool->workers(), 1U);
  EXPECT_EQ(pool->dying(), 1U);
  fake.die(0);
  EXPECT_EQ(pool->dying(), 0U);
}

TEST_F(PoolTest, ReplacesAWorkerThatHasServedEnough) {
  settings.max_use = 2;
  start();
  for (int i = 0; i < 2; ++i) {
    ask("x", std::to_string(i));
    EXPECT_EQ(job_at(0), std::to_string(i));
    worker_answers(0);
  }
  EXPECT_EQ(pool->workers(), 0U);
  ask("x", "2");
  EXPECT_EQ(job_at(1), "2");
}

// ---- equal ones ---------------------------------------------------------------------------------

TEST_F(PoolTest, JoinsEqualJobsThatAreUnderWay) {
  start();
  ask("x", "k");
  ask("x", "k");
  ask("x", "other");
  EXPECT_EQ(pool->in_flight(), 2U);
  EXPECT_EQ(job_at(0), "k");
  worker_answers(0, "v");
  EXPECT_EQ(answer(0), "v");
  EXPECT_EQ(answer(1), "v");
  EXPECT_FALSE(answered(2));
  EXPECT_EQ(pool->counters().joined, 1U);
  // One that is answered is joined by nobody.
  ask("x", "k");
  EXPECT_EQ(pool->in_flight(), 2U);
}

TEST_F(PoolTest, JoinsNothingWithoutAnIdentity) {
  start();
  ask_write("x", "k");
  ask_write("x", "k");
  EXPECT_EQ(pool->in_flight(), 2U);
}

TEST_F(PoolTest, ACancelledJobIsNotBegun) {
  settings.workers = 1;
  start();
  ask("x", "1");
  const Pool::Ticket second = ask("x", "2");
  ask("x", "3");
  pool->cancel(second);
  EXPECT_EQ(job_at(0), "1");
  worker_answers(0);
  EXPECT_EQ(job_at(0), "3");
  EXPECT_FALSE(answered(1));
}

TEST_F(PoolTest, ACancelledWaiterIsNotCalled) {
  start();
  const Pool::Ticket first = ask("x", "k");
  ask("x", "k");
  pool->cancel(first);
  EXPECT_EQ(job_at(0), "k");
  worker_answers(0);
  EXPECT_FALSE(answered(0));
  EXPECT_TRUE(answered(1));
}

TEST_F(PoolTest, ACallbackMayCancelAnother) {
  start();
  Pool::Ticket second = 0;
  bool called = false;
  pool->ask(job("x", "k"), [&](Result<Message>&) { pool->cancel(second); });
  second = pool->ask(job("x", "k"), [&](Result<Message>&) { called = true; });
  EXPECT_EQ(job_at(0), "k");
  worker_answers(0);
  EXPECT_FALSE(called);
}

// ---- lanes --------------------------------------------------------------------------------------

TEST_F(PoolTest, OneLaneDoesNotTakeAllWorkers) {
  settings.per_lane = 1;
  start();
  ask("x", "1");
  ask("x", "2");
  ask("y", "3");
  EXPECT_EQ(job_at(0), "1");
  EXPECT_EQ(job_at(1), "3");
  worker_answers(1);
  EXPECT_TRUE(answered(2));
  EXPECT_FALSE(answered(1));
}

TEST_F(PoolTest, LanesTakeTurns) {
  settings.workers = 1;
  start();
  ask("x", "1");
  ask("x", "2");
  ask("x", "3");
  ask("y", "4");
  EXPECT_EQ(job_at(0), "1");
  worker_answers(0);
  EXPECT_EQ(job_at(0), "4");
  worker_answers(0);
  EXPECT_EQ(job_at(0), "2");
}

TEST_F(PoolTest, NoMoreOfALaneThanItMay) {
  settings.workers = 4;
  settings.lane_queue = 10;
  start();
  for (const char* key : {"a1", "a2", "a3", "a4"}) ask("a", key);
  ask("b", "b1");
  EXPECT_EQ(job_at(0), "a1");
  EXPECT_EQ(job_at(1), "a2");
  EXPECT_EQ(job_at(2), "b1");
  EXPECT_EQ(fake.workers.size(), 3U);
  EXPECT_EQ(pool->waiting(), 2U);
  fake.answer_as(0, fake.last_serial() - 2, "");
  EXPECT_EQ(job_at(0), "a3");
}

TEST_F(PoolTest, AJobThatComesBackGoesFirst) {
  settings.workers = 1;
  start();
  ask("a", "a1");
  ask("a", "a2");
  ask("b", "b1");
  EXPECT_EQ(job_at(0), "a1");
  fake.die(0);
  EXPECT_EQ(job_at(1), "a1");
}

TEST_F(PoolTest, AFullQueueRefuses) {
  start();
  for (int i = 0; i < 5; ++i) ask("x", std::to_string(i));
  ask("x", "5");
  fake.turn();
  EXPECT_EQ(answer(5), failed_with(EAGAIN));
  ask("x", "4");  // joined
  ask("y", "1");  // another queue
  fake.turn();
  EXPECT_FALSE(answered(6));
  EXPECT_FALSE(answered(7));
  EXPECT_EQ(pool->counters().overflows, 1U);
}

TEST_F(PoolTest, AllLanesTogetherHaveABoundToo) {
  settings.workers = 1;
  settings.queue = 6;
  start();
  ask("busy", "1");
  for (const char* lane : {"a", "b"}) {
    for (int i = 0; i < 3; ++i) ask(lane, std::to_string(i));
  }
  ask("c", "1");
  fake.turn();
  EXPECT_EQ(pool->waiting(), 6U);
  EXPECT_EQ(answer(7), failed_with(EAGAIN));
}

// ---- time ---------------------------------------------------------------------------------------

TEST_F(PoolTest, GivesUpWhatTakesTooLong) {
  settings.per_lane = 1;
  start();
  ask("x", "hangs");
  ask("x", "waits");
  EXPECT_EQ(job_at(0), "hangs");
  loop.advance_us(9 * kSecond);
  EXPECT_FALSE(answered(0));
  loop.advance_us(2 * kSecond);
  EXPECT_EQ(answer(0), failed_with(ETIMEDOUT));
  EXPECT_EQ(answer(1), failed_with(ETIMEDOUT));
  EXPECT_EQ(pool->counters().overdue, 2U);
  EXPECT_EQ(notices[Notice::worker_overdue], 1);
  fake.turn();
  EXPECT_TRUE(fake.workers[0].is_killed);
  // The next one gets another worker.
  ask("x", "next");
  EXPECT_EQ(job_at(1), "next");
}

TEST_F(PoolTest, AJobMayHaveATimeOfItsOwn) {
  start();
  ask("x", "long");
  Job quick = job("x", "quick");
  quick.time_limit_us = kSecond;
  ask(std::move(quick));
  EXPECT_EQ(job_at(0), "long");
  EXPECT_EQ(job_at(1), "quick");
  loop.advance_us(kSecond);
  EXPECT_EQ(answer(1), failed_with(ETIMEDOUT));
  EXPECT_FALSE(answered(0));
  loop.advance_us(9 * kSecond);
  EXPECT_EQ(answer(0), failed_with(ETIMEDOUT));
}

// A dead file server can put off the end of a process that was killed: its lane waits.
TEST_F(PoolTest, OneThatIsKilledAndCannotDieYetCounts) {
  settings.per_lane = 1;
  fake.buries = false;
  start();
  ask("x", "hangs");
  EXPECT_EQ(job_at(0), "hangs");
  loop.advance_us(11 * kSecond);
  fake.turn();
  EXPECT_EQ(pool->dying(), 1U);
  EXPECT_EQ(pool->workers(), 0U);
  ask("x", "waits");
  ask("y", "goes");
  EXPECT_EQ(job_at(1), "goes");
  EXPECT_EQ(fake.workers.size(), 2U);
  fake.tell(Event::ended, fake.workers[0].number);
  fake.turn();
  EXPECT_EQ(pool->dying(), 0U);
  EXPECT_EQ(job_at(2), "waits");
}

TEST_F(PoolTest, ASubjectMayHaveAShareOfItsOwn) {
  settings.workers = 4;
  settings.per_subject = 1;
  start();
  for (const char* lane : {"x", "y"}) {
    Job joes = job(lane, lane);
    joes.subject = "joe";
    EXPECT_EQ(pool->can_take(joes), lane[0] == 'x');
    ask(std::move(joes));
  }
  Job anns = job("z", "z");
  anns.subject = "ann";
  EXPECT_TRUE(pool->can_take(anns));
  ask(std::move(anns));
  EXPECT_EQ(job_at(0), "x");
  EXPECT_EQ(job_at(1), "z");
  EXPECT_EQ(fake.workers.size(), 2U);
  EXPECT_EQ(pool->waiting(), 1U);
}

TEST_F(PoolTest, ANewWorkerIsOrderedByAnotherNameWhereTheJobSaysSo) {
  start();
  Job first = job("x", "1");
  first.subject = "1000";
  first.start_as = "joe@example.org";
  ask(std::move(first));
  EXPECT_EQ(job_at(0), "1");
  EXPECT_EQ(fake.workers[0].subject, "joe@example.org");
  worker_answers(0);
  Job second = job("y", "2");
  second.subject = "1000";
  second.start_as = "ann@example.org";
  ask(std::move(second));
  EXPECT_EQ(job_at(0), "2");
}

TEST_F(PoolTest, AnotherWorkerOfASubjectIsForThoseWhoWait) {
  settings.start_another = 2;
  start();
  ask("x", "1");
  ask("x", "2");
  EXPECT_EQ(job_at(0), "1");
  EXPECT_EQ(fake.workers.size(), 1U);
  ask("x", "3");
  EXPECT_EQ(job_at(1), "2");
  fake.answer_as(0, fake.last_serial() - 1, "");
  EXPECT_EQ(job_at(0), "3");
}

TEST_F(PoolTest, AWorkerThatNobodyNeedsEnds) {
  settings.max_idle_us = 30 * kSecond;
  start();
  ask("x", "1");
  EXPECT_EQ(job_at(0), "1");
  worker_answers(0);
  loop.advance_us(20 * kSecond);
  ask("x", "2");
  EXPECT_EQ(job_at(0), "2");
  worker_answers(0);
  loop.advance_us(20 * kSecond);
  EXPECT_EQ(pool->workers(), 1U);
  loop.advance_us(41 * kSecond);
  EXPECT_EQ(pool->workers(), 0U);
}

TEST_F(PoolTest, RenewedItHasNewWorkersAndBounds) {
  start();
  ask("x", "1");
  ask("y", "2");
  EXPECT_EQ(job_at(0), "1");
  EXPECT_EQ(job_at(1), "2");
  worker_answers(1);
  settings.time_limit_us = kSecond;
  pool->renew(settings);
  fake.turn();
  EXPECT_EQ(fake.reloads, 1);
  EXPECT_EQ(pool->workers(), 1U) << "one has a job still";
  fake.answer_as(0, fake.last_serial() - 1, "done");
  EXPECT_EQ(answer(0), "done");
  EXPECT_EQ(pool->workers(), 0U);
  ask("x", "3");
  EXPECT_EQ(job_at(2), "3");
  loop.advance_us(kSecond);
  EXPECT_EQ(answer(2), failed_with(ETIMEDOUT));
}

TEST_F(PoolTest, AnOrderToReloadWaitsForRoom) {
  start();
  constexpr int kMoreThanFit = 10'000;
  for (int i = 0; i < kMoreThanFit; ++i) pool->renew(settings);
  fake.turn();
  const int fitted = fake.reloads;
  EXPECT_LT(fitted, kMoreThanFit);
  loop.advance_us(kSecond);
  fake.turn();
  EXPECT_EQ(fake.reloads, fitted + 1);
}

// ---- workers that die or lie --------------------------------------------------------------------

TEST_F(PoolTest, AJobWhoseWorkerDiesGetsOneMore) {
  start();
  ask("x", "k");
  EXPECT_EQ(job_at(0), "k");
  fake.die(0);
  EXPECT_FALSE(answered(0));
  EXPECT_EQ(job_at(1), "k");
  fake.die(1);
  EXPECT_EQ(answer(0), failed_with(EPIPE));
  EXPECT_EQ(pool->in_flight(), 0U);
  EXPECT_EQ(pool->counters().retried, 1U);
  EXPECT_EQ(pool->counters().workers_lost, 2U);
}

TEST_F(PoolTest, AWriteWhoseWorkerDiesIsNotDoneTwice) {
  start();
  ask_write("x", "k");
  EXPECT_EQ(job_at(0), "k");
  fake.die(0);
  EXPECT_EQ(answer(0), failed_with(EPIPE));
}

TEST_F(PoolTest, AWorkerThatTalksNonsenseIsKilled) {
  start();
  ask("x", "k");
  EXPECT_EQ(job_at(0), "k");
  ASSERT_EQ(send(fake.workers[0].socket.get(), "nonsense", 8, 0), 8);
  EXPECT_EQ(job_at(1), "k");
  EXPECT_TRUE(fake.workers[0].is_killed);
  EXPECT_EQ(notices[Notice::worker_garbled], 1);
  EXPECT_EQ(pool->counters().workers_lost, 1U);
}

TEST_F(PoolTest, AnotherRequestsAnswerIsNone) {
  start();
  ask("x", "k");
  EXPECT_EQ(job_at(0), "k");
  fake.answer_as(0, fake.last_serial() + 1, "v");
  EXPECT_FALSE(answered(0));
  EXPECT_TRUE(fake.workers[0].is_killed);
  EXPECT_EQ(job_at(1), "k");
}

TEST_F(PoolTest, AnAnswerThatIsNotAcceptedIsNone) {
  settings.accepts = [](std::string_view request, const Message& answer) {
    return answer.body == std::string(request) + "!";
  };
  start();
  ask("x", "k");
  EXPECT_EQ(job_at(0), "k");
  worker_answers(0, "lie!");
  EXPECT_FALSE(answered(0));
  EXPECT_TRUE(fake.workers[0].is_killed);
  EXPECT_EQ(job_at(1), "k");
  worker_answers(1, "k!");
  EXPECT_EQ(answer(0), "k!");
}

TEST_F(PoolTest, AnAnswerToNothingKills) {
  start();
  ask("x", "k");
  EXPECT_EQ(job_at(0), "k");
  worker_answers(0, "v");
  worker_answers(0, "v");
  EXPECT_EQ(notices[Notice::worker_garbled], 1);
  EXPECT_TRUE(fake.workers[0].is_killed);
}

// ---- the spawner --------------------------------------------------------------------------------

TEST_F(PoolTest, WithoutWorkersTheAnswerIsTryAgain) {
  fake.refuse = EAGAIN;
  start();
  ask("x", "k");
  fake.turn();
  EXPECT_EQ(answer(0), failed_with(EAGAIN));
  EXPECT_EQ(notices[Notice::worker_refused], 1);
  fake.refuse = 0;
  loop.advance_us(2 * kSecond);
  ask("x", "k");
  EXPECT_EQ(job_at(0), "k");
}

TEST_F(PoolTest, AStartThatIsRefusedIsTriedAgainInAMoment) {
  start();
  ask("x", "1");
  EXPECT_EQ(job_at(0), "1");
  fake.refuse = EAGAIN;
  ask("x", "2");
  fake.turn();
  EXPECT_FALSE(answered(1)) << "a worker lives: it may be free soon";
  fake.refuse = 0;
  fake.turn();
  EXPECT_EQ(fake.workers.size(), 1U);
  loop.advance_us(kSecond);
  EXPECT_EQ(job_at(1), "2");
  EXPECT_EQ(pool->counters().retried, 0U) << "nobody had it";
}

TEST_F(PoolTest, AStartThatIsRefusedAfterItsJobWasGivenUpFreesTheLane) {
  settings.per_lane = 1;
  fake.refuse = EAGAIN;
  fake.buries = false;
  start();
  ask("x", "hangs");
  loop.advance_us(11 * kSecond);
  EXPECT_EQ(answer(0), failed_with(ETIMEDOUT));
  EXPECT_EQ(pool->dying(), 1U);
  fake.turn();
  EXPECT_EQ(pool->dying(), 0U);
  fake.refuse = 0;
  loop.advance_us(kSecond);
  ask("x", "next");
  EXPECT_EQ(job_at(0), "next");
}

TEST_F(PoolTest, WithoutASpawnerEverythingFails) {
  start();
  ask("x", "1");
  EXPECT_EQ(job_at(0), "1");
  fake.go();
  fake.turn();
  EXPECT_EQ(answer(0), failed_with(EPIPE));
  EXPECT_FALSE(pool->is_alive());
  ask("x", "2");
  EXPECT_FALSE(answered(1));
  fake.turn();
  EXPECT_EQ(answer(1), failed_with(EPIPE));
  EXPECT_EQ(notices[Notice::spawner_gone], 1);
}

TEST_F(PoolTest, ASpawnerThatTalksNonsenseIsNone) {
  start();
  ask("x", "1");
  EXPECT_EQ(job_at(0), "1");
  fake.tell(static_cast<Event>(9), fake.workers[0].number);
  fake.turn();
  EXPECT_FALSE(pool->is_alive());
  EXPECT_EQ(notices[Notice::spawner_gone], 1);
  EXPECT_EQ(answer(0), failed_with(EPIPE));
}

TEST_F(PoolTest, NewsOfTheUnknownChangesNothing) {
  start();
  for (const Event event : {Event::started, Event::refused, Event::ended}) fake.tell(event, 77);
  fake.turn();
  EXPECT_TRUE(pool->is_alive());
  loop.advance_us(kSecond);
  ask("x", "1");
  EXPECT_EQ(job_at(0), "1");
}

// ---- callbacks ----------------------------------------------------------------------------------

TEST_F(PoolTest, ACallbackMayAskAgainAndMayEndThePool) {
  settings.workers = 1;
  start();
  bool second = false;
  pool->ask(job("x", "1"), [&](Result<Message>&) {
    pool->ask(job("x", "2"), [&](Result<Message>&) {
      second = true;
      pool.reset();
    });
    pool->ask(job("x", "2"), [](Result<Message>&) { ADD_FAILURE() << "the pool is gone"; });
  });
  EXPECT_EQ(job_at(0), "1");
  worker_answers(0);
  EXPECT_EQ(job_at(0), "2");
  worker_answers(0);
  EXPECT_TRUE(second);
  EXPECT_EQ(pool, nullptr);
}

}  // namespace
}  // namespace qv::process
