// SPDX-License-Identifier: 0BSD
// process/worker_set.h - the workers as the daemon sees them: a number, a socket, living or dying.
//
// It starts and kills them through the spawner, sends requests and receives answers.  The pool
// (process/pool.h) decides which worker gets which request, and for how long.
//
// Threads: none; belongs to one event loop.  Blocking: none.  Owns: the sockets of the spawner and
// the workers.  Tests: tests/process/pool_test.cc
#ifndef QV_PROCESS_WORKER_SET_H_
#define QV_PROCESS_WORKER_SET_H_

#include <sys/types.h>

#include <cstdint>
#include <list>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "event/loop.h"
#include "process/pool.h"

namespace qv::process {

struct Task;  // the pool's: a job and its callbacks

class WorkerSet {
 public:
  struct Worker {
    std::uint64_t number = 0;
    std::string subject;
    pid_t pid = -1;  // -1: the spawner has not reported it yet
    Fd socket;
    event::Loop::Owned watch;
    bool has_ended = false;  // the spawner has reported its end
    bool is_stale = false;   // gets no further request
    std::int64_t idle_since_us = 0;
    std::uint64_t used = 0;       // requests sent
    std::set<std::string> lanes;  // of these: it probably has files open for them
    Task* task = nullptr;         // nullptr: idle
  };

  // Callbacks from the loop.  Each is the last thing its caller does, and may destroy the set.
  class Events {
   public:
    virtual ~Events() = default;
    Events() = default;
    Events(const Events&) = delete;
    Events& operator=(const Events&) = delete;

    virtual void answered(Worker& worker, Message answer) = 0;
    // The worker is gone; `worker` is destroyed when this returns.  `refused`: the errno with which
    // the spawner refused to start it, or 0.
    virtual void lost(Worker& worker, int refused) = 0;
    // A worker killed while it hung in a job of this subject and lane is gone.
    virtual void hung_gone(const std::string& subject, const std::string& lane) = 0;
    // A worker may be startable again.
    virtual void may_start() = 0;
    virtual void spawner_gone() = 0;
  };

  WorkerSet(event::Loop& loop, Spawner spawner, Events& events, Pool::Observer observer);
  ~WorkerSet();
  WorkerSet(const WorkerSet&) = delete;
  WorkerSet& operator=(const WorkerSet&) = delete;

  [[nodiscard]] bool is_alive() const { return spawner_.socket.valid(); }
  // The number of workers that serve, and of those that are dying.
  [[nodiscard]] std::size_t size() const { return workers_.size(); }
  [[nodiscard]] std::size_t dying() const { return dying_.size(); }
  // False for a moment after the spawner refused to start one.
  [[nodiscard]] bool can_start() const { return is_alive() && pause_ == nullptr; }

  // A worker that is being started and accepts requests at once; nullptr where none can start now.
  [[nodiscard]] Worker* start(const std::string& subject, const std::string& start_as);
  // False where the worker is gone; it is destroyed then.
  [[nodiscard]] bool send(Worker& worker, std::uint64_t serial, const Job& job);
  // Kills and destroys `worker`.
  void kill(Worker& worker, Notice why, int errnum);
  // The same for a worker that hangs in a job of that lane; hung_gone() follows when it is dead.
  void kill_hung(Worker& worker, const std::string& lane);
  // Closes its socket, so that it ends by itself, and destroys `worker`.
  void release(Worker& worker);

  // An idle worker of the subject, preferably one that has served the lane; nullptr: none.
  [[nodiscard]] Worker* find_idle(const std::string& subject, const std::string& lane);
  // Release workers that have been idle since before that moment; all that are idle now, the others
  // when they have answered.
  void release_idle(std::int64_t before_us);
  void release_all();
  void order_reload();
  // The worker that has been idle longest, of any subject; nullptr: none.
  [[nodiscard]] Worker* longest_idle();
  [[nodiscard]] std::size_t idle() const;

 private:
  void read_spawner();
  void follow(const News& news);
  void read_worker(Worker& worker);
  void lose(Worker& worker, Notice why, int errnum, int refused);
  [[nodiscard]] std::list<Worker>::iterator place_of(const Worker& worker);
  [[nodiscard]] std::list<Worker> take_out(Worker& worker);
  std::list<Worker> take_and_kill(Worker& worker, Notice why, int errnum);
  [[nodiscard]] Worker* find(std::uint64_t number);
  [[nodiscard]] bool has_orders() const { return !kills_.empty() || must_reload_; }
  void send_orders();
  void forget_dead(std::uint64_t number);
  void pause_starts();
  void lose_spawner();
  void notice(Notice what, pid_t pid, int errnum) const;

  event::Loop& loop_;
  Spawner spawner_;
  Events& events_;
  Pool::Observer observer_;
  std::uint64_t next_number_ = 1;
  std::list<Worker> workers_;  // in the order of their last use
  struct Dying {
    bool was_hung = false;
    std::string subject;
    std::string lane;
  };
  std::map<std::uint64_t, Dying> dying_;
  // Orders that did not fit into the spawner's socket.
  std::vector<std::uint64_t> kills_;
  bool must_reload_ = false;
  event::Loop::Owned watch_;
  event::Loop::Owned pause_;
};

}  // namespace qv::process

#endif  // QV_PROCESS_WORKER_SET_H_
