// SPDX-License-Identifier: 0BSD
#include "deliver/lmtp_daemon.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/exit_code.h"
#include "core/file.h"
#include "deliver/agent.h"
#include "deliver/counters.h"
#include "deliver/lmtp_server.h"
#include "process/log.h"

namespace qv {

namespace {

// Between the end of a worker and the next one.
constexpr std::int64_t kPauseUs = 1'000'000;
// The signals that the watching process takes.
constexpr int kTaken[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD};

volatile sig_atomic_t end_wanted = 0;
volatile sig_atomic_t reload_wanted = 0;
volatile sig_atomic_t counters_wanted = 0;

extern "C" void want_end(int /*signal*/) { end_wanted = 1; }
extern "C" void want_reload(int /*signal*/) { reload_wanted = 1; }
extern "C" void want_counters(int /*signal*/) { counters_wanted = 1; }
extern "C" void note_child(int /*signal*/) {}
extern "C" void stop_server(int /*signal*/) { LmtpServer::stop(); }

void handle(int number, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  sigaction(number, &action, nullptr);
}

// As many descriptors as there may be: clients, spool files, writers.
constexpr std::uint64_t kAllDescriptors = UINT64_MAX;

void serve(Agent& agent, const std::string& host, const std::vector<Fd>& listeners,
           DeliverCounters& counters) {
  std::vector<int> descriptors;
  for (const Fd& listener : listeners) descriptors.push_back(listener.get());
  LmtpServer server(agent, host, std::move(descriptors), counters);
  if (listeners.empty()) server.add_client(0, 1);
  server.run();
}

void end_with_watcher(pid_t watcher) {
#ifdef PR_SET_PDEATHSIG
  // Workers without a watcher would serve old settings for ever.  Giving up rights forgets this.
  prctl(PR_SET_PDEATHSIG, SIGTERM);
#endif
  if (watcher != 0 && getppid() != watcher) _exit(kExitTemporary);
}

// `watcher` is 0 where there is none.
int serve_as(const std::vector<Fd>& listeners, const std::string& host, const Account& account,
             const DeliverSettings& settings, DeliverCounters& counters, pid_t watcher) {
  const bool has_rights = geteuid() == 0;
  Result<Fd> broker = has_rights ? fork_broker(settings, host) : Result<Fd>(Fd());
  if (!broker.ok()) {
    log_notice("error", "cannot fork a broker");
    return kExitTemporary;
  }
  std::string detail;
  JailSettings jail;
  jail.account = account;
  jail.open_files = kAllDescriptors;
  const Result<void> jailed = enter_jail(jail, detail);
  if (!jailed.ok()) {
    log_notice("error", detail);
    return kExitTemporary;
  }
  if (watcher != 0) end_with_watcher(watcher);
  if (has_rights) {
    Agent agent(settings, BrokerClient(std::move(broker).value()));
    serve(agent, host, listeners, counters);
    return agent.is_able() ? kExitOk : kExitTemporary;
  }
  Agent agent(settings, host);
  serve(agent, host, listeners, counters);
  return kExitOk;
}

[[noreturn]] void work(const std::vector<Fd>& listeners, const std::string& host,
                       const Account& account, const DeliverSettings& settings,
                       const SharedCounters& counters, pid_t watcher) {
  handle(SIGTERM, stop_server);
  handle(SIGINT, SIG_IGN);
  handle(SIGHUP, SIG_IGN);
  // The watcher logs what all have counted.
  handle(SIGUSR1, SIG_IGN);
  counters.keep_from_children();
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  _exit(serve_as(listeners, host, account, settings, *counters, watcher));
}

struct Worker {
  pid_t pid = -1;
  bool is_leaving = false;
};

class Watcher {
 public:
  Watcher(const std::vector<Fd>& listeners, const std::string& host, const Account& account,
          const ReadSettings& read, const SharedCounters& counters)
      : listeners_(listeners),
        host_(host),
        account_(account),
        read_settings_(read),
        counters_(counters) {}
  int run();

 private:
  void hire_missing();
  void dismiss_all();
  void reap();
  void reload();
  void log_counters();
  [[nodiscard]] std::size_t staying() const;

