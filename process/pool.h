// SPDX-License-Identifier: 0BSD
// process/pool.h - a bounded number of confined workers, and the jobs that wait for them.
//
// A job names a subject (which worker may do it: an account, or nothing) and a lane (what hangs
// together: a home, a table, a mailbox).  An idle worker of the subject gets it, else a new one; at
// the limit, the worker that has been idle longest makes room.  Lanes take turns, and at most
// `per_lane` jobs of one run at a time, so that a lane that hangs cannot occupy all workers.  Equal
// jobs under way share one run.  The pool gives up a job that is overdue, waiting included, and
// kills its worker; it repeats a job once where the worker died and the job is repeatable.
//
// Threads: none; belongs to one event loop, whose clock it uses.  Blocking: none.
// Owns: the sockets of the spawner and the workers.  Destroying the pool ends all of them and drops
// jobs under way without calling back.  Tests: tests/process/pool_test.cc
#ifndef QV_PROCESS_POOL_H_
#define QV_PROCESS_POOL_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/fd.h"
#include "core/result.h"
#include "event/loop.h"
#include "process/channel.h"
#include "process/log.h"
#include "process/spawner.h"

namespace qv::process {

struct Job {
  std::string subject;
  std::string start_as = {};  // subject of the order that starts a worker; empty: `subject`
  std::string lane;
  std::string identity;            // jobs with the same one share an answer; empty: never shared
  std::string body;                // the request
  Fd file;                         // handed to the worker
  bool is_repeatable = true;       // false: it must not be done twice
  std::int64_t time_limit_us = 0;  // from ask() to the answer; 0: the pool's
};

struct PoolSettings {
  std::size_t workers = 4;             // serving at a time; see SpawnerSettings::max_processes
  std::size_t per_lane = 2;            // jobs of one lane running at a time
  std::size_t queue = 1024;            // waiting jobs
  std::size_t lane_queue = 512;        // waiting jobs of one lane
  std::size_t per_subject = SIZE_MAX;  // jobs of one subject running at a time
  // Jobs of a lane that must wait before a subject with a busy worker gets another worker.  More
  // than 1 suits quick jobs whose workers are slow to start.
  std::size_t start_another = 1;
  std::int64_t time_limit_us = 2000000;
  std::int64_t max_idle_us = INT64_MAX;  // an idle worker ends after that
  std::uint64_t max_use = 0;             // jobs after which a worker is replaced; 0: never
  // False for an answer that does not fit the request: the pool kills the worker and repeats the
  // job once.  Empty: every answer fits.
  std::function<bool(std::string_view request, const Message& answer)> accepts;
};

// What happens to workers; never a job's contents.
enum class Notice : std::uint8_t {
  worker_started,
  worker_overdue,  // killed: a job took longer than its limit
  worker_died,     // by itself, or killed from outside
  worker_garbled,  // killed: it sent no valid answer
  worker_refused,  // the spawner could not start one: `errnum` says why
  spawner_gone,    // nothing can be started any more
};

struct PoolCounters {        // since the start
  std::uint64_t jobs = 0;    // submitted
  std::uint64_t joined = 0;  // shared the answer of an equal job
  std::uint64_t overdue = 0;
  std::uint64_t overflows = 0;  // refused: the queue was full
  std::uint64_t retried = 0;
  std::uint64_t workers_started = 0;
  std::uint64_t workers_lost = 0;  // died or killed
  std::uint64_t workers_refused = 0;
};

class Pool {
 public:
  // The answer, which the callback of a job without an identity may move from; or Fault::retry with
  // ETIMEDOUT (overdue), EAGAIN (queue full), EPIPE (the worker died, or there is no spawner), or
  // the errno with which starting a worker failed.
  using Done = std::function<void(Result<Message>& answer)>;
  using Ticket = std::uint64_t;  // never 0
  using Observer = std::function<void(Notice notice, pid_t worker, int errnum)>;

  // `observer` may be empty; it must not call the pool.  REQUIRES: `loop` outlives the pool.
  Pool(event::Loop& loop, Spawner spawner, PoolSettings settings, Observer observer);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Calls back exactly once, within the time limit, from the loop and never from inside ask().
  Ticket ask(Job job, Done done);
  // Drops the callback.  A job without callbacks is not begun; one that is running goes on.
  void cancel(Ticket ticket);

  // True where this job would run at once.
  [[nodiscard]] bool can_take(const Job& job) const;

  // Replaces the bounds, has the spawner read its settings again, and gives no further job to the
  // present workers.
  void renew(PoolSettings settings);

  // False once the spawner is gone.
  [[nodiscard]] bool is_alive() const;

  [[nodiscard]] const PoolCounters& counters() const;
  [[nodiscard]] std::size_t workers() const;  // serving, idle ones included
  [[nodiscard]] std::size_t idle() const;
  [[nodiscard]] std::size_t dying() const;      // killed or released, not gone yet
  [[nodiscard]] std::size_t waiting() const;    // jobs without a worker
  [[nodiscard]] std::size_t in_flight() const;  // jobs not answered yet

 private:
  class Engine;
  std::unique_ptr<Engine> engine_;
};

// An observer that logs `worker event=worker_died pid=... errno=...` for everything but starts, and
// calls `gone` when the spawner is gone.  REQUIRES: `log` outlives the pool.
[[nodiscard]] Pool::Observer log_notices(LogWriter& log, std::function<void()> gone);

}  // namespace qv::process

#endif  // QV_PROCESS_POOL_H_
