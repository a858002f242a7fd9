// SPDX-License-Identifier: 0BSD
#include "proxymap/process.h"

#include <sys/socket.h>

#include <optional>
#include <unordered_map>
#include <utility>

#include "event/libevent_loop.h"
#include "event/listen.h"
#include "maps/cdb_file.h"
#include "process/skeleton.h"
#include "proxymap/session.h"

namespace qv::proxymap {

namespace {

constexpr std::int64_t kSecondUs = 1'000'000;
constexpr std::uint64_t kOtherDescriptors = 256;  // tables, workers, listeners, the loop
constexpr char kCacheMaps[] = "control/proxy_cache_maps";

const char* list_path(bool writes) {
  return writes ? "control/proxy_write_maps" : "control/proxy_read_maps";
}

std::unordered_map<std::string, CacheLimits> read_cache_file(
    std::vector<control::Problem>& problems) {
  const auto lines = control::read_control_file(kCacheMaps);
  if (!lines.ok()) {
    problems.push_back({kCacheMaps, 0, maps::describe_error(lines.error(), {})});
    return {};
  }
  if (!lines.value()) return {};
  return parse_cache_lines(kCacheMaps, *lines.value(), problems);
}

void add_if_any(process::LogLine& line, std::string_view key, std::string_view value) {
  if (!value.empty()) line.add(key, value);
}

class ProxymapDaemon final : public process::Daemon {
 public:
  // REQUIRES: all outlive this object.
  ProxymapDaemon(event::Loop& loop, const Options& options, const control::Settings& settings,
                 bool writes)
      : process::Daemon(loop, options, settings), options_(options), writes_(writes) {}

  Result<void> pre_jail(std::string& detail) override {
    QV_TRY(listeners_, process::open_listeners(options_, settings_, detail));
    return {};
  }
  Result<void> post_jail(std::string& detail) override;
  std::uint64_t open_files() const override {
    return options_.server.max_clients + kOtherDescriptors;
  }
  void reload() override { service_->reload(read_caches()); }

 private:
  void add_counters(process::LogLine& line) override;
  void log_event(const Event& event);
  void log_problem(const control::Problem& problem);
  Result<void> start_workers();
  void start_serving();
  std::unordered_map<std::string, CacheLimits> read_caches();

