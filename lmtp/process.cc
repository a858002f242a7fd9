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
#include "event/listen.h"
#include "lmtp/session.h"
#include "process/program.h"

namespace qv::lmtp {

namespace {

constexpr std::int64_t kSecondUs = 1'000'000;
constexpr std::uint64_t kMaxBytes = INT64_MAX;
constexpr std::int64_t kMax_s = 7 * 86400;
constexpr std::size_t kPiece = 65536;
constexpr std::size_t kOtherDescriptors = 256;  // workers, listeners, the loop

event::StreamServerLimits server_limits(const deliver::DeliverSettings& settings) {
  const auto silence_us = static_cast<std::int64_t>(settings.timeout) * kSecondUs;
  event::StreamServerLimits limits;
  limits.max_clients = event::clients_that_fit(settings.connection_limit, kOtherDescriptors);
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

// Forks a process that copies to the end of `from`.
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

std::vector<control::Setting> lmtp_settings(Options& o) {
  deliver::DeliverSettings& d = o.deliver;
  std::vector<control::Setting> rows = {
      {"listen", control::setting::words(o.listen, event::check_stream_address, true), "",
       "sockets to answer on, separated by blanks: unix:/PATH, inet:IP:PORT", "",
       control::kOfProcess},
      {"socket_mode", control::setting::mode(o.socket_mode), "0660", "mode of Unix sockets, octal",
       "SOCKETMODE LISTENMODE", control::kOfProcess},
      {"account", control::setting::text(o.account), "qmaild",
       "account that serves LMTP clients when started by root, or :UID:GID", "VIRTUALUSER",
       control::kOfProcess},
      {"message_size_limit", control::setting::number(d.message_limit, 0, kMaxBytes), "51200000",
       "bytes of a message over LMTP; 0: no limit"},
      {"virtual_recipient_limit", control::setting::number(d.recipient_limit, 1, 100000), "1000",
       "recipients of a message over LMTP"},
      {"virtual_connection_limit", control::setting::number(d.connection_limit, 1, 1000000),
       "10000", "LMTP connections"},
      {"virtual_writer_limit", control::setting::number(d.writer_limit, 1, 1000), "64",
       "concurrent deliveries; one account has at most half of them"},
      {"virtual_destination_concurrency_limit",
       control::setting::number(d.mailbox_concurrency, 1, 1000), "8",
       "concurrent deliveries to one mailbox"},
      {"virtual_time_limit", control::setting::duration(d.time_limit, 's', 0, kMax_s), "120s",
       "time an LMTP delivery may wait for its turn, and may then take"},
      {"virtual_workers", control::setting::number(1, 256, [](std::uint64_t) {}), "1",
       "without effect: one process serves all LMTP clients"},
      {"virtual_timeout", control::setting::duration(d.timeout, 's', 0, kMax_s), "300s",
       "time an LMTP client may be idle"},
  };
  return process::with_process_settings(o, deliver::deliver_settings(d, std::move(rows)));
}

LmtpDaemon::LmtpDaemon(event::Loop& loop, const Options& options, const control::Settings& settings,
                       Endpoint endpoint, const control::SettingSources& sources)
    : process::Daemon(loop, options, settings),
      endpoint_(endpoint),
      read_settings_([&sources]() -> std::optional<deliver::DeliverSettings> {
        Options fresh;
        std::vector<control::Problem> problems;
        control::Settings(lmtp_settings(fresh)).read(sources, problems);
        if (problems.empty()) return fresh.deliver;
        process::say_problems("qmail-lmtpd", problems);
        return std::nullopt;
      }),
      host_(deliver::host_name()),
      deliver_(options.deliver),
      options_(options) {}

Result<void> LmtpDaemon::pre_jail(std::string& detail) {
  detail = "spawner";
  QV_TRY(writers_, process::start_spawner(deliver::writer_spawner(writer_settings())));
  if (endpoint_ == Endpoint::standard_streams) return {};
  detail = settings_.place("listen");
  if (options_.listen.empty()) {
    return Error{Fault::config, 0, "is not set: unix:/path or inet:address:port"};
  }
  QV_TRY(listeners_, process::open_listeners(options_, settings_, detail));
  return {};
}

deliver::WriterSettings LmtpDaemon::writer_settings() const {
  return {deliver_, host_, account_, read_settings_};
}

Result<void> LmtpDaemon::post_jail(std::string& detail) {
  service_.reset(new Service{.settings = deliver_,
                             .deliveries = nullptr,
                             .host = host_,
                             .log = [this](process::LogLine line) { log_->write(line); },
                             .ended = [this] { on_ended(); }});
  QV_TRY(process::Spawner tables,
         process::start_spawner(deliver::table_spawner(writer_settings())));
  deliveries_.emplace(loop_, deliver_,
                      WorkerDeliveries::Spawners{std::move(tables), std::move(writers_)},
                      process::log_notices(*log_, [this] {
                        if (!service_->is_stopping) end_for_restart();
                      }));
  service_->deliveries = &*deliveries_;
  server_.emplace(loop_, server_limits(deliver_));
  server_->on_trouble([this](std::string_view what) { say("error", what); });
  for (Fd& listener : listeners_) {
    server_->serve(std::move(listener), [this](event::Stream& stream) {
      return std::make_unique<ClientSession>(*service_, stream);
    });
  }
  listeners_.clear();
  detail = "standard input and output";
  if (endpoint_ == Endpoint::standard_streams) return serve_standard_streams();
  return {};
}

// Streams need a socket: pipes and files are copied to and from one.
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
  server_->add(std::move(client), [this](event::Stream& stream) {
    return std::make_unique<ClientSession>(*service_, stream);
  });
  return {};
}

void LmtpDaemon::reload() {
  std::optional<deliver::DeliverSettings> settings = read_settings_();
  if (!settings) return say("reload", "refused, the old settings stay");
  deliver_ = *std::move(settings);
  deliveries_->renew();
  server_->set_limits(server_limits(deliver_));
  say("reload", "done");
}

void LmtpDaemon::say(std::string_view key, std::string_view value) {
  process::LogLine line("virtual");
  line.add(key, value);
  log_->write(line);
}

void LmtpDaemon::add_counters(process::LogLine& line) {
  service_->counters.add_to(line);
  const process::PoolCounters& writers = deliveries_->writers().counters();
  line.add("overdue", writers.overdue + deliveries_->tables().counters().overdue);
  line.add("workers_started", writers.workers_started).add("workers_lost", writers.workers_lost);
  line.add("clients", service_->sessions).add("workers", deliveries_->writers().workers());
}

void LmtpDaemon::on_ended() {
  const bool ends = service_->is_stopping || endpoint_ == Endpoint::standard_streams;
  if (ends && service_->sessions == 0 && service_->dispatches == 0) loop_.stop();
}

void LmtpDaemon::finish() {
  service_->is_stopping = true;
  server_->stop_listening();
  server_->each_session(
      [](event::StreamSession& session) { static_cast<ClientSession&>(session).shut_down(); });
  if (service_->sessions + service_->dispatches != 0) loop_.run();
  if (endpoint_ == Endpoint::sockets) log_counters();
  log_->drain(kSecondUs);
  // The last replies must reach the client before this process ends.
  service_->ended = [] {};
  server_.reset();
  if (copiers_.empty()) return;
  waitpid(copiers_[0], nullptr, 0);
  kill(copiers_[1], SIGKILL);
  waitpid(copiers_[1], nullptr, 0);
}

}  // namespace qv::lmtp
