// SPDX-License-Identifier: 0BSD
#include "helper/pool.h"

#include <string.h>

#include <array>
#include <iterator>
#include <utility>

#include "process/memory_file.h"

namespace qv::helper {

namespace {

bool is_attached(Attached attached, const Fd& file) {
  switch (attached) {
    case Attached::nothing:
      return !file.valid();
    case Attached::sealed_copy:
      return process::is_sealed(file);
  }
  return false;
}

// REQUIRES: validate() or the makers of requests passed it.
Request request_in(std::string_view body) {
  Request request;
  memcpy(&request, body.data(), sizeof request);
  return request;
}

// False for a response that does not fit the request: a key that was not asked for, a file in place
// of a table's answer.
bool answers(const Response& response, const Request& request) {
  if (request.op != Op::home_table) return response.key == 0;
  std::array<std::string_view, kMaxTableKeys> keys;
  return response.key <= split_keys(request, keys) && response.has_file == Attached::nothing &&
         response.outcome != Outcome::unchanged;
}

bool accepts(std::string_view request, const process::Message& answer) {
  const Result<Response> response = validate_response(answer.body);
  return response.ok() && is_attached(response.value().has_file, answer.file) &&
         answers(response.value(), request_in(request));
}

process::PoolSettings with_check(process::PoolSettings settings) {
  settings.accepts = accepts;
  return settings;
}

std::string lane_of(const Request& request) {
  switch (request.op) {
    case Op::passwd_index:
      return "passwd";
    case Op::passwd_user:
      return "names";
    case Op::home_index:
    case Op::home_file:
    case Op::home_table:
      break;
  }
  return std::string(request.account_view());
}

// The subject of a request, by Op.
constexpr const char* kSubjects[] = {
    "", "password file", "user look-up", "home directory", "file in home", "table"};
static_assert(std::size(kSubjects) == static_cast<std::size_t>(Op::home_table) + 1);

// The reply, or the agent's fault.
Result<Reply> reply_from(Op asked, const Response& response, Fd file) {
  if (response.failed == 1) {
    return Error{response.fault, response.errnum, kSubjects[static_cast<std::size_t>(asked)]};
  }
  Reply reply;
  reply.outcome = response.outcome;
  reply.file = std::move(file);
  reply.stamp = response.stamp;
  reply.size = response.size;
  if (response.key > 0) {
    reply.table = {Answer::found, static_cast<std::uint8_t>(response.key - 1), response.mailbox};
  }
  reply.uid = response.uid;
  reply.gid = response.gid;
  reply.user = response.user_view();
  reply.home = response.home_view();
  return reply;
}

}  // namespace

Pool::Pool(Loop& loop, process::Spawner spawner, process::PoolSettings settings, Observer observer)
    : process::Pool(loop, std::move(spawner), with_check(std::move(settings)),
                    std::move(observer)) {}

void Pool::ask(const Request& request, Callback callback) {
  process::Job job;
  job.subject = request.account_view();
  job.lane = lane_of(request);
  job.body = process::as_bytes(request);
  process::Pool::ask(std::move(job), [op = request.op, callback = std::move(callback)](
                                         Result<process::Message>& answer) {
    if (!answer.ok()) return callback(answer.error());
    const Result<Response> response = validate_response(answer.value().body);
    callback(reply_from(op, response.value(), std::move(answer.value().file)));
  });
}

}  // namespace qv::helper
