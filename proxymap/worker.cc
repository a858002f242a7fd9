// SPDX-License-Identifier: 0BSD
#include "proxymap/worker.h"

#include <string>
#include <utility>

#include "core/clock.h"
#include "maps/cdb_file.h"
#include "maps/open.h"
#include "process/worker.h"
#include "proxymap/job.h"
#include "proxymap/tables.h"

namespace qv::proxymap {

namespace {

// For databases that have a connection, a file and a library each.
constexpr std::uint64_t kMaxFiles = 1024;

class JobServer {
 public:
  explicit JobServer(const WorkerSettings& settings)
      : max_idle_us_(settings.max_idle_us),
        tables_(
            [this](std::string_view table, const MapOptions& options) {
              return open_watched_map(table, options,
                                      [this](std::string_view line) { note(line); });
            },
            settings.for_update) {}

  process::Message answer(const process::Message& request) {
    Job job;
    JobAnswer out{Status::config, {}, "not a job"};
    if (parse_job(request.body, job)) {
      Table& table = tables_.add(job.table);
      table.last_used_us = monotonic_us();
      out = carry_out(tables_.map(table, job.no_substitution), job);
    }
    if (!notes_.empty()) out.detail = std::exchange(notes_, {});
    process::Message message;
    message.body = encode_answer(out);
    return message;
  }
  void close_idle() { tables_.close_idle(monotonic_us() - max_idle_us_); }

 private:
  void note(std::string_view line) {
    if (!notes_.empty()) notes_ += "; ";
    notes_ += line;
  }

  std::int64_t max_idle_us_;
  std::string notes_;
  Tables tables_;
};

}  // namespace

process::SpawnerSettings worker_spawner(const WorkerSettings& settings) {
  process::SpawnerSettings spawner;
  spawner.confinement.directory = nullptr;  // tables are named relative to $QMAILHOME
  spawner.confinement.max_files = kMaxFiles;
  spawner.max_processes = settings.max_processes;
  spawner.run = [settings](const std::string& /*subject*/, const Fd& socket) {
    guard_against_truncation();
    JobServer server(settings);
    process::serve_requests(
        socket, [&server](const process::Message& request) { return server.answer(request); },
        {settings.max_idle_us, [&server] { server.close_idle(); }});
  };
  return spawner;
}

}  // namespace qv::proxymap
