// SPDX-License-Identifier: 0BSD
// process/worker.h - the worker's side: a request, an answer, until its socket is closed.
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

// The body and file of the answer; serve_requests() sets kind and serial.  Nothing: the worker ends
// without an answer, and the pool may ask another one.
using Work = std::function<std::optional<Message>(Message& request)>;

struct Idling {
  std::int64_t after_us = -1;  // time without a request; negative: never
  std::function<void()> then;
};

// Returns when the other end is closed, when `work` returns nothing, and after a packet that is no
// message, which no pool sends.
void serve_requests(const Fd& socket, const Work& work, const Idling& idling = {});

}  // namespace qv::process

#endif  // QV_PROCESS_WORKER_H_
