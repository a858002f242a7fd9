// SPDX-License-Identifier: 0BSD
#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/agent.h"
#include "agent/pool.h"
#include "core/exit_code.h"
#include "event/libevent_loop.h"
#include "event/listen.h"
#include "maps/cdb_file.h"
#include "process/skeleton.h"
#include "udpbits.h"
#include "verify/options.h"
#include "verify/service.h"
#include "verify/stream_service.h"
#include "verify/verifier.h"

namespace qv::verify {

namespace {

// For agents, tables, log, listening sockets.
constexpr std::uint64_t kOwnDescriptors = 1000;
constexpr int kReceiveBuffer = 1 << 20;

// What the daemon and --explain have in common: the agents.  The spawner is forked first, so that
// it never holds a socket.
class VerifyProcess : public process::Daemon {
 public:
  VerifyProcess(event::Loop& loop, const Options& options, const control::Settings& settings)
      : process::Daemon(loop, options, settings), options_(options) {}

  [[nodiscard]] Result<void> pre_jail(std::string& detail) override {
    detail = "agents";
    agent::AgentSettings settings;
    settings.users_cdb = options_.qmailhome + "/users/cdb";
    if (geteuid() == 0) settings.resolver = {account_.uid, account_.gid};
    // Helpers that hang and cannot be killed count: there must be room for others beside them.
    settings.max_processes = options_.helpers * 4;
    QV_TRY(spawner_, process::start_spawner(agent::agent_spawner(settings)));
    return {};
  }

  [[nodiscard]] Result<void> post_jail(std::string& /*detail*/) override {
    maps::guard_against_truncation();
    process::PoolSettings settings;
    settings.start_another = 4;
    settings.workers = options_.helpers;
    settings.time_limit_us = options_.look_timeout_us;
    pool_.emplace(loop_, std::move(spawner_), settings,
                  process::log_notices(*log_, [this] { end_for_restart(); }));
    return {};
  }

 protected:
  const Options& options_;
  process::Spawner spawner_;
  std::optional<agent::Pool> pool_;
  std::optional<Verifier> verifier_;
};

// ---- the daemon ---------------------------------------------------------------------------------

Result<Fd> bind_datagrams(const std::string& text, const event::SocketAccess& access) {
  QV_TRY(const Endpoint endpoint, parse_endpoint(text, kVerifyPort));
  QV_TRY(Fd bound, event::listen_on({endpoint.address, endpoint.length, text}, access, SOCK_DGRAM));
  // As much as the system allows: a burst of queries waits here.
  setsockopt(bound.get(), SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer);
  return bound;
}

class VerifyDaemon final : public VerifyProcess {
 public:
  using VerifyProcess::VerifyProcess;

  [[nodiscard]] Result<void> pre_jail(std::string& detail) override {
    QV_TRY_VOID(VerifyProcess::pre_jail(detail));
    QV_TRY(const event::SocketAccess access, process::socket_access(options_, settings_, detail));
    for (const std::string& text : options_.listen) {
      detail = settings_.place("listen") + ": " + text;
      std::string_view rest = text;
      if (const auto protocol = parse_stream_protocol(rest)) {
        QV_TRY(const event::StreamAddress address, event::parse_stream_address(rest));
        QV_TRY(Fd listener, event::listen_on(address, access));
        listening_.emplace_back(std::move(listener), *protocol);
      } else {
        QV_TRY(Fd bound, bind_datagrams(text, access));
        bound_.push_back(std::move(bound));
      }
    }
    return {};
  }

  [[nodiscard]] Result<void> post_jail(std::string& detail) override {
    QV_TRY_VOID(VerifyProcess::post_jail(detail));
    verifier_.emplace(loop_, options_, *pool_, *log_, reports_to_log(*log_));
    streams_.emplace(loop_, *verifier_, *log_);
    process::LogLine line = start_line();
    log_->write(line);
    for (Fd& bound : bound_) {
      QV_TRY(auto socket, DatagramSocket::adopt(std::move(bound)));
      services_.push_back(
          std::make_unique<VerifyService>(loop_, options_, *verifier_, *log_, std::move(socket)));
    }
    for (auto& [listener, protocol] : listening_) streams_->serve(std::move(listener), protocol);
    verifier_->refresh(loop_.now_us());
    return {};
  }

  [[nodiscard]] std::uint64_t open_files() const override {
    return listening_.empty() ? 0 : StreamService::kMaxClients + kOwnDescriptors;
  }
  void reload() override { verifier_->reload(); }

