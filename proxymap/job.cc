// SPDX-License-Identifier: 0BSD
#include "proxymap/job.h"

#include <errno.h>

#include "core/text.h"

namespace qv::proxymap {

namespace {

// Longest message either way, in bytes: a value that a database gives may be large.
constexpr AttributeLimits kJobLimits{.message = 16u << 20, .name = 64};

bool to_operation(std::uint32_t number, Operation& operation) {
  for (const Operation candidate : {Operation::lookup, Operation::update, Operation::erase}) {
    if (static_cast<std::uint32_t>(candidate) != number) continue;
    operation = candidate;
    return true;
  }
  return false;
}

Result<Answer> run(Map& map, const Job& job, std::string& value) {
  switch (job.operation) {
    case Operation::lookup:
      return map.lookup(job.key, value);
    case Operation::update:
      return map.update(job.key, job.value);
    case Operation::erase:
      return map.erase(job.key);
    case Operation::open:
    case Operation::sequence:
      break;
  }
  return Error{Fault::denied, 0, "not for a worker"};
}

}  // namespace

std::string encode_job(const Job& job) {
  std::string out;
  append_attribute(out, "operation", static_cast<std::uint32_t>(job.operation));
  append_attribute(out, "table", job.table);
  append_attribute(out, "no_substitution", job.no_substitution ? 1u : 0u);
  append_attribute(out, "key", job.key);
  append_attribute(out, "value", job.value);
  end_attributes(out);
  return out;
}

bool parse_job(std::string_view bytes, Job& job) {
  AttributeDecoder decoder(kJobLimits);
  if (decoder.scan(bytes) != Frame::whole || decoder.size() != bytes.size()) return false;
  AttributeReader reader(decoder, bytes);
  const bool known = to_operation(reader.number("operation"), job.operation);
  job.table = reader.text("table");
  job.no_substitution = reader.number("no_substitution") != 0;
  job.key = reader.text("key");
  job.value = reader.text("value");
  return known && reader.done();
}

std::string encode_answer(const JobAnswer& answer) {
  std::string out;
  append_attribute(out, "status", static_cast<std::uint32_t>(answer.status));
  append_attribute(out, "value", answer.value);
  append_attribute(out, "detail", answer.detail);
  end_attributes(out);
  return out;
}

bool parse_answer(std::string_view bytes, JobAnswer& answer) {
  AttributeDecoder decoder(kJobLimits);
  if (decoder.scan(bytes) != Frame::whole || decoder.size() != bytes.size()) return false;
  AttributeReader reader(decoder, bytes);
  const std::uint32_t status = reader.number("status");
  answer.value = reader.text("value");
  answer.detail = reader.text("detail");
  if (!reader.done() || status > static_cast<std::uint32_t>(Status::config)) return false;
  answer.status = static_cast<Status>(status);
  return answer.status != Status::bad;
}

process::Job order_of(const Job& job) {
  process::Job order;
  order.lane = job.table;
  order.body = encode_job(job);
  // Whether a write was done nobody knows when its worker has died.
  order.is_repeatable = job.operation == Operation::lookup;
  if (order.is_repeatable) order.identity = order.body;
  return order;
}

JobAnswer answer_of(const Result<process::Message>& answered) {
  JobAnswer answer;
  if (answered.ok() && parse_answer(answered.value().body, answer)) return answer;
  switch (answered.ok() ? EPROTO : answered.error().errnum) {
    case ETIMEDOUT:
      return {Status::retry, {}, "it took too long"};
    case EAGAIN:
      return {Status::retry, {}, "too many look-ups wait for it"};
    default:
      return {Status::retry, {}, "the worker died"};
  }
}

Status status_of(const Error& error) {
  switch (error.fault) {
    case Fault::retry:
      return Status::retry;
    case Fault::config:
      return Status::config;
    case Fault::denied:
      return error.errnum != 0 ? Status::config : Status::deny;
    case Fault::protocol:
      // The table's server talks nonsense; that is no reason to drop the client.
      return Status::retry;
  }
  return Status::retry;
}

Status status_of(const Result<Answer>& result) {
  if (!result.ok()) return status_of(result.error());
  switch (result.value()) {
    case Answer::found:
      return Status::ok;
    case Answer::absent:
      return Status::no_key;
  }
  return Status::retry;
}

JobAnswer carry_out(Map& map, const Job& job) {
  JobAnswer out;
  const Result<Answer> result = run(map, job, out.value);
  out.status = status_of(result);
  // A new key is as good as a replaced one.
  if (job.operation == Operation::update && out.status == Status::no_key) out.status = Status::ok;
  if (!result.ok()) {
    out.value.clear();
    out.detail = map.detail();
    if (out.detail.empty()) out.detail = describe_error(result.error(), {});
  } else if (find_byte(out.value, '\0') != out.value.size()) {
    out = {Status::config, {}, "the value holds a NUL"};
  }
  return out;
}

}  // namespace qv::proxymap
