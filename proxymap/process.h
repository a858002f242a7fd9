// SPDX-License-Identifier: 0BSD
// proxymap/process.h - qmail-proxymap as a process: the order in which it opens things and gives up
// rights.
//
//   pre_jail    sockets bound, with their mode and group
//   post_jail   allow-list and tables, as the unprivileged account; workers are forked from here on
//
// No table is opened with the rights that the process was started with: what the account may not
// read is not served.  Manual: qmail-proxymap(8).
// Tests: tests/proxymap/options_test.cc, tests/e2e/proxymap.py
#ifndef QV_PROXYMAP_PROCESS_H_
#define QV_PROXYMAP_PROCESS_H_

#include <cstdint>
#include <vector>

#include "control/settings.h"
#include "event/stream_server.h"
#include "process/options.h"
#include "process/pool.h"

namespace qv::proxymap {

// What an operator can set; qmail-proxymap(8), SETTINGS.
struct Options : process::ProcessOptions {
  std::size_t max_message = 0;
  std::int64_t max_idle_us = 0;
  event::StreamServerLimits server;
  process::PoolSettings pool;
};

// The rows that fill `options`, which must outlive them; `writes`: those of the read-write service,
// which listens elsewhere and writes a table in one process, one write at a time.
[[nodiscard]] std::vector<control::Setting> proxymap_settings(Options& options, bool writes);

// Serves until SIGTERM; returns the exit code.  `writes`: as the read-write service.
[[nodiscard]] int run_proxymap(const Options& options, const control::Settings& settings,
                               bool writes);

// --check-config: the control files that are no settings.
void check_config(const Options& options, bool writes, const control::Settings& settings,
                  std::vector<control::Problem>& problems);

}  // namespace qv::proxymap

#endif  // QV_PROXYMAP_PROCESS_H_