  const Options& options_;
  const bool writes_;
  std::vector<Fd> listeners_;
  Counters counters_;
  std::optional<AllowList> allow_list_;
  std::optional<Tables> tables_;
  std::optional<process::Pool> pool_;
  std::optional<Service> service_;
  std::optional<event::StreamServer> server_;
};

Result<void> ProxymapDaemon::post_jail(std::string& /*detail*/) {
  maps::guard_against_truncation();
  process::LogLine line = start_line();
  line.add("service", writes_ ? "proxywrite" : "proxymap");
  log_->write(line);
  allow_list_.emplace(list_path(writes_), [this](const control::Problem& p) { log_problem(p); });
  if (allow_list_->size() == 0) {
    log_problem({list_path(writes_), 0, "no table is approved: every request will be refused"});
  }
  const auto notice = [this](std::string_view text) { service_->notice(text); };
  tables_.emplace(
      [notice](std::string_view table, const maps::MapOptions& options) {
        return maps::open_watched_map(table, options, notice);
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
  // Workers that hang and cannot be killed count: leave room for others beside them.
  settings.max_processes = static_cast<std::uint32_t>(options_.pool.workers) * 4;
  QV_TRY(process::Spawner spawner, process::start_spawner(worker_spawner(settings)));
  process::PoolSettings pool = options_.pool;
  pool.queue = SIZE_MAX;  // each table has a queue of its own
  pool.accepts = [](std::string_view, const process::Message& answer) {
    WorkerAnswer unused;
    return parse_answer(answer.body, unused);
  };
  pool_.emplace(loop_, std::move(spawner), pool,
                process::log_notices(*log_, [this] { end_for_restart(); }));
  return {};
}

void ProxymapDaemon::start_serving() {
  // A proxy whose clients use up all descriptors could open no table.
  event::StreamServerLimits limits_of_server = options_.server;
  limits_of_server.max_clients =
      event::clients_that_fit(limits_of_server.max_clients, kOtherDescriptors);
  server_.emplace(loop_, limits_of_server);
  server_->on_trouble([this](std::string_view what) { log_event({.detail = what}); });
  const wire::AttributeLimits limits{.message = options_.max_message, .name = 64};
  for (Fd& listener : listeners_) {
    server_->serve(std::move(listener), [this, limits](event::Stream& stream) {
      return std::make_unique<Session>(*service_, stream, limits);
    });
  }
  listeners_.clear();
}

std::unordered_map<std::string, CacheLimits> ProxymapDaemon::read_caches() {
  std::vector<control::Problem> problems;
  auto caches = read_cache_file(problems);
  for (const control::Problem& problem : problems) log_problem(problem);
  return caches;
}

void ProxymapDaemon::log_event(const Event& event) {
  process::LogLine line("proxymap");
  line.add("event", kEventNames[static_cast<std::size_t>(event.kind)]);
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

void ProxymapDaemon::log_problem(const control::Problem& problem) {
  process::LogLine line("config");
  log_->write(line.add(problem));
}

void ProxymapDaemon::add_counters(process::LogLine& line) {
  counters_.add_to(line);
  line.add("clients", server_->clients()).add("accepted", server_->counters().accepted);
  line.add("tables", tables_->size()).add("workers", pool_->workers());
  line.add("joined", pool_->counters().joined).add("overflows", pool_->counters().overflows);
  line.add("overdue", pool_->counters().overdue);
  line.add("workers_started", pool_->counters().workers_started);
  line.add("workers_lost", pool_->counters().workers_lost);
}

}  // namespace

std::vector<control::Setting> proxymap_settings(Options& o, bool writes) {
  using namespace control::setting;
  event::StreamLimits& stream = o.server.stream;
  return process::with_process_settings(
      o, {{"listen", control::setting::words(o.listen, event::check_stream_address),
           writes ? "unix:$qmailhome/proxymap/proxywrite" : "unix:$qmailhome/proxymap/proxymap",
           "sockets to answer on, separated by blanks: unix:/PATH, inet:IP:PORT", "",
           control::kOfProcess},
          {"socket_mode", control::setting::mode(o.socket_mode), "0666",
           "mode of Unix sockets, octal", "SOCKETMODE LISTENMODE", control::kOfProcess},
          {"account", control::setting::text(o.account), "qmaild",
           "account the daemon becomes when it is started by root, or :UID:GID", "PROXYMAPUSER",
           control::kOfProcess},
          {"max_use", control::setting::number(o.pool.max_use, 0, 1000000000), "100000",
           "look-ups after which a worker process is replaced; 0: never"},
          {"max_idle", control::setting::duration(o.max_idle_us, 's', 1, 86400, kSecondUs), "100",
           "time without use after which a table is closed"},
          {"ipc_timeout",
           control::setting::duration(
               's', 1, 86400,
               [&](std::int64_t s) { stream.message_us = stream.drain_us = s * kSecondUs; }),
           "100", "time a client may take for one request, and to read one reply"},
          {"ipc_idle", control::setting::duration(stream.idle_us, 's', 0, 86400, kSecondUs), "0",
           "time after which a client that asks nothing is dropped; 0: never"},
          {"daemon_timeout",
           control::setting::duration(o.pool.time_limit_us, 's', 1, 86400, kSecondUs), "100",
           "time a look-up in a networked table may take, waiting included"},
          {"client_limit", control::setting::number(o.server.max_clients, 1, 1000000), "15000",
           "clients at a time; one more takes the place of the one idle longest"},
          {"message_limit",
           control::setting::number(4096, 1073741824,
                                    [&](std::uint64_t bytes) {
                                      o.max_message = bytes;
                                      stream.max_input = bytes + 1;  // the decoder says it first
                                    }),
           "1048576", "bytes of one request"},
          {"worker_limit", control::setting::number(o.pool.workers, 1, 1000), "16",
           "processes that ask networked tables"},
          {"table_concurrency",
           control::setting::number(
               1, 1000, [&o, writes](std::uint64_t n) { o.pool.per_lane = writes ? 1 : n; }),
           "4", "look-ups in one networked table at a time"},
          {"table_queue_limit", control::setting::number(o.pool.lane_queue, 0, 1000000), "1000",
           "look-ups that wait for one networked table; more are told to try again"}});
}

int run_proxymap(const Options& options, const control::Settings& settings, bool writes) {
  event::LibeventLoop loop;
  ProxymapDaemon daemon(loop, options, settings, writes);
  return process::run_daemon("qmail-proxymap", daemon);
}

void check_config(const Options& options, bool writes, const control::Settings& settings,
                  std::vector<control::Problem>& problems) {
  if (!process::check_process_options("qmail-proxymap", options, settings, problems)) return;
  const AllowList list(
      list_path(writes),
      [&problems](const control::Problem& problem) { problems.push_back(problem); },
      control::end_of_time_ns);
  if (list.size() == 0) problems.push_back({list_path(writes), 0, "no table is approved"});
  static_cast<void>(read_cache_file(problems));
}

}  // namespace qv::proxymap
