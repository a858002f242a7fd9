// SPDX-License-Identifier: 0BSD
#include "verify/process.h"

#include <utility>

#include "event/listen.h"
#include "helper/agent.h"
#include "maps/cdb_file.h"
#include "udpbits.h"

namespace qv {

namespace {

// Of helpers, tables, log, listening sockets.
constexpr std::uint64_t kOwnDescriptors = 1000;
constexpr int kReceiveBuffer = 1 << 20;

Result<Fd> bind_one(const std::string& text, const SocketAccess& access) {
  QV_TRY(const Endpoint endpoint, parse_endpoint(text, kVerifyPort));
  Fd bound;
  if (is_unix(endpoint)) {
    QV_TRY(bound, listen_on({endpoint.address, endpoint.length, text}, access, SOCK_DGRAM));
  } else {
    QV_TRY(bound, bind_udp(endpoint));
  }
  // As much as the system allows: a burst of questions waits here.
  setsockopt(bound.get(), SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer);
  return bound;
}

}  // namespace

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

Result<void> VerifyProcess::post_jail(std::string& /*detail*/) {
  guard_against_truncation();
  process::PoolSettings settings;
  settings.start_another = 4;
  settings.workers = options_.helpers;
  settings.time_limit_us = options_.look_timeout_us;
  pool_.emplace(loop_, std::move(spawner_), settings,
                process::log_notices(*log_, [this] { end_for_restart(); }));
  return {};
}

Result<void> VerifyDaemon::bind_all(std::string& detail) {
  QV_TRY(const SocketAccess access, socket_access(options_, settings_, detail));
  for (const std::string& text : options_.listen) {
    detail = settings_.place("listen") + ": " + text;
    if (listen_kind(text) == ListenKind::stream) {
      QV_TRY(const StreamEntry entry, parse_stream_entry(text));
      QV_TRY(Fd listener, listen_on(entry.address, access));
      listening_.push_back({std::move(listener), entry.protocol});
      continue;
    }
    QV_TRY(Fd bound, bind_one(text, access));
    bound_.push_back(std::move(bound));
  }
  return {};
}

Result<void> VerifyDaemon::pre_jail(std::string& detail) {
  QV_TRY_VOID(VerifyProcess::pre_jail(detail));
  return bind_all(detail);
}

std::uint64_t VerifyDaemon::open_files() const {
  return listening_.empty() ? 0 : StreamService::kMaxClients + kOwnDescriptors;
}

Result<void> VerifyDaemon::post_jail(std::string& detail) {
  QV_TRY_VOID(VerifyProcess::post_jail(detail));
  verifier_.emplace(loop_, options_, *pool_, *log_);
  service_.emplace(loop_, options_, *verifier_, *log_);
  streams_.emplace(loop_, *verifier_, *log_);
  LogLine line = start_line();
  log_->write(line);
  for (Fd& bound : bound_) QV_TRY_VOID(service_->serve(std::move(bound)));
  for (Listening& each : listening_) streams_->serve(std::move(each.fd), each.protocol);
  verifier_->refresh(loop_.now_us());
  return {};
}

void VerifyDaemon::add_counters(LogLine& line) {
  const process::PoolCounters& looks = pool_->counters();
  verifier_->counters().add_to(line);
  line.add("looks", looks.jobs).add("looks_overdue", looks.overdue);
  line.add("looks_refused", looks.overflows).add("looks_retried", looks.retried);
  line.add("helpers_started", looks.workers_started).add("helpers_lost", looks.workers_lost);
  line.add("helpers_refused", looks.workers_refused);
  line.add("unsent", service_->unsent()).add("log_dropped", log_->dropped());
  line.add("parked", verifier_->parked()).add("helpers", pool_->workers());
  line.add("clients", streams_->clients()).add("accepted", streams_->accepted());
}

}  // namespace qv
