// SPDX-License-Identifier: 0BSD
// helper/pool.h - the front's side of the helper: questions that may block, asked without blocking.
//
// ask() gives a request to an idle worker, or has one started, or queues it; the callback comes
// from the loop, never from inside ask(), exactly once, within the time limit.  A worker that is
// overdue is given up and killed; its place is free again when the keeper has seen it die.  A
// worker that dies with a request in its hands costs that request one more try.  At most
// `per_owner` requests of one owner (and as many of NSS) are with workers at a time, so that one
// hanging home cannot take them all.  Without a keeper every request is answered Fault::retry.
//
// Requests equal to one in flight are not joined here: that is the asker's cache.
//
// Threads: none; belongs to one event loop.  Blocking: none.
// Owns: the keeper's socket and the workers'; destroying the pool ends them all, and drops the
// requests that are under way without calling back.
// Tests: tests/helper/pool_test.cc
#ifndef QV_HELPER_POOL_H_
#define QV_HELPER_POOL_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/fd.h"
#include "core/result.h"
#include "event/loop.h"
#include "helper/keeper.h"
#include "helper/outbox.h"
#include "helper/reply.h"
#include "helper/request.h"

namespace qv::helper {

struct PoolSettings {
  std::uint32_t workers = 4;             // that serve; see also KeeperSettings::max_processes
  std::uint32_t per_owner = 2;           // requests of one owner with workers at a time
  std::uint32_t queue = 1024;            // requests that wait; more are answered Fault::retry
  std::int64_t time_limit_us = 2000000;  // from ask() to the callback
};

// Something an operator may want to read; never a request's contents.
enum class Notice : std::uint8_t {
  worker_started,
  worker_overdue,  // killed: a look-up took longer than the limit
  worker_died,     // by itself, or by somebody's hand
  worker_garbled,  // killed: its answer was none
  worker_refused,  // the keeper could not start one: `errnum` says why
  keeper_gone,     // nothing can be looked up any more
};

// "worker_started", ...: for log lines.
[[nodiscard]] const char* notice_name(Notice notice);

class Pool {
 public:
  using Callback = Outbox::Callback;
  using Observer = std::function<void(Notice notice, pid_t worker, int errnum)>;

  // `observer` may be empty; it must not call the pool.  REQUIRES: `loop` outlives the pool.
  Pool(Loop& loop, Keeper keeper, const PoolSettings& settings, Observer observer);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Calls back once: a Reply; Fault::retry with ETIMEDOUT (overdue), EAGAIN (queue full), EPIPE
  // (worker died twice, or no keeper); or the worker's own fault and errno.
  void ask(const Request& request, Callback callback);

  // False once the keeper is gone.
  [[nodiscard]] bool alive() const;

  struct Counts {
    std::uint32_t idle = 0;     // workers that wait for a request
    std::uint32_t busy = 0;     // workers that have one
    std::uint32_t dying = 0;    // killed, not gone yet
    std::uint32_t waiting = 0;  // requests in the queue
    std::uint64_t asked = 0;    // since the start, like those below
    std::uint64_t overdue = 0;
    std::uint64_t overflowed = 0;
    std::uint64_t retried = 0;
  };
  [[nodiscard]] Counts counts() const;

 private:
  class Engine;
  std::unique_ptr<Engine> engine_;
};

}  // namespace qv::helper

#endif  // QV_HELPER_POOL_H_
