// SPDX-License-Identifier: 0BSD
// process/skeleton.h - the life of every daemon from start to end, with its rights in plain sight.
//
//   parse       settings (process/program.h); the account is found, qmailhome becomes the directory
//   pre_jail    with the rights it was started with: agents forked, sockets bound, files opened
//   (jail)      groups, gid, uid, proof, no-new-privs, limits: process/jail.h
//   post_jail   what the low-privilege account may open; timers and watches on the loop
//   (serve)     the loop runs; SIGHUP calls reload(), SIGUSR1 log_counters(), SIGTERM and SIGINT
//               stop it
//   finish      the counters and buffered log lines go out
//
// A phase that fails says why in one line on standard error, and the daemon exits 111 for its
// supervisor to start it again.  Before serve SIGTERM simply ends the process; a SIGHUP or SIGUSR1
// that comes early takes effect when the loop runs.  SIGPIPE is ignored throughout.
//
// Threads: none.  Tests: tests/process/skeleton_test.cc
#ifndef QV_PROCESS_SKELETON_H_
#define QV_PROCESS_SKELETON_H_

#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"
#include "event/loop.h"
#include "process/jail.h"
#include "process/log.h"
#include "process/options.h"

namespace qv::process {

class Daemon {
 public:
  // `settings` says where the values of `process` come from.  REQUIRES: all outlive this object.
  Daemon(event::Loop& loop, const ProcessOptions& process, const control::Settings& settings)
      : loop_(loop), process_(process), settings_(settings) {}
  virtual ~Daemon() = default;
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // On failure `detail` may add the setting, address or file.  The line is
  // "program: fatal: detail: what: strerror(errnum)", without empty parts.
  [[nodiscard]] virtual Result<void> pre_jail(std::string& detail) = 0;
  [[nodiscard]] virtual Result<void> post_jail(std::string& detail) = 0;
  // RLIMIT_NOFILE; 0: the system's default.  Called after pre_jail().
  [[nodiscard]] virtual std::uint64_t open_files() const { return 0; }
  // SIGHUP: reads again what may have changed, without the rights of the start.
  virtual void reload() = 0;
  // SIGUSR1: logs the counters since the start on one line.
  virtual void log_counters();
  // When the loop has ended: logs the counters and writes out buffered lines.
  virtual void finish();
  // Of the process, after finish(): 111 after end_for_restart(), else 0.
  [[nodiscard]] virtual int exit_code() const;

  // Stops the loop; the process exits with 111, and its supervisor starts it again.  For what only
  // a new start can mend, such as the loss of the spawner.
  void end_for_restart() {
    must_restart_ = true;
    loop_.stop();
  }

 protected:
  // The fields of the line `counters`.
  virtual void add_counters(LogLine& /*line*/) {}
  // A line `start` with version and addresses, for the daemon to complete and write.
  [[nodiscard]] LogLine start_line() const;

  event::Loop& loop_;
  const ProcessOptions& process_;
  const control::Settings& settings_;
  Account account_;               // from pre_jail() on; not used where the process is not root's
  std::optional<LogWriter> log_;  // from post_jail() on

 private:
  friend int run_daemon(std::string_view program, Daemon& daemon);
  [[nodiscard]] Result<void> start(std::string& detail);
  void serve();

  bool must_restart_ = false;
};

// Runs the phases, then the loop, and returns the exit code: the daemon's after SIGTERM, SIGINT or
// loop.stop(), 111 after a failed phase.  `program` begins the line that says why.
// REQUIRES: the loop outlives `daemon` (declare it first in main).
[[nodiscard]] int run_daemon(std::string_view program, Daemon& daemon);

// "program: fatal: detail: what: strerror(errnum)" on standard error, in one write(2).
void say_fatal(std::string_view program, std::string_view detail, const Error& error);

}  // namespace qv::process

#endif  // QV_PROCESS_SKELETON_H_