  const std::vector<Fd>& listeners_;
  const std::string& host_;
  const Account account_;
  const ReadSettings& read_settings_;
  const SharedCounters& counters_;
  DeliverSettings settings_;
  std::vector<Worker> workers_;
  std::int64_t hire_again_ = 0;  // not before, monotonic
  sigset_t waiting_{};           // the signal mask while it waits
};

std::size_t Watcher::staying() const {
  std::size_t count = 0;
  for (const Worker& worker : workers_) count += worker.is_leaving ? 0 : 1;
  return count;
}

void Watcher::hire_missing() {
  const pid_t watcher = getpid();
  while (staying() < settings_.workers) {
    const pid_t pid = fork();
    if (pid == 0) work(listeners_, host_, account_, settings_, counters_, watcher);
    if (pid < 0) {
      log_notice("error", "cannot fork a worker");
      hire_again_ = monotonic_us() + kPauseUs;
      return;
    }
    ++counters_->workers_started;
    workers_.push_back({pid, false});
  }
}

void Watcher::dismiss_all() {
  for (Worker& worker : workers_) {
    if (!worker.is_leaving) kill(worker.pid, SIGTERM);
    worker.is_leaving = true;
  }
}

void Watcher::reap() {
  int status = 0;
  for (pid_t pid = 0; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    std::erase_if(workers_, [&](const Worker& worker) {
      if (worker.pid != pid) return false;
      if (!worker.is_leaving) {
        log_notice("worker", "ended, is replaced");
        ++counters_->workers_lost;
        hire_again_ = monotonic_us() + kPauseUs;
      }
      return true;
    });
  }
}

void Watcher::reload() {
  reload_wanted = 0;
  std::optional<DeliverSettings> settings = read_settings_();
  if (!settings) {
    log_notice("reload", "refused, the old settings stay");
    return;
  }
  settings_ = *std::move(settings);
  dismiss_all();
  log_notice("reload", "done");
}

void Watcher::log_counters() {
  counters_wanted = 0;
  LogLine line("counters");
  add_counters(line, *counters_, kDeliverCounterNames);
  line.add("workers", staying());
  static_cast<void>(write_all(2, line.text()).ok());
}

int Watcher::run() {
  std::optional<DeliverSettings> settings = read_settings_();
  if (!settings) return kExitTemporary;
  settings_ = *std::move(settings);
  sigset_t blocked;
  sigemptyset(&blocked);
  for (const int number : kTaken) sigaddset(&blocked, number);
  sigprocmask(SIG_BLOCK, &blocked, &waiting_);
  for (const int number : kTaken) sigdelset(&waiting_, number);
  handle(SIGTERM, want_end);
  handle(SIGINT, want_end);
  handle(SIGHUP, want_reload);
  handle(SIGUSR1, want_counters);
  handle(SIGCHLD, note_child);
  handle(SIGPIPE, SIG_IGN);
  while (end_wanted == 0) {
    reap();
    if (reload_wanted != 0) reload();
    if (counters_wanted != 0) log_counters();
    if (monotonic_us() >= hire_again_) hire_missing();
    const timespec second{1, 0};
    // Signals arrive here and only here.
    static_cast<void>(ppoll(nullptr, 0, &second, &waiting_));
  }
  dismiss_all();
  while (!workers_.empty()) {
    int status = 0;
    const pid_t pid = waitpid(-1, &status, 0);
    if (pid < 0 && errno != EINTR) break;
    std::erase_if(workers_, [pid](const Worker& worker) { return worker.pid == pid; });
  }
  log_counters();
  return kExitOk;
}

}  // namespace

int run_lmtp_daemon(const std::vector<Fd>& listeners, const std::string& host,
                    const Account& account, const ReadSettings& read_settings) {
  const Result<SharedCounters> counters = SharedCounters::make();
  if (!counters.ok()) {
    log_notice("error", "cannot share counters");
    return kExitTemporary;
  }
  return Watcher(listeners, host, account, read_settings, counters.value()).run();
}

int serve_lmtp(const std::vector<Fd>& listeners, const std::string& host, const Account& account,
               const DeliverSettings& settings) {
  DeliverCounters nobody_asks;
  return serve_as(listeners, host, account, settings, nobody_asks, 0);
}

}  // namespace qv
