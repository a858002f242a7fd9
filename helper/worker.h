// SPDX-License-Identifier: 0BSD
// helper/worker.h - the process that looks: one request, one look, one response.
//
// Forked by the keeper.  Blocking: whatever the look blocks on; it is killed when that takes too
// long.  It ends when its socket is closed or when anything but a request comes.
//
// Threads: none.  Tests: tests/helper/keeper_test.cc, tests/helper/pool_test.cc
#ifndef QV_HELPER_WORKER_H_
#define QV_HELPER_WORKER_H_

#include "core/fd.h"
#include "helper/home.h"
#include "helper/keeper.h"
#include "helper/request.h"

namespace qv::helper {

// What a worker answers to a request that validate() passed.
[[nodiscard]] Finding carry_out(const Request& request, const KeeperSettings& settings);

// Serves `socket` until it is closed.  REQUIRES: this process is the worker's own.
[[noreturn]] void run_worker(const Fd& socket, const KeeperSettings& settings);

}  // namespace qv::helper

#endif  // QV_HELPER_WORKER_H_
