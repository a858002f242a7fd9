// SPDX-License-Identifier: 0BSD
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <utility>

#include "core/fault.h"
#include "event/libevent_loop.h"
#include "probe/client.h"
#include "probe/control_files.h"
#include "probe/options.h"
#include "process/skeleton.h"

namespace qv::probe {

namespace {

constexpr std::int64_t kFlush_us = kSecond_us / 5;
constexpr std::int64_t kInterfaces_us = 60 * kSecond_us;
constexpr std::uint64_t kOtherDescriptors = 256;

std::int64_t wall_clock() { return time(nullptr); }

std::uint64_t random_bits() {
  std::uint64_t bits = 0;
  // Without entropy the clock will do: nothing here has to be secret.
  if (getrandom(&bits, sizeof bits, GRND_NONBLOCK) != sizeof bits) {
    bits = static_cast<std::uint64_t>(clock()) * 0x9e3779b97f4a7c15u;
  }
  return bits;
}

class ProbeDaemon final : public process::Daemon {
 public:
  // REQUIRES: all outlive this object.
  ProbeDaemon(event::LibeventLoop& loop, const ProbeOptions& options,
              const control::Settings& settings)
      : process::Daemon(loop, options, settings), event_loop_(loop), options_(options) {}

  [[nodiscard]] Result<void> pre_jail(std::string& detail) override {
    // The default place of socket and cache; any other place is up to the operator.
    const std::string directory = options_.qmailhome + "/probe";
    detail = directory;
    if (mkdir(directory.c_str(), 0755) == 0 && geteuid() == 0 &&
        chown(directory.c_str(), account_.uid, account_.gid) != 0) {
      return errno_error("chown");
    }
    QV_TRY(listeners_, process::open_listeners(options_, settings_, detail));
    return {};
  }

  [[nodiscard]] std::uint64_t open_files() const override {
    return options_.server.max_clients + options_.limits.pending + kOtherDescriptors;
  }

  [[nodiscard]] Result<void> post_jail(std::string& detail) override {
    process::LogLine line = start_line();
    line.add("cache", options_.lmdb_path.empty() ? "memory" : options_.lmdb_path);
    if (!options_.redis.empty()) line.add("redis", options_.redis);
    log_->write(line);
    detail = "address_verify_map " + options_.lmdb_path;
    QV_TRY(store_, cache::CacheStore::open(options_.lmdb_path, options_.cache_entries));
    start_probing();
    start_serving();
    timers_.push_back(loop_.every(kFlush_us, [this] { flush(); }));
    timers_.push_back(loop_.every(kSecond_us, [this] { read_control_files(); }));
    timers_.push_back(loop_.every(kInterfaces_us, [this] { own_.refresh(); }));
    return {};
  }

  void reload() override {
    control_.forget();
    own_.refresh();
    read_control_files();
  }

  void finish() override {
    flush();
    process::Daemon::finish();
  }

 private:
  void add_counters(process::LogLine& line) override;

  void start_probing() {
    const Report report = [this](process::LogLine& line) { log_->write(line); };
    // control/me goes into the greeting.
    std::vector<control::Problem> problems;
    static_cast<void>(control_.read(loop_.now_us(), problems));
    log_problems(problems);
    own_.refresh();
    const bool has_name = !options_.hello_name.empty();
    driver_.emplace(
        ProbeDriver::Surroundings{
            loop_, event::make_connector(event_loop_),
            event::make_resolver(event_loop_, options_.resolv_conf),
            make_exchanger_lookup(event_loop_, options_.resolv_conf), random_bits,
            [this](const event::StreamAddress& address) { return own_.contains(address); }},
        options_.limits,
        CalloutOptions{.hello_name = has_name ? options_.hello_name : control_.me(),
                       .sender = options_.sender});
    records_.emplace(*store_, wall_clock(), report, open_fleet());
    service_.emplace(loop_, wall_clock, *records_, *driver_, options_.service, report);
    cleanup_.emplace(loop_, *store_, wall_clock, options_.service.times,
                     options_.cleanup_interval_s, report);
    clients_.emplace(VerifyClients{*service_, *store_, *records_, {}, report});
    use_control_files();
  }

