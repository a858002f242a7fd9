// SPDX-License-Identifier: 0BSD
#include "proxymap/process.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "core/exit_code.h"
#include "core/fault.h"
#include "core/text.h"
#include "event/listen.h"
#include "maps/cdb_file.h"
#include "maps/open.h"
#include "process/notices.h"
#include "proxymap/session.h"
#include "proxymap/worker.h"

namespace qv::proxymap {

namespace {

constexpr std::int64_t kLastWordsUs = 1'000'000;
constexpr std::uint64_t kOtherDescriptors = 256;  // tables, workers, listeners, the loop
constexpr char kReadMaps[] = "control/proxy_read_maps";
constexpr char kWriteMaps[] = "control/proxy_write_maps";
constexpr char kCacheMaps[] = "control/proxy_cache_maps";

const char* list_path(bool writes) { return writes ? kWriteMaps : kReadMaps; }

std::unordered_map<std::string, CacheLimits> read_cache_file(std::vector<Problem>& problems) {
  const auto lines = read_control_file(kCacheMaps);
  if (!lines.ok()) {
    problems.push_back({kCacheMaps, 0, describe_error(lines.error(), {})});
    return {};
  }
  if (!lines.value()) return {};
  return parse_cache_lines(kCacheMaps, *lines.value(), problems);
}

void add_if_any(LogLine& line, std::string_view key, std::string_view value) {
  if (!value.empty()) line.add(key, value);
}

}  // namespace

Result<void> ProxymapDaemon::parse(std::string& detail) {
  std::vector<Problem> problems;
  options_ = read_options(from_environment, writes_, problems);
  if (!problems.empty()) {
    detail = to_string(problems.front());
    return Error{Fault::config, 0, ""};
  }
  QV_TRY(account_, account_to_become("PROXYMAPUSER", options_.account, detail));
  detail = "QMAILHOME " + options_.qmailhome;
  if (chdir(options_.qmailhome.c_str()) != 0) return errno_error("chdir");
  return {};
}

Result<void> ProxymapDaemon::pre_jail(std::string& detail) {
  QV_TRY(listeners_,
         listen_as_set(options_.listen, options_.socket_mode, options_.socket_group, detail));
  return {};
}

JailSettings ProxymapDaemon::jail() const {
  JailSettings settings;
  settings.account = account_;
  settings.open_files = options_.server.max_clients + kOtherDescriptors;
  return settings;
}

Result<void> ProxymapDaemon::post_jail(std::string& /*detail*/) {
  guard_against_truncation();
  log_.emplace(loop_, STDERR_FILENO);
  log_start();
  allow_list_.emplace(list_path(writes_), [this](const Problem& p) { log_problem(p); });
  if (allow_list_->size() == 0) {
    log_problem({list_path(writes_), 0, "no table is approved: every request will be refused"});
  }
  const auto notice = [this](std::string_view text) { service_->notice(text); };
  tables_.emplace(
      [notice](std::string_view table, const MapOptions& options) {
        return open_watched_map(table, options, notice);
      },
      writes_);
  QV_TRY_VOID(start_workers());
  ServiceSettings settings;
  settings.writes = writes_;
  settings.max_idle_us = options_.max_idle_us;
  settings.caches = read_caches();
  service_.emplace(loop_, settings, *allow_list_, *tables_, *pool_, counters_,
                   [this](const Event& event) { log_event(event); });
  start_serving();
  return {};
}

Result<void> ProxymapDaemon::start_workers() {
  WorkerSettings settings{.for_update = writes_, .max_idle_us = options_.max_idle_us};
  // Those that hang and cannot be killed count: there must be room for others beside them.
  settings.max_processes = static_cast<std::uint32_t>(options_.pool.workers) * 4;
  QV_TRY(process::Spawner spawner, process::start_spawner(worker_spawner(settings)));
  options_.pool.queue = SIZE_MAX;  // each table has a queue of its own
  options_.pool.accepts = [](std::string_view, const process::Message& answer) {
    JobAnswer unused;
    return parse_answer(answer.body, unused);
  };
  pool_.emplace(loop_, std::move(spawner), options_.pool,
                process::log_notices(*log_, [this] { end_for_restart(loop_); }));
  return {};
}

void ProxymapDaemon::start_serving() {
  // A proxy full of clients that could not open its tables would be of no use.
  options_.server.max_clients = clients_that_fit(options_.server.max_clients, kOtherDescriptors);
  server_.emplace(loop_, options_.server);
  server_->on_trouble([this](std::string_view what) { log_event({.detail = what}); });
  const AttributeLimits limits{.message = options_.max_message, .name = 64};
  for (Fd& listener : listeners_) {
    server_->serve(std::move(listener), [this, limits](Stream& stream) {
      return std::make_unique<Session>(*service_, stream, limits);
    });
  }
  listeners_.clear();
}

std::unordered_map<std::string, CacheLimits> ProxymapDaemon::read_caches() {
  std::vector<Problem> problems;
  auto caches = read_cache_file(problems);
  for (const Problem& problem : problems) log_problem(problem);
  return caches;
}

void ProxymapDaemon::reload() { service_->reload(read_caches()); }

void ProxymapDaemon::finish() {
  log_counters();
  log_->drain(kLastWordsUs);
}

void ProxymapDaemon::log_start() {
  LogLine line("start");
  line.add("version", QV_VERSION).add("service", writes_ ? "proxywrite" : "proxymap");
  for (const std::string& text : options_.listen) line.add("listen", text);
  log_->write(line);
}

void ProxymapDaemon::log_event(const Event& event) {
  LogLine line("proxymap");
  line.add("event", event_name(event.kind));
  add_if_any(line, "request", event.operation);
  add_if_any(line, "table", event.table);
  add_if_any(line, "status", event.status);
  add_if_any(line, "file", event.file);
  add_if_any(line, "line", event.line);
  add_if_any(line, "detail", event.detail);
  ucred peer{};
  socklen_t size = sizeof peer;
  if (event.client >= 0 && getsockopt(event.client, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
      peer.pid != 0) {
    line.add("pid", peer.pid).add("uid", peer.uid);
  }
  log_->write(line);
}

void ProxymapDaemon::log_problem(const Problem& problem) {
  log_event({.detail = to_string(problem)});
}

void ProxymapDaemon::log_counters() {
  LogLine line("counters");
  add_counters(line, counters_, kCounterNames);
  line.add("clients", server_->clients()).add("accepted", server_->counters().accepted);
  line.add("tables", tables_->size()).add("workers", pool_->workers());
  line.add("joined", pool_->counters().joined).add("overflows", pool_->counters().overflows);
  line.add("overdue", pool_->counters().overdue);
  line.add("workers_started", pool_->counters().workers_started);
  line.add("workers_lost", pool_->counters().workers_lost);
  log_->write(line);
}

int check_config(bool writes) {
  std::vector<Problem> problems;
  const Options options = read_options(from_environment, writes, problems);
  if (chdir(options.qmailhome.c_str()) != 0) {
    problems.push_back({"QMAILHOME", 0, "cannot change to " + options.qmailhome});
  } else {
    const AllowList list(
        list_path(writes), [&problems](const Problem& problem) { problems.push_back(problem); },
        end_of_time_ns);
    if (list.size() == 0) problems.push_back({list_path(writes), 0, "no table is approved"});
    static_cast<void>(read_cache_file(problems));
  }
  if (!options.socket_group.empty() && !find_group(options.socket_group)) {
    problems.push_back({"SOCKETGROUP", 0, "there is no such group"});
  }
  for (const Problem& problem : problems) printf("%s\n", to_string(problem).c_str());
  return problems.empty() ? kExitOk : kExitPermanent;
}

}  // namespace qv::proxymap
