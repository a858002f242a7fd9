// SPDX-License-Identifier: 0BSD
// proxymap/process.h - qmail-proxymap as a process: the order in which it opens things and gives up
// rights.
//
//   pre_jail    sockets bound, with their mode and group
//   post_jail   allow-list and tables, as the unprivileged account; workers are forked from here on
//
// No table is opened before the rights of the start are gone: what the account may not read is not
// served.  Manual: qmail-proxymap(8).  Tests: tests/e2e/proxymap.py
#ifndef QV_PROXYMAP_PROCESS_H_
#define QV_PROXYMAP_PROCESS_H_

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/fd.h"
#include "event/loop.h"
#include "event/stream_server.h"
#include "process/log.h"
#include "process/pool.h"
#include "process/skeleton.h"
#include "proxymap/options.h"
#include "proxymap/service.h"

namespace qv::proxymap {

class ProxymapDaemon final : public Daemon {
 public:
  // REQUIRES: all outlive this object.
  ProxymapDaemon(Loop& loop, const Options& options, const Settings& settings, bool writes)
      : Daemon(loop, options, settings), options_(options), writes_(writes) {}

  [[nodiscard]] Result<void> pre_jail(std::string& detail) override;
  [[nodiscard]] Result<void> post_jail(std::string& detail) override;
  [[nodiscard]] std::uint64_t open_files() const override;
  void reload() override;

 private:
  void add_counters(LogLine& line) override;
  void log_event(const Event& event);
  void log_problem(const Problem& problem);
  [[nodiscard]] Result<void> start_workers();
  void start_serving();
  [[nodiscard]] std::unordered_map<std::string, CacheLimits> read_caches();

  const Options& options_;
  const bool writes_;
  std::vector<Fd> listeners_;
  Counters counters_;
  std::optional<AllowList> allow_list_;
  std::optional<Tables> tables_;
  std::optional<process::Pool> pool_;
  std::optional<Service> service_;
  std::optional<StreamServer> server_;
};

// --check-config: the control files that are no settings.
void check_config(const Options& options, bool writes, const Settings& settings,
                  std::vector<Problem>& problems);

}  // namespace qv::proxymap

#endif  // QV_PROXYMAP_PROCESS_H_
