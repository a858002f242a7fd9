// SPDX-License-Identifier: 0BSD
// helper/crew.h - the workers as the front sees them: a number, a socket, living or dying.
//
// Starts and kills through the keeper, sends requests, takes responses apart.  What is asked of
// whom, and until when, is the pool's business (pool.h).
//
// Threads: none; belongs to one event loop.  Blocking: none.  Owns: the keeper's socket and the
// workers'.  Tests: tests/helper/pool_test.cc
#ifndef QV_HELPER_CREW_H_
#define QV_HELPER_CREW_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "core/fd.h"
#include "event/loop.h"
#include "helper/keeper.h"
#include "helper/pool.h"
#include "helper/request.h"

namespace qv::helper {

class Crew {
 public:
  using Number = std::uint64_t;

  // What the crew tells; called from the loop only, each as the last thing its caller does: they
  // may destroy the crew.
  class Events {
   public:
    virtual ~Events() = default;
    Events() = default;
    Events(const Events&) = delete;
    Events& operator=(const Events&) = delete;

    virtual void worker_ready(Number worker) = 0;
    virtual void worker_answered(Number worker, const Response& response, Fd file) = 0;
    // It died or was killed for talking nonsense; it has nothing in its hands any more.
    virtual void worker_lost(Number worker) = 0;
    // A worker that was starting is not, or one that was dying has died: places may be free.
    virtual void place_changed() = 0;
    virtual void keeper_gone() = 0;
  };

  Crew(Loop& loop, Keeper keeper, Events& events, Pool::Observer observer);
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  // False once the keeper is gone: there are no workers then.
  [[nodiscard]] bool alive() const { return keeper_.socket.valid(); }
  [[nodiscard]] std::size_t serving() const { return workers_.size(); }
  [[nodiscard]] std::size_t starting() const { return starting_.size(); }
  [[nodiscard]] std::size_t dying() const { return dying_.size(); }

  // Orders one more worker, unless one was refused a moment ago.
  void start_one();

  // False where the worker could not be given it; it is lost then, and worker_lost() not called.
  [[nodiscard]] bool send(Number worker, const Request& request);

  // Closes its socket and has it killed; it is dying until the keeper has seen it end.
  void give_up(Number worker, Notice why, int errnum);

 private:
  struct Worker {
    pid_t pid = -1;
    Fd socket;
    Loop::Owned watch;
    bool ended = false;  // the keeper has seen it die; what it sent before is still to be read
  };

  [[nodiscard]] bool order(Command command, Number worker);
  void read_keeper();
  void take_news(const News& news, Fd socket);
  void started(const News& news, Fd socket);
  void ended(Number number);
  void read_worker(Number number);
  void lose(Number number, Notice why, int errnum);
  void lose_keeper();
  void pause_starts();
  void send_kills();
  void notice(Notice what, pid_t pid, int errnum) const;

  Loop& loop_;
  Keeper keeper_;
  Events& events_;
  Pool::Observer observer_;
  Loop::Owned keeper_watch_;
  std::map<Number, Worker> workers_;
  std::set<Number> starting_;
  std::set<Number> dying_;
  std::vector<Number> kills_;  // orders the keeper had no room for yet
  Loop::Owned pause_;          // lives while starts are on hold or kills wait
  Number next_number_ = 1;
};

}  // namespace qv::helper

#endif  // QV_HELPER_CREW_H_
