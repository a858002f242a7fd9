// SPDX-License-Identifier: 0BSD
// lmtp/process.h - the LMTP service as a process: the phases in which it opens things and gives up
// rights.
//
//   pre_jail    forks the spawner of writers, which retains the rights; binds sockets
//   post_jail   serves clients as the unprivileged account
//
// SIGHUP: this process, with the rights that it has left, and the spawners read the settings again;
// a mistake leaves the old ones in force.  SIGTERM: accepts no new clients and completes messages
// under way.  Without a spawner nothing can be delivered: the process ends as after SIGTERM, with
// exit code 111.
//
// Manual: qmail-lmtpd(8).  Tests: tests/e2e/deliver.py
#ifndef QV_LMTP_PROCESS_H_
#define QV_LMTP_PROCESS_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/settings.h"
#include "deliver/agent.h"
#include "event/stream_server.h"
#include "lmtp/service.h"
#include "lmtp/worker_deliveries.h"
#include "process/options.h"
#include "process/skeleton.h"

namespace qv::lmtp {

enum class Endpoint : std::uint8_t {
  sockets,           // those of `listen`
  standard_streams,  // one client, on standard input and output
};

struct Options : process::ProcessOptions {
  deliver::DeliverSettings deliver;
};

// The rows that fill `options`, which must outlive them.
[[nodiscard]] std::vector<control::Setting> lmtp_settings(Options& options);

class LmtpDaemon final : public process::Daemon {
 public:
  // Settings are read again from `sources`.  REQUIRES: all outlive this object.
  LmtpDaemon(event::Loop& loop, const Options& options, const control::Settings& settings,
             Endpoint endpoint, const control::SettingSources& sources);

  [[nodiscard]] Result<void> pre_jail(std::string& detail) override;
  [[nodiscard]] Result<void> post_jail(std::string& detail) override;
  [[nodiscard]] std::uint64_t open_files() const override { return UINT64_MAX; }
  void reload() override;
  void finish() override;

 private:
  void add_counters(process::LogLine& line) override;
  [[nodiscard]] Result<void> serve_standard_streams();
  void say(std::string_view key, std::string_view value);
  [[nodiscard]] deliver::WriterSettings writer_settings() const;
  void on_ended();

  const Endpoint endpoint_;
  const deliver::ReadSettings read_settings_;
  const std::string host_;
  deliver::DeliverSettings deliver_;  // the current settings
  const Options& options_;
  process::Spawner writers_;
  std::vector<Fd> listeners_;
  std::vector<pid_t> copiers_;
  std::unique_ptr<Service> service_;  // outlives the deliveries under way
  std::optional<WorkerDeliveries> deliveries_;
  std::optional<event::StreamServer> server_;
};

}  // namespace qv::lmtp

#endif  // QV_LMTP_PROCESS_H_
