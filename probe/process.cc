// SPDX-License-Identifier: 0BSD
#include "probe/process.h"

#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <utility>

#include "core/fault.h"
#include "core/text.h"

namespace qv {

namespace {

constexpr std::int64_t kFlush_us = kSecond_us / 5;
constexpr std::int64_t kInterfaces_us = 60 * kSecond_us;
constexpr std::uint64_t kOtherDescriptors = 256;

std::int64_t wall_clock() { return time(nullptr); }

std::uint64_t random_bits() {
  std::uint64_t bits = 0;
  // Without entropy there is still the clock: what is random here need not be secret.
  if (getrandom(&bits, sizeof bits, GRND_NONBLOCK) != sizeof bits) {
    bits = static_cast<std::uint64_t>(clock()) * 0x9e3779b97f4a7c15u;
  }
  return bits;
}

}  // namespace

Result<void> ProbeDaemon::pre_jail(std::string& detail) {
  // The usual place of socket and cache; elsewhere the operator makes it.
  const std::string directory = options_.qmailhome + "/probe";
  detail = directory;
  if (mkdir(directory.c_str(), 0755) == 0 && geteuid() == 0 &&
      chown(directory.c_str(), account_.uid, account_.gid) != 0) {
    return errno_error("chown");
  }
  QV_TRY(listeners_, open_listeners(options_, settings_, detail));
  return {};
}

std::uint64_t ProbeDaemon::open_files() const {
  return options_.server.max_clients + options_.limits.pending + kOtherDescriptors;
}

Result<void> ProbeDaemon::post_jail(std::string& detail) {
  log_start();
  QV_TRY_VOID(open_store(detail));
  control_.emplace("control");
  start_probing();
  use_control_files();
  start_serving();
  start_timers();
  return {};
}

Result<void> ProbeDaemon::open_store(std::string& detail) {
  if (options_.lmdb_path.empty()) {
    store_ = make_memory_store(options_.cache_entries);
    return {};
  }
  detail = "address_verify_map " + options_.lmdb_path;
  QV_TRY(std::unique_ptr<LmdbStore> store,
         LmdbStore::open(options_.lmdb_path, options_.cache_entries));
  lmdb_ = store.get();
  store_ = std::move(store);
  return {};
}

CalloutOptions ProbeDaemon::callout_options() const {
  CalloutOptions options;
  options.hello_name = options_.hello_name.empty() ? control_->me() : options_.hello_name;
  options.sender = options_.sender;
  return options;
}

void ProbeDaemon::start_probing() {
  const Report say = [this](std::string_view word, std::initializer_list<ReportField> fields) {
    report(word, fields);
  };
  std::vector<Problem> problems;
  static_cast<void>(control_->read(loop_.now_us(), problems));
  log_problems(problems);
  own_.emplace(options_.own_ports);
  own_->refresh();
  connector_ = make_connector(event_loop_);
  resolver_ = make_resolver(event_loop_, options_.resolv_conf);
  exchangers_ = make_exchanger_lookup(event_loop_, options_.resolv_conf);
  driver_ = std::make_unique<ProbeDriver>(
      ProbeDriver::Surroundings{
          loop_, *connector_, *resolver_, *exchangers_, random_bits,
          [this](const StreamAddress& address) { return own_->contains(address); }},
      options_.limits, callout_options());
  open_records(say);
  service_ = std::make_unique<VerifyService>(loop_, wall_clock, *records_, *driver_,
                                             options_.service, say);
  cleanup_ = std::make_unique<CacheCleanup>(loop_, *store_, wall_clock, options_.service.times,
                                            options_.cleanup_interval_s, say);
  clients_ = std::make_unique<VerifyClients>(VerifyClients{*service_, *store_, *records_, {}, say});
}

void ProbeDaemon::open_records(const Report& say) {
  constexpr std::int64_t kMargin_s = 10;
  std::optional<Records::Fleet> fleet;
  if (!options_.redis.empty()) {
    redis_ = std::make_unique<RedisClient>(loop_, options_.redis);
    fleet.emplace(Records::Fleet{*redis_, control_->me() + ":" + std::to_string(random_bits()),
                                 options_.limits.whole_us / kSecond_us + kMargin_s});
  }
  records_ = std::make_unique<Records>(*store_, wall_clock(), say, std::move(fleet));
}

void ProbeDaemon::start_serving() {
  server_.emplace(loop_, options_.server);
  server_->on_trouble([this](std::string_view what) {
    report("clients", {{"event", "trouble"}, {"problem", what}});
  });
  for (Fd& listener : listeners_) {
    server_->serve(std::move(listener), [this](Stream& stream) {
      return std::make_unique<VerifyClient>(*clients_, stream);
    });
  }
  listeners_.clear();
}

void ProbeDaemon::start_timers() {
  timers_.push_back(loop_.every(kFlush_us, [this] { flush(); }));
  timers_.push_back(loop_.every(kSecond_us, [this] { use_control_files(); }));
  timers_.push_back(loop_.every(kInterfaces_us, [this] { own_->refresh(); }));
}

void ProbeDaemon::use_control_files() {
  std::vector<Problem> problems;
  const bool first = timers_.empty();
  const bool changed = control_->read(loop_.now_us(), problems) == Change::changed;
  log_problems(problems);
  if (!changed && !first) return;
  service_->set_routes(control_->routes());
  clients_->may_update = control_->update_users();
}

void ProbeDaemon::flush() {
  const Result<void> flushed = store_->flush();
  if (lmdb_ != nullptr) {
    const std::string notice = lmdb_->take_notice();
    if (!notice.empty()) report("ALERT", {{"cache", notice}});
  }
  if (!flushed.ok() && !flush_failed_) {
    report("store", {{"event", "cannot-write"},
                     {"detail", flushed.error().what},
                     {"error", strerror(flushed.error().errnum)}});
  }
  flush_failed_ = !flushed.ok();
}

void ProbeDaemon::reload() {
  control_->forget();
  own_->refresh();
  use_control_files();
}

void ProbeDaemon::finish() {
  flush();
  Daemon::finish();
}

void ProbeDaemon::log_problems(const std::vector<Problem>& problems) {
  for (const Problem& problem : problems) {
    LogLine line("config");
    log_->write(line.add(problem));
  }
}

void ProbeDaemon::report(std::string_view word, std::initializer_list<ReportField> fields) {
  LogLine line(word);
  for (const ReportField& field : fields) {
    if (!field.value.empty()) line.add(field.key, field.value);
  }
  log_->write(line);
}

void ProbeDaemon::log_start() {
  LogLine line = start_line();
  line.add("cache", options_.lmdb_path.empty() ? "memory" : options_.lmdb_path);
  if (!options_.redis.empty()) line.add("redis", options_.redis);
  log_->write(line);
}

void ProbeDaemon::add_counters(LogLine& line) {
  const StreamServerCounters& clients = server_->counters();
  service_->counters().add_to(line);
  driver_->counters().add_to(line);
  line.add("pending", driver_->pending()).add("entries", store_->size());
  line.add("damaged", records_->counters().damaged);
  line.add("store_failures", records_->counters().failures);
  line.add("clients", server_->clients()).add("accepted", clients.accepted);
  line.add("dropped_slow", clients.too_slow).add("dropped_large", clients.too_much_input);
}

void check_probe_config(const ProbeOptions& options, const Settings& settings,
                        std::vector<Problem>& problems) {
  if (!check_process_options("qmail-probe", options, settings, problems)) return;
  ControlFiles files("control", end_of_time_ns);
  static_cast<void>(files.read(0, problems));
}

}  // namespace qv
