// SPDX-License-Identifier: 0BSD
// proxymap/options.h - what an operator can set of qmail-proxymap, read once at start.
//
// Manual: qmail-proxymap(8), SETTINGS.  Tests: tests/proxymap/options_test.cc
#ifndef QV_PROXYMAP_OPTIONS_H_
#define QV_PROXYMAP_OPTIONS_H_

#include <cstdint>
#include <vector>

#include "control/settings.h"
#include "event/stream_server.h"
#include "process/options.h"
#include "process/pool.h"

namespace qv::proxymap {

struct Options : ProcessOptions {
  std::size_t max_message = 0;
  std::int64_t max_idle_us = 0;
  StreamServerLimits server;
  process::PoolSettings pool;
};

// The rows that fill `options`, which must outlive them; `writes`: of the read-write service, which
// listens elsewhere and writes a table in one process, one write at a time.
[[nodiscard]] std::vector<Setting> proxymap_settings(Options& options, bool writes);

}  // namespace qv::proxymap

#endif  // QV_PROXYMAP_OPTIONS_H_
