// SPDX-License-Identifier: 0BSD
// proxymap/pool.h - a bounded number of workers, and the jobs that wait for them.
//
// A table has at most so many jobs with workers and so many in its queue; what comes on top is told
// to try again later, at once.  Tables take turns.  A look-up that somebody else is waiting for
// already is not asked again: both get the answer.  A job that takes too long, waiting included, is
// given up, and the worker that has it is killed; a look-up whose worker dies gets one more.
//
// Threads: none; one Loop.  Blocking: fork(2).  Owns: the workers; they end with it.
// Tests: tests/proxymap/pool_test.cc
#ifndef QV_PROXYMAP_POOL_H_
#define QV_PROXYMAP_POOL_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "event/loop.h"
#include "event/stream.h"
#include "proxymap/job.h"
#include "proxymap/worker.h"

namespace qv::proxymap {

struct PoolLimits {
  std::size_t workers = 16;
  std::size_t per_table = 4;           // jobs of one table with workers
  std::size_t queue = 1000;            // jobs of one table that wait
  std::int64_t time_us = 100'000'000;  // from ask() to the answer
  std::uint64_t max_use = 0;           // jobs after which a worker is replaced; 0: never
};

struct PoolCounters {
  std::uint64_t jobs = 0;       // taken, joined ones included
  std::uint64_t joined = 0;     // got the answer to somebody else's question
  std::uint64_t overflows = 0;  // refused: the queue was full
  std::uint64_t overdue = 0;
  std::uint64_t workers_started = 0;
  std::uint64_t workers_lost = 0;  // died, or were killed
};

class Pool {
 public:
  using Callback = std::function<void(const JobAnswer&)>;
  using Ticket = std::uint64_t;  // never 0
  using Start = std::function<Result<Worker>()>;

  // `start` makes a worker (start_worker(); tests have their own).  REQUIRES: `loop` outlives it.
  Pool(Loop& loop, const PoolLimits& limits, Start start);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Calls back once, from the loop, never from within ask(); 0, and never, where the queue is full.
  [[nodiscard]] Ticket ask(Job job, Callback callback);
  // The callback is not called any more.  A job that nobody waits for is not begun.
  void cancel(Ticket ticket);

  [[nodiscard]] const PoolCounters& counters() const { return counters_; }
  [[nodiscard]] std::size_t workers() const { return workers_.size(); }
  // Jobs with workers and jobs waiting.
  [[nodiscard]] std::size_t in_flight() const { return tasks_.size(); }

 private:
  class Member;  // one worker
  struct Task;
  using Tasks = std::list<Task>;
  struct Lane {  // the jobs of one table
    std::deque<Task*> waiting;
    std::size_t running = 0;
  };

  using Lanes = std::map<std::string, Lane>;

  void dispatch();
  [[nodiscard]] Lanes::iterator next_lane();
  [[nodiscard]] Member* free_worker(const std::string& table);
  [[nodiscard]] Member* new_worker();
  void give(Member& worker, Task& task);
  void finish(Task& task, const JobAnswer& answer);
  void take_from_worker(Task& task);
  void take_from_queue(Task& task);
  void on_answer(Member& worker, const JobAnswer& answer);
  void on_lost(Member& worker);
  void kill_worker(Member& worker);
  void forget_worker(Member& worker);
  void give_up(Task& task);
  void look_around();
  void reap();

  Loop& loop_;
  const PoolLimits limits_;
  const Start start_;
  PoolCounters counters_;
  Tasks tasks_;
  std::unordered_map<std::string, Task*> same_;  // look-ups in flight, by identity
  std::unordered_map<Ticket, Task*> tickets_;
  Lanes lanes_;
  std::string last_lane_;  // whose turn it was
  std::list<std::unique_ptr<Member>> workers_;
  std::vector<pid_t> dying_;
  Ticket next_ticket_ = 1;
  std::int64_t start_again_us_ = 0;  // a worker could not be started: not before then
  Loop::Owned sweep_;
};

}  // namespace qv::proxymap

#endif  // QV_PROXYMAP_POOL_H_
