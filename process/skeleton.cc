// SPDX-License-Identifier: 0BSD
#include "process/skeleton.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "core/exit_code.h"
#include "core/file.h"

namespace qv {

namespace {

void ignore_sigpipe() {
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignore, nullptr);
}

Result<void> start(Daemon& daemon, std::string& detail) {
  QV_TRY_VOID(daemon.parse(detail));
  QV_TRY_VOID(daemon.pre_jail(detail));
  QV_TRY_VOID(enter_jail(daemon.jail(), detail));
  QV_TRY_VOID(daemon.post_jail(detail));
  return {};
}

void serve(Daemon& daemon, Loop& loop) {
  const Loop::Owned term = loop.on_signal(SIGTERM, [&loop] { loop.stop(); });
  const Loop::Owned interrupt = loop.on_signal(SIGINT, [&loop] { loop.stop(); });
  loop.run();
  daemon.finish();
}

}  // namespace

int run_daemon(std::string_view program, Daemon& daemon, Loop& loop) {
  ignore_sigpipe();
  // From the beginning: a daemon must not end because it is told something while it starts.
  const Loop::Owned hangup = loop.on_signal(SIGHUP, [&daemon] { daemon.reload(); });
  const Loop::Owned usr1 = loop.on_signal(SIGUSR1, [&daemon] { daemon.log_counters(); });
  std::string detail;
  const Result<void> started = start(daemon, detail);
  if (!started.ok()) {
    say_fatal(program, detail, started.error());
    return kExitTemporary;
  }
  serve(daemon, loop);
  return daemon.must_restart() ? kExitTemporary : kExitOk;
}

void say_fatal(std::string_view program, std::string_view detail, const Error& error) {
  std::string line(program);
  line += ": fatal";
  for (const std::string_view part :
       {detail, std::string_view(error.what),
        std::string_view(error.errnum == 0 ? "" : strerror(error.errnum))}) {
    if (!part.empty()) line.append(": ").append(part);
  }
  line += '\n';
  static_cast<void>(write_all(STDERR_FILENO, line).ok());
}

}  // namespace qv
