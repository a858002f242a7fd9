// SPDX-License-Identifier: 0BSD
// process/skeleton.h - what every daemon is, from start to end, with its rights in plain sight.
//
//   parse       settings and control files; nothing is opened that a request could reach
//   pre_jail    with the rights it was started with: helpers forked, sockets bound, files opened
//   (jail)      chroot, groups, gid, uid, proof, no-new-privs, limits: process/jail.h
//   post_jail   what the low-privilege account may open; timers and watches on the loop
//   (serve)     the loop runs; SIGHUP calls reload(), SIGUSR1 log_counters(), SIGTERM and SIGINT
//               stop it
//   finish      last words: what is still buffered
//
// A phase that fails says why in one line on standard error, and the daemon exits 111; its
// supervisor starts it again.  Before serve SIGTERM simply ends the process; a SIGHUP or SIGUSR1
// that comes early is carried out when the loop runs.  SIGPIPE is ignored throughout.
//
// Threads: none.  Tests: tests/process/skeleton_test.cc
#ifndef QV_PROCESS_SKELETON_H_
#define QV_PROCESS_SKELETON_H_

#include <string>
#include <string_view>

#include "core/result.h"
#include "event/loop.h"
#include "process/jail.h"

namespace qv {

class Daemon {
 public:
  virtual ~Daemon() = default;
  Daemon() = default;
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // On failure `detail` may say more than the Error does: which setting, which address, which file.
  // What is printed is "program: fatal: detail: what: strerror(errnum)", without what is empty.
  [[nodiscard]] virtual Result<void> parse(std::string& detail) = 0;
  [[nodiscard]] virtual Result<void> pre_jail(std::string& detail) = 0;
  // How the jail is to be; asked after pre_jail().
  [[nodiscard]] virtual JailSettings jail() const = 0;
  [[nodiscard]] virtual Result<void> post_jail(std::string& detail) = 0;
  // SIGHUP: read again what may have changed.  The rights of the start are gone and stay gone.
  virtual void reload() = 0;
  // SIGUSR1: one line that says what was counted since the start.
  virtual void log_counters() = 0;
  // After the loop has ended and before the process does.
  virtual void finish() {}

  // Stops the loop; the process then exits with 111, so that its supervisor starts it again: for
  // what only a new start can mend, such as a spawner that is gone.
  void end_for_restart(Loop& loop) {
    must_restart_ = true;
    loop.stop();
  }
  [[nodiscard]] bool must_restart() const { return must_restart_; }

 private:
  bool must_restart_ = false;
};

// Runs the phases, then `loop`, and returns the exit code: 0 after SIGTERM, SIGINT or loop.stop(),
// 111 after a failed phase and after end_for_restart().  `program` begins the line that says why.
// REQUIRES: `loop` outlives `daemon` (declare it first in main).
[[nodiscard]] int run_daemon(std::string_view program, Daemon& daemon, Loop& loop);

// "program: fatal: detail: what: strerror(errnum)" on standard error, in one write(2).
void say_fatal(std::string_view program, std::string_view detail, const Error& error);

}  // namespace qv

#endif  // QV_PROCESS_SKELETON_H_
