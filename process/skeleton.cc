// SPDX-License-Identifier: 0BSD
#include "process/skeleton.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "core/exit_code.h"
#include "core/fault.h"
#include "core/file.h"

namespace qv::process {

namespace {

constexpr std::int64_t kLastWords_us = 1'000'000;

void ignore_sigpipe() {
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignore, nullptr);
}

}  // namespace

Result<void> Daemon::start(std::string& detail) {
  QV_TRY(account_, account_to_become(settings_.place("account"), process_.account, detail));
  detail = settings_.place("qmailhome") + ": " + process_.qmailhome;
  if (chdir(process_.qmailhome.c_str()) != 0) return errno_error("chdir");
  detail.clear();
  QV_TRY_VOID(pre_jail(detail));
  QV_TRY_VOID(enter_jail(account_, open_files(), detail));
  log_.emplace(loop_, STDERR_FILENO);
  detail.clear();
  return post_jail(detail);
}

void Daemon::serve() {
  const event::Loop::Owned term = loop_.on_signal(SIGTERM, [this] { loop_.stop(); });
  const event::Loop::Owned interrupt = loop_.on_signal(SIGINT, [this] { loop_.stop(); });
  loop_.run();
  finish();
}

LogLine Daemon::start_line() const {
  LogLine line("start");
  line.add("version", QV_VERSION);
  for (const std::string& text : process_.listen) line.add("listen", text);
  return line;
}

void Daemon::log_counters() {
  LogLine line("counters");
  add_counters(line);
  log_->write(line);
}

void Daemon::finish() {
  log_counters();
  log_->drain(kLastWords_us);
}

int Daemon::exit_code() const { return must_restart_ ? kExitTemporary : kExitOk; }

int run_daemon(std::string_view program, Daemon& daemon) {
  ignore_sigpipe();
  // From the beginning: a signal must not end a daemon that is still starting.
  const event::Loop::Owned hangup = daemon.loop_.on_signal(SIGHUP, [&daemon] { daemon.reload(); });
  const event::Loop::Owned usr1 =
      daemon.loop_.on_signal(SIGUSR1, [&daemon] { daemon.log_counters(); });
  std::string detail;
  const Result<void> started = daemon.start(detail);
  if (!started.ok()) {
    say_fatal(program, detail, started.error());
    return kExitTemporary;
  }
  daemon.serve();
  return daemon.exit_code();
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

}  // namespace qv::process
