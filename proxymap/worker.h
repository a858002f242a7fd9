// SPDX-License-Identifier: 0BSD
// proxymap/worker.h - the process that waits for a database so that the server need not.
//
// A worker of the pool (process/pool.h).  A job is a request in the form in which clients send it
// (wire/proxymap.h): lookup, update or delete.  The answer is a message of the attributes `status
// value detail`; the detail is for the operator.  A worker holds open the tables it has asked, as
// long as they are used.
//
// Threads: none.  Blocking: whatever the table blocks on; the pool kills a worker that takes too
// long.  Tests: tests/proxymap/worker_test.cc
#ifndef QV_PROXYMAP_WORKER_H_
#define QV_PROXYMAP_WORKER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"
#include "maps/map.h"
#include "process/pool.h"
#include "process/spawner.h"
#include "wire/proxymap.h"

namespace qv::proxymap {

struct WorkerAnswer {
  wire::proxymap::Status status =
      wire::proxymap::Status::retry;  // ok, no_key, retry, deny or config
  std::string value;                  // of a key that was found
  std::string detail;
};

[[nodiscard]] std::string encode_answer(const WorkerAnswer& answer);
// False where the bytes are no such message.
[[nodiscard]] bool parse_answer(std::string_view bytes, WorkerAnswer& answer);

// The request as the pool takes it.  Its lane is the table; equal look-ups share one answer; a
// write is never repeated.
[[nodiscard]] process::Job job_of(const wire::proxymap::Request& request);
// Status::retry, with the reason as detail, where no worker could answer.
[[nodiscard]] WorkerAnswer answer_of(const Result<process::Message>& answered);

// The status that a client gets for a table's answer, and for its failure.  Fault::denied with an
// errno means a key or value that the table cannot hold.  That is Status::config: a refusal would
// end Postfix's clients.
[[nodiscard]] wire::proxymap::Status status_of(const Result<maps::Answer>& result);
[[nodiscard]] wire::proxymap::Status status_of(const Error& error);

// What went wrong with the last call to `map`: its own words, or those of `error`.
[[nodiscard]] std::string failure_of(const maps::Map& map, const Error& error);

// Performs a lookup, update or delete on an open map.  A value that holds a NUL cannot be sent and
// is Status::config.
void perform(maps::Map& map, const wire::proxymap::Request& request, WorkerAnswer& answer);

struct WorkerSettings {
  bool for_update = false;
  std::int64_t max_idle_us = 100'000'000;
  std::uint32_t max_processes = 64;
};

// How the spawner starts such workers.
[[nodiscard]] process::SpawnerSettings worker_spawner(const WorkerSettings& settings);

}  // namespace qv::proxymap

#endif  // QV_PROXYMAP_WORKER_H_
