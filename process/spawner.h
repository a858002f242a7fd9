// SPDX-License-Identifier: 0BSD
// process/spawner.h - the small process that starts workers and ends them.
//
// A daemon forks it before it binds a socket or gives up rights, so that neither the spawner nor a
// worker holds anything of a client's.  It keeps the rights it was started with, and parses nothing
// but orders of one form: start worker NUMBER for SUBJECT, over the socket that comes with the
// order; kill worker NUMBER; read the settings again.  What a subject means - an account's name,
// for example - is decided in the worker, by the program's own code, before it serves.  One more
// process than there are workers is forked and confined already, so that no job waits for that.
//
//   daemon -- order: start (+ socket) or kill --> spawner -- fork --> worker
//   daemon <-- news: started, refused, ended ---- spawner
//
// It bounds the living, those that were killed and cannot die yet included, and ends, killing all
// of them, when the daemon is gone.
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
  // Called in the new worker; it becomes whom `subject` asks for and serves `socket`.  The worker
  // ends when it returns.
  std::function<void(const std::string& subject, Fd socket)> run;
  // Called in the spawner: reads again what the workers started from now on are to have.
  std::function<void()> reload = {};
};

// Closing the socket ends the spawner and every worker.
using Spawner = Child;

// Forks the spawner.  REQUIRES: no threads.  Error: the errno of socketpair(2) or fork(2).
[[nodiscard]] Result<Spawner> start_spawner(SpawnerSettings settings);

// ---- the messages: `kind` of a Message; its serial is the worker's number
// ------------------------

// The body of start is the subject, its file the worker's socket.  A number is never given twice.
enum class Order : std::uint32_t { start = 1, kill = 2, reload = 3 };

enum class Event : std::uint32_t {
  started = 1,  // the pid stands in the body
  refused = 2,  // there is no such worker: the errno stands in the body (EAGAIN: as many as may be)
  ended = 3,    // it is gone and no longer counts
};

struct News {
  Event event = Event::ended;
  std::uint64_t worker = 0;
  std::int32_t number = 0;  // a pid, an errno, or 0
};

[[nodiscard]] Result<void> send_order(const Fd& spawner, Order order, std::uint64_t worker,
                                      std::string_view subject, int socket);

// Never waits.  Errors: as receive_message(), with Fault::protocol for what is no news.
[[nodiscard]] Result<News> receive_news(const Fd& spawner);

}  // namespace qv::process

#endif  // QV_PROCESS_SPAWNER_H_
