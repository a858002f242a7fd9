// SPDX-License-Identifier: 0BSD
#include "lmtp/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include "core/exit_code.h"
#include "core/fault.h"
#include "core/file.h"
#include "event/libevent_loop.h"
#include "event/listen.h"
#include "lmtp/session.h"
#include "process/notices.h"

namespace qv::lmtp {

namespace {

constexpr std::int64_t kSecondUs = 1'000'000;
constexpr std::size_t kPiece = 65536;
// As many descriptors as there may be: clients, messages, writers.
constexpr std::uint64_t kAllDescriptors = UINT64_MAX;
constexpr std::size_t kOtherDescriptors = 256;  // workers, listeners, the loop

constexpr Setting kEnvironment[] = {
    {.name = "QMAILHOME", .fallback = QV_QMAILHOME, .help = "directory that holds control/"},
    {.name = "LISTEN",
     .fallback = "",
     .help = "LMTP daemon: unix:/path, inet:address:port, ..., separated by blanks"},
    {.name = "VIRTUALUSER",
     .fallback = "qmaild",
     .help = "account that talks to LMTP clients when started by root, or :UID:GID"},
    {.name = "LISTENMODE", .fallback = "0660", .help = "mode of Unix sockets, octal"},
    {.name = "LISTENGROUP", .fallback = "", .help = "group of Unix sockets, name or number"},
};

StreamServerLimits server_limits(const DeliverSettings& settings) {
  const auto silence_us = static_cast<std::int64_t>(settings.timeout) * kSecondUs;
  StreamServerLimits limits;
  limits.max_clients = clients_that_fit(settings.connection_limit, kOtherDescriptors);
  limits.stream.idle_us = silence_us;
  limits.stream.drain_us = silence_us;
  return limits;
}

bool is_one_socket(int a, int b) {
  struct stat of_a {};
  struct stat of_b {};
  return fstat(a, &of_a) == 0 && fstat(b, &of_b) == 0 && S_ISSOCK(of_a.st_mode) &&
         of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

// Copies to the end, in a process of its own.
Result<pid_t> fork_copier(int from, int to, int not_needed) {
  const pid_t child = fork();
  if (child < 0) return errno_error("fork");
  if (child > 0) return child;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (const int number : {SIGHUP, SIGUSR1, SIGTERM, SIGINT}) signal(number, SIG_IGN);
  ::close(not_needed);
  std::vector<char> piece(kPiece);
  for (;;) {
    const ssize_t n = ::read(from, piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0 || !write_all(to, {piece.data(), static_cast<std::size_t>(n)}).ok()) break;
  }
  shutdown(to, SHUT_WR);
  _exit(kExitOk);
}

}  // namespace

std::span<const Setting> environment_table() { return kEnvironment; }

LmtpDaemon::LmtpDaemon(Loop& loop, Way way, const Settings& environment, ReadSettings read_settings)
    : loop_(loop),
      way_(way),
      environment_(environment),
      read_settings_(std::move(read_settings)),
      host_(host_name()) {}

Result<void> LmtpDaemon::parse(std::string& detail) {
  std::optional<DeliverSettings> settings = read_settings_();
  if (!settings) return Error{Fault::config, 0, "the settings hold mistakes"};
  settings_ = *std::move(settings);
  QV_TRY(account_, account_to_become("VIRTUALUSER", environment_.text("VIRTUALUSER"), detail));
  return {};
}

Result<void> LmtpDaemon::pre_jail(std::string& detail) {
  detail = "spawner";
  QV_TRY(writers_, process::start_spawner(writer_spawner(writer_settings())));
  if (way_ == Way::sockets) {
    mode_t mode = 0;
    const std::vector<std::string> addresses = environment_.words("LISTEN");
    detail = "LISTENMODE " + environment_.text("LISTENMODE");
    if (!parse_mode(environment_.text("LISTENMODE"), mode)) {
      return Error{Fault::config, 0, "octal digits, at most 0777, expected"};
    }
    detail = "LISTEN";
    if (addresses.empty()) {
      return Error{Fault::config, 0, "is not set: unix:/path or inet:address:port"};
    }
    QV_TRY(listeners_, listen_as_set(addresses, mode, environment_.text("LISTENGROUP"), detail));
  }
  return {};
}

WriterSettings LmtpDaemon::writer_settings() const {
  return {settings_, host_, account_, read_settings_};
}

JailSettings LmtpDaemon::jail() const {
  JailSettings settings;
  settings.account = account_;
  settings.open_files = kAllDescriptors;
  return settings;
}

Result<void> LmtpDaemon::post_jail(std::string& detail) {
  log_.emplace(loop_, STDERR_FILENO);
  service_.emplace(Service{.settings = settings_,
                           .deliveries = nullptr,
                           .host = host_,
                           .log = [this](LogLine& line) { log_->write(line); },
                           .ended = [this] { on_ended(); }});
  QV_TRY(process::Spawner tables, process::start_spawner(table_spawner(writer_settings())));
  deliveries_.emplace(loop_, settings_,
                      WorkerDeliveries::Spawners{std::move(tables), std::move(writers_)},
                      process::log_notices(*log_, [this] {
                        if (!service_->is_stopping) end_for_restart(loop_);
                      }));
  service_->deliveries = &*deliveries_;
  server_.emplace(loop_, server_limits(settings_));
  server_->on_trouble([this](std::string_view what) { say("error", what); });
  for (Fd& listener : listeners_) {
    server_->serve(std::move(listener), [this](Stream& stream) {
      return std::make_unique<ClientSession>(*service_, stream);
    });
  }
  listeners_.clear();
  detail = "standard input and output";
  if (way_ == Way::standard_streams) return serve_standard_streams();
  return {};
}

// A stream is a socket.  What is none, a pipe or a file, is copied to and from one.
Result<void> LmtpDaemon::serve_standard_streams() {
  Fd client;
  if (is_one_socket(STDIN_FILENO, STDOUT_FILENO)) {
    client.reset(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
    if (!client.valid()) return errno_error("dup");
  } else {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
      return errno_error("socketpair");
    client.reset(pair[0]);
    const Fd theirs(pair[1]);
    QV_TRY(const pid_t output, fork_copier(theirs.get(), STDOUT_FILENO, client.get()));
    QV_TRY(const pid_t input, fork_copier(STDIN_FILENO, theirs.get(), client.get()));
    copiers_ = {output, input};
  }
  if (fcntl(client.get(), F_SETFL, O_RDWR | O_NONBLOCK) != 0) return errno_error("fcntl");
  server_->add(std::move(client), [this](Stream& stream) {
    return std::make_unique<ClientSession>(*service_, stream);
  });
  return {};
}

void LmtpDaemon::reload() {
  std::optional<DeliverSettings> settings = read_settings_();
  if (!settings) return say("reload", "refused, the old settings stay");
  settings_ = *std::move(settings);
  deliveries_->renew();
  server_->set_limits(server_limits(settings_));
  say("reload", "done");
}

void LmtpDaemon::say(std::string_view key, std::string_view value) {
  LogLine line("virtual");
  line.add(key, value);
  log_->write(line);
}

void LmtpDaemon::log_counters() {
  LogLine line("counters");
  add_counters(line, service_->counters, kCounterNames);
  const process::PoolCounters& writers = deliveries_->writers().counters();
  line.add("overdue", writers.overdue + deliveries_->tables().counters().overdue);
  line.add("workers_started", writers.workers_started).add("workers_lost", writers.workers_lost);
  line.add("clients", service_->sessions).add("workers", deliveries_->writers().workers());
  log_->write(line);
}

// A session or a message has ended.
void LmtpDaemon::on_ended() {
  const bool ends = service_->is_stopping || way_ == Way::standard_streams;
  if (ends && service_->sessions == 0 && service_->dispatches == 0) loop_.stop();
}

void LmtpDaemon::finish() {
  service_->is_stopping = true;
  server_->stop_listening();
  server_->each_session(
      [](StreamSession& session) { static_cast<ClientSession&>(session).say_goodbye(); });
  if (service_->sessions + service_->dispatches != 0) loop_.run();
  if (way_ == Way::sockets) log_counters();
  log_->drain(kSecondUs);
  // What has been said reaches the client before this process ends.
  service_->ended = [] {};
  server_.reset();
  if (copiers_.empty()) return;
  waitpid(copiers_[0], nullptr, 0);
  kill(copiers_[1], SIGKILL);
  waitpid(copiers_[1], nullptr, 0);
}

int run_service(std::string_view program, Way way, const Settings& environment,
                ReadSettings read_settings) {
  LibeventLoop loop;
  LmtpDaemon daemon(loop, way, environment, std::move(read_settings));
  return run_daemon(program, daemon, loop);
}

}  // namespace qv::lmtp
