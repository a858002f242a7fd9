// SPDX-License-Identifier: 0BSD
// probe/process.h - qmail-probe as a process: the order in which it opens things and gives up
// rights.
//
//   pre_jail    sockets bound, with their mode and group; the directory of the cache made
//   post_jail   the cache and everything else, as the unprivileged account
//
// Manual: qmail-probe(8).  Tests: tests/e2e/probe.py
#ifndef QV_PROBE_PROCESS_H_
#define QV_PROBE_PROCESS_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cache/lmdb_store.h"
#include "core/fd.h"
#include "event/libevent_loop.h"
#include "event/stream_server.h"
#include "probe/client.h"
#include "probe/control_files.h"
#include "probe/options.h"
#include "probe/own_addresses.h"
#include "probe/records.h"
#include "probe/service.h"
#include "process/log.h"
#include "process/skeleton.h"

namespace qv {

class ProbeDaemon final : public Daemon {
 public:
  // REQUIRES: all outlive this object.
  ProbeDaemon(LibeventLoop& loop, const ProbeOptions& options, const Settings& settings)
      : Daemon(loop, options, settings), event_loop_(loop), options_(options) {}

  [[nodiscard]] Result<void> pre_jail(std::string& detail) override;
  [[nodiscard]] Result<void> post_jail(std::string& detail) override;
  [[nodiscard]] std::uint64_t open_files() const override;
  void reload() override;
  void finish() override;

 private:
  void add_counters(LogLine& line) override;
  [[nodiscard]] Result<void> open_store(std::string& detail);
  void start_probing();
  void open_records(const Report& say);
  void start_serving();
  void start_timers();
  void use_control_files();
  void flush();
  void report(std::string_view word, std::initializer_list<ReportField> fields);
  void log_start();
  void log_problems(const std::vector<Problem>& problems);
  [[nodiscard]] CalloutOptions callout_options() const;

  LibeventLoop& event_loop_;
  const ProbeOptions& options_;
  std::vector<Fd> listeners_;
  std::unique_ptr<CacheStore> store_;
  LmdbStore* lmdb_ = nullptr;  // the store, where it is one
  std::unique_ptr<RedisClient> redis_;
  std::unique_ptr<Records> records_;
  std::optional<OwnAddresses> own_;
  std::unique_ptr<Connector> connector_;
  std::unique_ptr<Resolver> resolver_;
  std::unique_ptr<ExchangerLookup> exchangers_;
  std::unique_ptr<ProbeDriver> driver_;
  std::unique_ptr<VerifyService> service_;
  std::unique_ptr<CacheCleanup> cleanup_;
  std::optional<ControlFiles> control_;
  std::unique_ptr<VerifyClients> clients_;
  std::optional<StreamServer> server_;
  std::vector<Loop::Owned> timers_;
  bool flush_failed_ = false;
};

// --check-config: the control files that are no settings.
void check_probe_config(const ProbeOptions& options, const Settings& settings,
                        std::vector<Problem>& problems);

}  // namespace qv

#endif  // QV_PROBE_PROCESS_H_
