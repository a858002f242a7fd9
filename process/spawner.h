// SPDX-License-Identifier: 0BSD
// process/spawner.h - the small process that starts workers and ends them.
//
// A daemon forks its spawner before it binds a socket or gives up rights, so that neither the
// spawner nor a worker holds a client's descriptor.  The spawner keeps the rights of the start and
// parses only orders of one form: start worker NUMBER for SUBJECT, with the socket that comes with
// the order; kill worker NUMBER; read the settings again.  The worker itself interprets its subject
// (an account's name, for example), in the program's own code, before it serves.  A spare process,
// forked and confined, waits for the next order, so that no job waits for fork(2).
//
//   daemon -- order: start (+ socket) or kill --> spawner -- fork --> worker
//   daemon <-- news: started, refused, ended ---- spawner
//
// The spawner bounds the number of living workers, including those that were killed and cannot die
// yet.  When the daemon is gone it kills all of them and exits.
//
// Threads: none.  Blocking: start_spawner() does not.  Tests: tests/process/spawner_test.cc
#ifndef QV_PROCESS_SPAWNER_H_
#define QV_PROCESS_SPAWNER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "core/fd.h"
#include "core/result.h"
#include "process/channel.h"
#include "process/child.h"

namespace qv::process {

inline constexpr std::size_t kMaxSubject = 4096;  // bytes

struct SpawnerSettings {
  Confinement confinement;           // of the workers
  std::uint32_t max_processes = 16;  // living workers, dying ones included
  // Called in the worker: becomes the account for `subject` and serves `socket`.  The worker exits
  // when this returns.
  std::function<void(const std::string& subject, Fd socket)> run;
  // Called in the spawner: reads the settings for workers started from now on.
  std::function<void()> reload = {};
};

// Closing the socket ends the spawner and every worker.
using Spawner = Child;

// Forks the spawner.  REQUIRES: no threads.  Error: the errno of socketpair(2) or fork(2).
[[nodiscard]] Result<Spawner> start_spawner(SpawnerSettings settings);

// ---- messages: `kind` of a Message, whose serial is the worker's number -------------------------

// The body of a start is the subject, its file the worker's socket.  Numbers are never reused.
enum class Order : std::uint32_t { start = 1, kill = 2, reload = 3 };

enum class Event : std::uint32_t {
  started = 1,  // the body is the pid
  refused = 2,  // not started: the body is the errno (EAGAIN: max_processes)
  ended = 3,    // the worker is gone
};

struct News {
  Event event = Event::ended;
  std::uint64_t worker = 0;
  std::int32_t number = 0;  // a pid, an errno, or 0
};

[[nodiscard]] Result<void> send_order(const Fd& spawner, Order order, std::uint64_t worker,
                                      std::string_view subject, int socket);

// Never waits.  Errors: those of receive_message(); Fault::protocol where the message is no News.
[[nodiscard]] Result<News> receive_news(const Fd& spawner);

}  // namespace qv::process

#endif  // QV_PROCESS_SPAWNER_H_
