// SPDX-License-Identifier: 0BSD
// proxymap/worker.h - the process that waits for a database so that the server need not.
//
// Forked by the server, one job after another over a socketpair; it keeps the tables it has asked
// open, for as long as they are used.  It ends when its socket is closed, when anything but a job
// comes, and with the server.
//
// Threads: none.  Blocking: whatever the table blocks on; the server kills it when that takes too
// long.  Tests: tests/proxymap/worker_test.cc
#ifndef QV_PROXYMAP_WORKER_H_
#define QV_PROXYMAP_WORKER_H_

#include <sys/types.h>

#include <cstdint>

#include "core/fd.h"
#include "core/result.h"

namespace qv::proxymap {

struct WorkerSettings {
  bool for_update = false;
  std::int64_t max_idle_us = 100'000'000;
};

// Serves `socket` until there is no more to do.
void serve_jobs(const Fd& socket, const WorkerSettings& settings);

struct Worker {
  pid_t pid = -1;
  Fd socket;  // non-blocking
};

// Forks a worker.  It inherits no descriptor but its socket and standard error.
[[nodiscard]] Result<Worker> start_worker(const WorkerSettings& settings);

}  // namespace qv::proxymap

#endif  // QV_PROXYMAP_WORKER_H_
