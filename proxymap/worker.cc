// SPDX-License-Identifier: 0BSD
#include "proxymap/worker.h"

#include <errno.h>

#include <utility>

#include "core/clock.h"
#include "core/text.h"
#include "maps/cdb_file.h"
#include "maps/open.h"
#include "process/worker.h"
#include "proxymap/tables.h"

namespace qv::proxymap {

namespace {

// A worker may need a connection, a file and a library for each database.
constexpr std::uint64_t kMaxFiles = 1024;
// Longest message either way, in bytes: a value that a database gives may be large.
constexpr wire::AttributeLimits kJobLimits{.message = 16u << 20, .name = 64};

// False unless `bytes` are exactly one message.
bool scan_whole(wire::AttributeDecoder& decoder, std::string_view bytes) {
  return decoder.scan(bytes) == wire::Frame::whole && decoder.size() == bytes.size();
}

Result<maps::Answer> run(maps::Map& map, const wire::proxymap::Request& request,
                         std::string& value) {
  switch (request.operation) {
    case wire::proxymap::Operation::lookup:
      return map.lookup(request.key, value);
    case wire::proxymap::Operation::update:
      return map.update(request.key, request.value);
    case wire::proxymap::Operation::erase:
      return map.erase(request.key);
    case wire::proxymap::Operation::open:
    case wire::proxymap::Operation::sequence:
      break;
  }
  return Error{Fault::denied, 0, "not for a worker"};
}

class Worker {
 public:
  explicit Worker(const WorkerSettings& settings)
      : max_idle_us_(settings.max_idle_us),
        tables_(
            [this](std::string_view table, const maps::MapOptions& options) {
              return maps::open_watched_map(table, options,
                                            [this](std::string_view line) { add_notice(line); });
            },
            settings.for_update) {}

  process::Message answer(const process::Message& message) {
    wire::AttributeDecoder decoder(kJobLimits);
    wire::proxymap::Request request;
    WorkerAnswer out{wire::proxymap::Status::config, {}, "not a job"};
    if (scan_whole(decoder, message.body) &&
        wire::proxymap::parse_request(decoder, message.body, request) ==
            wire::proxymap::Parsed::request) {
      Table& table = tables_.add(request.table);
      table.last_used_us = monotonic_us();
      const bool no_substitution = (request.flags & wire::proxymap::flag::kNoSubstitution) != 0;
      perform(tables_.map(table, no_substitution), request, out);
    }
    if (!notices_.empty()) out.detail = std::exchange(notices_, {});
    process::Message reply;
    reply.body = encode_answer(out);
    return reply;
  }
  void close_idle() { tables_.close_idle(monotonic_us() - max_idle_us_); }

 private:
  void add_notice(std::string_view line) {
    if (!notices_.empty()) notices_ += "; ";
    notices_ += line;
  }

  std::int64_t max_idle_us_;
  std::string notices_;
  Tables tables_;
};

}  // namespace

std::string encode_answer(const WorkerAnswer& answer) {
  std::string out;
  wire::append_attribute(out, "status", static_cast<std::uint32_t>(answer.status));
  wire::append_attribute(out, "value", answer.value);
  wire::append_attribute(out, "detail", answer.detail);
  wire::end_attributes(out);
  return out;
}

bool parse_answer(std::string_view bytes, WorkerAnswer& answer) {
  wire::AttributeDecoder decoder(kJobLimits);
  if (!scan_whole(decoder, bytes)) return false;
  wire::AttributeReader reader(decoder, bytes);
  const std::uint32_t status = reader.number("status");
  answer.value = reader.text("value");
  answer.detail = reader.text("detail");
  if (!reader.done() || status > static_cast<std::uint32_t>(wire::proxymap::Status::config))
    return false;
  answer.status = static_cast<wire::proxymap::Status>(status);
  return answer.status != wire::proxymap::Status::bad;
}

process::Job job_of(const wire::proxymap::Request& request) {
  wire::proxymap::Request plain = request;
  plain.dialect = wire::proxymap::Dialect::plain;
  // Of the flags only this one matters to an open table; others must not keep equal look-ups apart.
  plain.flags = (request.flags | request.instance_flags) & wire::proxymap::flag::kNoSubstitution;
  process::Job job;
  job.lane = request.table;
  wire::proxymap::append_request(job.body, plain);
  // When a worker dies, it is unknown whether it had written.
  job.is_repeatable = request.operation == wire::proxymap::Operation::lookup;
  if (job.is_repeatable) job.identity = job.body;
  return job;
}

WorkerAnswer answer_of(const Result<process::Message>& answered) {
  WorkerAnswer answer;
  if (answered.ok() && parse_answer(answered.value().body, answer)) return answer;
  switch (answered.ok() ? EPROTO : answered.error().errnum) {
    case ETIMEDOUT:
      return {wire::proxymap::Status::retry, {}, "it took too long"};
    case EAGAIN:
      return {wire::proxymap::Status::retry, {}, "too many look-ups wait for it"};
    default:
      return {wire::proxymap::Status::retry, {}, "the worker died"};
  }
}

wire::proxymap::Status status_of(const Error& error) {
  switch (error.fault) {
    case Fault::retry:
    case Fault::protocol:  // of the table's server; no reason to drop the client
      return wire::proxymap::Status::retry;
    case Fault::config:
      return wire::proxymap::Status::config;
    case Fault::denied:
      return error.errnum != 0 ? wire::proxymap::Status::config : wire::proxymap::Status::deny;
  }
  return wire::proxymap::Status::retry;
}

wire::proxymap::Status status_of(const Result<maps::Answer>& result) {
  if (!result.ok()) return status_of(result.error());
  return result.value() == maps::Answer::found ? wire::proxymap::Status::ok
                                               : wire::proxymap::Status::no_key;
}

std::string failure_of(const maps::Map& map, const Error& error) {
  std::string detail = map.detail();
  return detail.empty() ? maps::describe_error(error, {}) : detail;
}

void perform(maps::Map& map, const wire::proxymap::Request& request, WorkerAnswer& answer) {
  answer.value.clear();
  answer.detail.clear();
  const Result<maps::Answer> result = run(map, request, answer.value);
  answer.status = status_of(result);
  // An update succeeds whether or not the key was there.
  if (request.operation == wire::proxymap::Operation::update &&
      answer.status == wire::proxymap::Status::no_key) {
    answer.status = wire::proxymap::Status::ok;
  }
  if (!result.ok()) {
    answer.value.clear();
    answer.detail = failure_of(map, result.error());
  } else if (find_byte(answer.value, '\0') != answer.value.size()) {
    answer = {wire::proxymap::Status::config, {}, "the value holds a NUL"};
  }
}

process::SpawnerSettings worker_spawner(const WorkerSettings& settings) {
  process::SpawnerSettings spawner;
  spawner.confinement.directory = nullptr;  // tables are named relative to $QMAILHOME
  spawner.confinement.max_files = kMaxFiles;
  spawner.max_processes = settings.max_processes;
  spawner.run = [settings](const std::string& /*subject*/, const Fd& socket) {
    maps::guard_against_truncation();
    Worker worker(settings);
    process::serve_requests(
        socket, [&worker](const process::Message& request) { return worker.answer(request); },
        {settings.max_idle_us, [&worker] { worker.close_idle(); }});
  };
  return spawner;
}

}  // namespace qv::proxymap
