// SPDX-License-Identifier: 0BSD
// process/pool.h - a bounded number of confined workers, and the jobs that wait for them.
//
// A job names a subject (which worker may do it: an account, or nothing), and a lane (what can hang
// as one: a home, a table, a mailbox).  An idle worker of the subject does it, else a new one;
// where as many live as may, the worker that has been idle longest makes room.  Lanes take turns,
// and at most `per_lane` jobs of one are with workers at a time, so that what hangs cannot take
// them all. Equal look-ups under way are done once.  A job that is overdue, waiting included, is
// given up and its worker killed; one whose worker dies is done once more by another, if it may be.
//
// Threads: none; belongs to one event loop, whose clock it uses.  Blocking: none.
// Owns: the spawner's socket and the workers'.  Destroying the pool ends them all, and drops jobs
// under way without calling back.  Tests: tests/process/pool_test.cc
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
#include "process/spawner.h"

namespace qv::process {

struct Job {
  std::string subject;
  std::string start_as = {};  // the subject of the order for a new worker, if it is another one
  std::string lane;
  std::string identity;       // equal jobs under way share one answer; empty: this one never does
  std::string body;           // the request
  Fd file;                    // handed to the worker
  bool is_repeatable = true;  // false: whether a worker that died had done it matters
  std::int64_t time_limit_us = 0;  // from ask() to the answer; 0: the pool's
};

struct PoolSettings {
  std::size_t workers = 4;             // that serve at a time; see SpawnerSettings::max_processes
  std::size_t per_lane = 2;            // jobs of one lane with workers at a time
  std::size_t queue = 1024;            // jobs that wait
  std::size_t lane_queue = 512;        // jobs of one lane that wait
  std::size_t per_subject = SIZE_MAX;  // jobs of one subject with workers at a time
  // As many jobs of a lane must wait before a subject that has a busy worker gets another one: for
  // quick jobs, and workers that are dear to start.
  std::size_t start_another = 1;
  std::int64_t time_limit_us = 2000000;
  std::int64_t max_idle_us = INT64_MAX;  // how long a worker without a job is kept
  std::uint64_t max_use = 0;             // jobs after which a worker is replaced; 0: never
  // False for an answer that nobody who was asked `request` would give: its worker is killed, and
  // the job done once more.  Empty: any answer will do.
  std::function<bool(std::string_view request, const Message& answer)> accepts;
};

// What an operator may want to read; never a job's contents.
enum class Notice : std::uint8_t {
  worker_started,
  worker_overdue,  // killed: a job took longer than its limit
  worker_died,     // by itself, or by somebody's hand
  worker_garbled,  // killed: its answer was none
  worker_refused,  // the spawner could not start one: `errnum` says why
  spawner_gone,    // nothing can be started any more
};

// "worker_started", ...: for log lines.
[[nodiscard]] const char* notice_name(Notice notice);

struct PoolCounters {        // since the start
  std::uint64_t jobs = 0;    // asked for
  std::uint64_t joined = 0;  // got the answer to an equal one
  std::uint64_t overdue = 0;
  std::uint64_t overflows = 0;  // refused: the queue was full
  std::uint64_t retried = 0;
  std::uint64_t workers_started = 0;
  std::uint64_t workers_lost = 0;  // died, or were killed
  std::uint64_t workers_refused = 0;
};

class Pool {
 public:
  // The answer, which may be moved from by a job without an identity; or Fault::retry with
  // ETIMEDOUT (overdue), EAGAIN (queue full), EPIPE (its worker died, or there is no spawner), or
  // the errno for which no worker could be started.
  using Done = std::function<void(Result<Message>& answer)>;
  using Ticket = std::uint64_t;  // never 0
  using Observer = std::function<void(Notice notice, pid_t worker, int errnum)>;

  // `observer` may be empty; it must not call the pool.  REQUIRES: `loop` outlives the pool.
  Pool(Loop& loop, Spawner spawner, PoolSettings settings, Observer observer);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Calls back exactly once, within the time limit, from the loop and never from inside ask().
  Ticket ask(Job job, Done done);
  // The callback will not be called.  A job that nobody waits for any more is not begun; one that
  // is under way goes on.
  void cancel(Ticket ticket);

  // Would a worker take this job now?
  [[nodiscard]] bool can_take(const Job& job) const;

  // From now on: these bounds, and workers that were started after the spawner has read its
  // settings again.  Those that there are get no further job.
  void renew(PoolSettings settings);

  // False once the spawner is gone.
  [[nodiscard]] bool is_alive() const;

  [[nodiscard]] const PoolCounters& counters() const;
  [[nodiscard]] std::size_t workers() const;  // that serve, idle ones included
  [[nodiscard]] std::size_t idle() const;
  [[nodiscard]] std::size_t dying() const;      // killed or released, not gone yet
  [[nodiscard]] std::size_t waiting() const;    // jobs without a worker
  [[nodiscard]] std::size_t in_flight() const;  // jobs not answered yet

 private:
  class Engine;
  std::unique_ptr<Engine> engine_;
};

}  // namespace qv::process

#endif  // QV_PROCESS_POOL_H_
