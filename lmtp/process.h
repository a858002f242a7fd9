// SPDX-License-Identifier: 0BSD
// lmtp/process.h - the LMTP service as a process: the order in which it opens things and gives up
// rights.
//
//   parse       settings; a mistake in them ends it
//   pre_jail    the spawner of writers forked, which keeps the rights; sockets bound, with their
//   mode
//               and group
//   post_jail   clients are served as the unprivileged account
//
// SIGHUP: settings are read again, with the rights that are left, and by the spawners; where there
// is a mistake the old ones stay.  SIGTERM: no new clients; messages under way are ended.
// Without a spawner nothing can be delivered: the process ends as after SIGTERM, with exit code
// 111.
//
// Manual: qmail-lmtpd(8).  Tests: tests/e2e/deliver.py
#ifndef QV_LMTP_PROCESS_H_
#define QV_LMTP_PROCESS_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/settings.h"
#include "deliver/agent.h"
#include "event/stream_server.h"
#include "lmtp/service.h"
#include "lmtp/worker_deliveries.h"
#include "process/skeleton.h"

namespace qv::lmtp {

// Where it is to serve.
enum class Way : std::uint8_t {
  sockets,           // on LISTEN
  standard_streams,  // one client, on standard input and output
};

// What the environment may say, QMAILHOME included; the table for --help.
[[nodiscard]] std::span<const Setting> environment_table();

class LmtpDaemon final : public Daemon {
 public:
  LmtpDaemon(Loop& loop, Way way, const Settings& environment, ReadSettings read_settings);

  [[nodiscard]] Result<void> parse(std::string& detail) override;
  [[nodiscard]] Result<void> pre_jail(std::string& detail) override;
  [[nodiscard]] JailSettings jail() const override;
  [[nodiscard]] Result<void> post_jail(std::string& detail) override;
  void reload() override;
  void log_counters() override;
  void finish() override;

 private:
  [[nodiscard]] Result<void> serve_standard_streams();
  void say(std::string_view key, std::string_view value);
  [[nodiscard]] WriterSettings writer_settings() const;
  void on_ended();

  Loop& loop_;
  const Way way_;
  const Settings& environment_;
  const ReadSettings read_settings_;
  const std::string host_;
  DeliverSettings settings_;
  Account account_;
  process::Spawner writers_;
  std::vector<Fd> listeners_;
  std::vector<pid_t> copiers_;
  std::optional<LogWriter> log_;
  std::optional<Service> service_;  // outlives the deliveries that are under way
  std::optional<WorkerDeliveries> deliveries_;
  std::optional<StreamServer> server_;
};

// Runs it; the exit code.
[[nodiscard]] int run_service(std::string_view program, Way way, const Settings& environment,
                              ReadSettings read_settings);

}  // namespace qv::lmtp

#endif  // QV_LMTP_PROCESS_H_