 private:
  void add_counters(process::LogLine& line) override;

  std::vector<Fd> bound_;  // datagrams
  std::vector<std::pair<Fd, StreamProtocol>> listening_;
  std::vector<std::unique_ptr<VerifyService>> services_;
  std::optional<StreamService> streams_;
};

void VerifyDaemon::add_counters(process::LogLine& line) {
  const process::PoolCounters& looks = pool_->counters();
  verifier_->counters().add_to(line);
  line.add("looks", looks.jobs).add("looks_overdue", looks.overdue);
  line.add("looks_refused", looks.overflows).add("looks_retried", looks.retried);
  line.add("helpers_started", looks.workers_started).add("helpers_lost", looks.workers_lost);
  line.add("helpers_refused", looks.workers_refused);
  std::uint64_t unsent = 0;
  for (const auto& service : services_) unsent += service->unsent();
  line.add("unsent", unsent).add("log_dropped", log_->dropped());
  line.add("parked", verifier_->parked()).add("helpers", pool_->workers());
  line.add("clients", streams_->clients()).add("accepted", streams_->accepted());
}

// ---- --explain ----------------------------------------------------------------------------------

// By Verdict.
constexpr struct {
  const char* phrase;
  int exit_code;
} kVerdicts[] = {{"valid", kExitOk}, {"not valid", kExitPermanent}, {"undecided", kExitTemporary}};

class Explain final : public VerifyProcess {
 public:
  Explain(event::Loop& loop, const Options& options, const control::Settings& settings,
          std::span<char* const> addresses)
      : VerifyProcess(loop, options, settings), addresses_(addresses) {}

  [[nodiscard]] Result<void> post_jail(std::string& detail) override {
    QV_TRY_VOID(VerifyProcess::post_jail(detail));
    const auto print_problem = [](const control::Problem& problem) {
      std::fprintf(stderr, "qmail-verify: %s\n", control::to_string(problem).c_str());
    };
    const auto print_notice = [](std::string_view line) {
      std::fprintf(stderr, "qmail-verify: %s\n", std::string(line).c_str());
    };
    verifier_.emplace(loop_, options_, *pool_, *log_,
                      VerifierReports{print_problem, print_notice, control::end_of_time_ns});
    verifier_->refresh(loop_.now_us());
    turn_ = loop_.after(0, [this] { next(); });
    return {};
  }

  void reload() override {}
  void log_counters() override {}
  void finish() override {}
  [[nodiscard]] int exit_code() const override {
    return std::max(exit_code_, VerifyProcess::exit_code());
  }

 private:
  void next() {
    if (addresses_.empty()) return loop_.stop();
    const char* address = addresses_.front();
    addresses_ = addresses_.subspan(1);
    std::printf("%s\n", address);
    const std::int64_t now = loop_.now_us();
    rcpt::Decision decision = verifier_->decide(address, now, &steps_);
    const auto done = [this](const rcpt::Decision& late) { report(late); };
    if (decision.pending &&
        verifier_->park(decision, {address, now, done, &steps_}) == Verifier::Parked::yes) {
      return;
    }
    report(decision);
  }

  void report(const rcpt::Decision& decision) {
    for (const std::string& step : steps_) std::printf("  %s\n", step.c_str());
    const std::string user(decision.user.view());
    const auto& verdict = kVerdicts[static_cast<std::size_t>(decision.verdict())];
    std::printf("  => %s (why=%s, position %d%s%s)\n", verdict.phrase,
                std::string(rcpt::why_word(decision.why)).c_str(), decision.position,
                user.empty() ? "" : ", user ", user.c_str());
    // 111 over 100 over 0: the least certain answer is the one to act on.
    exit_code_ = std::max(exit_code_, verdict.exit_code);
    turn_ = loop_.after(0, [this] { next(); });
  }

  std::span<char* const> addresses_;  // the ones still to come
  rcpt::Explanation steps_;
  event::Loop::Owned turn_;
  int exit_code_ = 0;
};

}  // namespace

int serve(const Options& options, const control::Settings& settings) {
  event::LibeventLoop loop;
  VerifyDaemon daemon(loop, options, settings);
  return process::run_daemon("qmail-verify", daemon);
}

int explain(const Options& options, const control::Settings& settings,
            std::span<char* const> addresses) {
  event::LibeventLoop loop;
  Explain process(loop, options, settings, addresses);
  return process::run_daemon("qmail-verify", process);
}

}  // namespace qv::verify
