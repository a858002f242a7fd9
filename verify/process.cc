// SPDX-License-Identifier: 0BSD
#include "verify/process.h"

#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "core/fault.h"
#include "helper/agent.h"
#include "maps/cdb_file.h"
#include "process/notices.h"
#include "udpbits.h"

namespace qv {

namespace {

constexpr std::int64_t kLastWordsUs = 1000000;
// Of helpers, tables, log, listening sockets.
constexpr std::uint64_t kOwnDescriptors = 1000;
constexpr int kReceiveBuffer = 1 << 20;

// Removes the file of a Unix socket on which nobody answers any more.
void remove_stale_socket(const Endpoint& endpoint) {
  if (!is_unix(endpoint)) return;
  const auto* address = reinterpret_cast<const sockaddr_un*>(&endpoint.address);
  struct stat st {};
  if (lstat(address->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode)) return;
  const Result<Fd> somebody = connect_udp(endpoint);
  if (!somebody.ok() && somebody.error().errnum == ECONNREFUSED) unlink(address->sun_path);
}

Result<Fd> bind_one(const std::string& text) {
  QV_TRY(const Endpoint endpoint, parse_endpoint(text, kVerifyPort));
  remove_stale_socket(endpoint);
  QV_TRY(Fd bound, bind_udp(endpoint));
  // As much as the system allows: a burst of questions waits here.
  setsockopt(bound.get(), SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer);
  if (is_unix(endpoint)) {
    const auto* address = reinterpret_cast<const sockaddr_un*>(&endpoint.address);
    if (chmod(address->sun_path, 0666) != 0) return errno_error("chmod");
  }
  return bound;
}

}  // namespace

Result<void> VerifyProcess::parse(std::string& detail) {
  std::vector<Problem> problems;
  options_ = read_options(from_environment, problems);
  if (!problems.empty()) {
    detail = to_string(problems.front());
    return Error{Fault::config, 0, ""};
  }
  QV_TRY(account_, account_to_become("VERIFYUSER", options_.account, detail));
  detail = "QMAILHOME " + options_.qmailhome;
  if (chdir(options_.qmailhome.c_str()) != 0) return errno_error("chdir");
  return {};
}

Result<void> VerifyProcess::pre_jail(std::string& detail) {
  detail = "agents";
  helper::AgentSettings settings;
  settings.files.users_cdb = options_.qmailhome + "/users/cdb";
  if (geteuid() == 0) settings.files.resolver = {account_.uid, account_.gid};
  // Those that hang and cannot be killed count: there must be room for others beside them.
  settings.max_processes = options_.helpers * 4;
  QV_TRY(spawner_, process::start_spawner(helper::agent_spawner(settings)));
  return {};
}

JailSettings VerifyProcess::jail() const {
  JailSettings settings;
  settings.account = account_;
  return settings;
}

Result<void> VerifyProcess::post_jail(std::string& /*detail*/) {
  guard_against_truncation();
  log_.emplace(loop_, STDERR_FILENO);
  process::PoolSettings settings;
  settings.workers = options_.helpers;
  settings.time_limit_us = options_.look_timeout_us;
  pool_.emplace(loop_, std::move(spawner_), settings,
                process::log_notices(*log_, [this] { end_for_restart(loop_); }));
  return {};
}

Result<void> VerifyDaemon::bind_all(std::string& detail) {
  for (const std::string& text : options_.listen) {
    detail = "LISTEN " + text;
    if (listen_kind(text) == ListenKind::stream) {
      QV_TRY(const StreamEntry entry, parse_stream_entry(text));
      QV_TRY(Fd listener, listen_on(entry.address, SocketAccess{}));
      listening_.push_back({std::move(listener), entry.protocol});
      continue;
    }
    QV_TRY(Fd bound, bind_one(text));
    bound_.push_back(std::move(bound));
  }
  return {};
}

Result<void> VerifyDaemon::pre_jail(std::string& detail) {
  QV_TRY_VOID(VerifyProcess::pre_jail(detail));
  return bind_all(detail);
}

JailSettings VerifyDaemon::jail() const {
  JailSettings settings = VerifyProcess::jail();
  if (!listening_.empty()) settings.open_files = StreamService::kMaxClients + kOwnDescriptors;
  return settings;
}

Result<void> VerifyDaemon::post_jail(std::string& detail) {
  QV_TRY_VOID(VerifyProcess::post_jail(detail));
  verifier_.emplace(loop_, options_, *pool_, *log_);
  service_.emplace(loop_, options_, *verifier_, *log_);
  streams_.emplace(loop_, *verifier_, *log_);
  LogLine line("start");
  line.add("version", QV_VERSION);
  for (const std::string& text : options_.listen) line.add("listen", text);
  log_->write(line);
  for (Fd& bound : bound_) QV_TRY_VOID(service_->serve(std::move(bound)));
  for (Listening& each : listening_) streams_->serve(std::move(each.fd), each.protocol);
  verifier_->refresh(loop_.now_us());
  return {};
}

void VerifyDaemon::log_counters() {
  const process::PoolCounters& looks = pool_->counters();
  LogLine line("counters");
  add_counters(line, verifier_->counters(), kVerifyCounterNames);
  line.add("looks", looks.jobs).add("looks_overdue", looks.overdue);
  line.add("looks_refused", looks.overflows).add("looks_retried", looks.retried);
  line.add("helpers_started", looks.workers_started).add("helpers_lost", looks.workers_lost);
  line.add("helpers_refused", looks.workers_refused);
  line.add("unsent", service_->unsent()).add("log_dropped", log_->dropped());
  line.add("parked", verifier_->parked()).add("helpers", pool_->workers());
  line.add("clients", streams_->clients()).add("accepted", streams_->accepted());
  log_->write(line);
}

void VerifyDaemon::finish() {
  log_counters();
  log_->drain(kLastWordsUs);
}

}  // namespace qv