  [[nodiscard]] std::optional<Records::Fleet> open_fleet() {
    constexpr std::int64_t kMargin_s = 10;
    if (options_.redis.empty()) return std::nullopt;
    redis_.emplace(event_loop_, options_.redis);
    return Records::Fleet{*redis_, control_.me() + ":" + std::to_string(random_bits()),
                          options_.limits.whole_us / kSecond_us + kMargin_s};
  }

  void start_serving() {
    server_.emplace(loop_, options_.server);
    server_->on_trouble([this](std::string_view what) {
      process::LogLine line("clients");
      log_->write(line.add("event", "trouble").add("problem", what));
    });
    for (Fd& listener : listeners_) {
      server_->serve(std::move(listener), [this](event::Stream& stream) {
        return std::make_unique<VerifyClient>(*clients_, stream);
      });
    }
    listeners_.clear();
  }

  void read_control_files() {
    std::vector<control::Problem> problems;
    const control::Change change = control_.read(loop_.now_us(), problems);
    log_problems(problems);
    if (change == control::Change::changed) use_control_files();
  }

  void use_control_files() {
    service_->set_routes(control_.routes());
    clients_->may_update = control_.update_users();
  }

  void log_problems(const std::vector<control::Problem>& problems) {
    for (const control::Problem& problem : problems) {
      process::LogLine line("config");
      log_->write(line.add(problem));
    }
  }

  void flush() {
    const Result<void> flushed = store_->flush();
    const std::string notice = store_->take_notice();
    if (!notice.empty()) {
      process::LogLine line("ALERT");
      log_->write(line.add("cache", notice));
    }
    if (!flushed.ok() && !flush_failed_) {
      process::LogLine line("store");
      line.add("event", "cannot-write").add("detail", flushed.error().what);
      log_->write(line.add("error", strerror(flushed.error().errnum)));
    }
    flush_failed_ = !flushed.ok();
  }

  event::LibeventLoop& event_loop_;
  const ProbeOptions& options_;
  std::vector<Fd> listeners_;
  ControlFiles control_{"control"};
  OwnAddresses own_{options_.own_ports};
  std::unique_ptr<cache::CacheStore> store_;
  std::optional<event::RedisClient> redis_;
  std::optional<Records> records_;
  std::optional<ProbeDriver> driver_;
  std::optional<ProbeService> service_;
  std::optional<CacheCleanup> cleanup_;
  std::optional<VerifyClients> clients_;
  std::optional<event::StreamServer> server_;
  std::vector<event::Loop::Owned> timers_;
  bool flush_failed_ = false;
};

void ProbeDaemon::add_counters(process::LogLine& line) {
  const event::StreamServerCounters& clients = server_->counters();
  service_->counters().add_to(line);
  driver_->counters().add_to(line);
  line.add("pending", driver_->pending()).add("entries", store_->size());
  line.add("damaged", records_->counters().damaged);
  line.add("store_failures", records_->counters().failures);
  line.add("clients", server_->clients()).add("accepted", clients.accepted);
  line.add("dropped_slow", clients.too_slow).add("dropped_large", clients.too_much_input);
}

}  // namespace

int run_probe_daemon(const ProbeOptions& options, const control::Settings& settings) {
  event::LibeventLoop loop;
  ProbeDaemon daemon(loop, options, settings);
  return process::run_daemon("qmail-probe", daemon);
}

void check_probe_config(const ProbeOptions& options, const control::Settings& settings,
                        std::vector<control::Problem>& problems) {
  if (!process::check_process_options("qmail-probe", options, settings, problems)) return;
  ControlFiles files("control", control::end_of_time_ns);
  static_cast<void>(files.read(0, problems));
}

}  // namespace qv::probe
