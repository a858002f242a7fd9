// SPDX-License-Identifier: 0BSD
// process/worker.h - the side of a worker: one request, one answer, until its socket is closed.
//
// Threads: none.  Blocking: whatever the work blocks on; the pool kills what takes too long.
// Tests: tests/process/spawner_test.cc
#ifndef QV_PROCESS_WORKER_H_
#define QV_PROCESS_WORKER_H_

#include <cstdint>
#include <functional>
#include <optional>

#include "core/fd.h"
#include "process/channel.h"

namespace qv::process {

// The body and file of the answer to a request; kind and serial are seen to.  Nothing: this worker
// ends without an answer, and the pool may ask another one.
using Work = std::function<std::optional<Message>(Message& request)>;

struct Idling {
  std::int64_t after_us = -1;  // without a request; below 0: never
  std::function<void()> then;
};

// Serves until the other end is closed or `work` gives nothing, and returns then; so it does after
// anything that is no message, which no pool sends.
void serve_requests(const Fd& socket, const Work& work, const Idling& idling = {});

}  // namespace qv::process

#endif  // QV_PROCESS_WORKER_H_
