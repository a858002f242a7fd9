// SPDX-License-Identifier: 0BSD
// proxymap/worker.h - the process that waits for a database so that the server need not.
//
// A worker of the pool (process/pool.h).  It keeps the tables it has asked open, for as long as
// they are used.
//
// Threads: none.  Blocking: whatever the table blocks on; the pool kills it when that takes too
// long.  Tests: tests/proxymap/worker_test.cc
#ifndef QV_PROXYMAP_WORKER_H_
#define QV_PROXYMAP_WORKER_H_

#include <cstdint>

#include "process/spawner.h"

namespace qv::proxymap {

struct WorkerSettings {
  bool for_update = false;
  std::int64_t max_idle_us = 100'000'000;
  std::uint32_t max_processes = 64;
};

// How the spawner starts such workers.
[[nodiscard]] process::SpawnerSettings worker_spawner(const WorkerSettings& settings);

}  // namespace qv::proxymap

#endif  // QV_PROXYMAP_WORKER_H_
