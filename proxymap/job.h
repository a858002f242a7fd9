// SPDX-License-Identifier: 0BSD
// proxymap/job.h - what the server asks a worker, and what it hears.
//
// Attribute messages, each the body of a message to or from a worker (process/pool.h): `operation
// table no_substitution key value`, answered by `status value detail`.  The detail is what the
// operator should know of it.
//
// Pure.  Tests: tests/proxymap/worker_test.cc
#ifndef QV_PROXYMAP_JOB_H_
#define QV_PROXYMAP_JOB_H_

#include <string>
#include <string_view>

#include "core/result.h"
#include "maps/map.h"
#include "process/pool.h"
#include "wire/attributes.h"
#include "wire/proxymap.h"

namespace qv::proxymap {

struct Job {
  Operation operation = Operation::lookup;  // lookup, update or erase
  std::string table;
  bool no_substitution = false;
  std::string key;
  std::string value;
};

struct JobAnswer {
  Status status = Status::retry;  // ok, no_key, retry, deny or config
  std::string value;
  std::string detail;
};

// False where the bytes are no such message.
[[nodiscard]] std::string encode_job(const Job& job);
[[nodiscard]] bool parse_job(std::string_view bytes, Job& job);
[[nodiscard]] std::string encode_answer(const JobAnswer& answer);
[[nodiscard]] bool parse_answer(std::string_view bytes, JobAnswer& answer);

// The job as the pool takes it: its lane is the table, look-ups join their equals, writes are done
// once.  What came back, where no worker could answer Status::retry with the reason as detail.
[[nodiscard]] process::Job order_of(const Job& job);
[[nodiscard]] JobAnswer answer_of(const Result<process::Message>& answered);

// What a client is told of a table's answer, and of its failure.  Fault::denied with an errno is a
// key or value the table cannot hold: that is no refusal, which would end Postfix's clients.
[[nodiscard]] Status status_of(const Result<Answer>& result);
[[nodiscard]] Status status_of(const Error& error);

// Does the job on an open map.  A value that holds a NUL cannot be carried and is Status::config.
[[nodiscard]] JobAnswer carry_out(Map& map, const Job& job);

}  // namespace qv::proxymap

#endif  // QV_PROXYMAP_JOB_H_
