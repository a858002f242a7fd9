// SPDX-License-Identifier: 0BSD
// lmtp/process.h - the LMTP service as a process: the order in which it opens things and gives up
// rights.
//
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

// Where it is to serve.
enum class Way : std::uint8_t {
  sockets,           // on LISTEN
  standard_streams,  // one client, on standard input and output
};

struct Options : ProcessOptions {
  DeliverSettings deliver;
};

// The rows that fill `options`, which must outlive them.
[[nodiscard]] std::vector<Setting> lmtp_settings(Options& options);

class LmtpDaemon final : public Daemon {
 public:
  // `sources`: where the settings are read from again.  REQUIRES: all outlive this object.
  LmtpDaemon(Loop& loop, const Options& options, const Settings& settings, Way way,
             const SettingSources& sources);

  [[nodiscard]] Result<void> pre_jail(std::string& detail) override;
  [[nodiscard]] Result<void> post_jail(std::string& detail) override;
  [[nodiscard]] std::uint64_t open_files() const override { return UINT64_MAX; }
  void reload() override;
  void finish() override;

 private:
  void add_counters(LogLine& line) override;
  [[nodiscard]] Result<void> serve_standard_streams();
  void say(std::string_view key, std::string_view value);
  [[nodiscard]] WriterSettings writer_settings() const;
  void on_ended();

  const Way way_;
  const ReadSettings read_settings_;
  const std::string host_;
  DeliverSettings deliver_;  // as they are now
  const Options& options_;
  process::Spawner writers_;
  std::vector<Fd> listeners_;
  std::vector<pid_t> copiers_;
  std::unique_ptr<Service> service_;  // outlives the deliveries that are under way
  std::optional<WorkerDeliveries> deliveries_;
  std::optional<StreamServer> server_;
};

}  // namespace qv::lmtp

#endif  // QV_LMTP_PROCESS_H_
