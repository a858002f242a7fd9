// SPDX-License-Identifier: 0BSD
#include "agent/pool.h"

#include <string.h>

#include <array>
#include <iterator>
#include <utility>

#include "process/memory_file.h"

namespace qv::agent {

namespace {

// True: a response that fits the request, which validate() or the makers of requests passed.
bool accepts(std::string_view asked, const process::Message& answer) {
  const Result<Response> valid = validate_response(answer.body);
  if (!valid.ok()) return false;
  const Response& response = valid.value();
  const bool has_file = response.has_file == 1;
  if (has_file ? !process::is_sealed(answer.file) : answer.file.valid()) return false;
  Request request;
  memcpy(&request, asked.data(), sizeof request);
  if (request.op != Op::home_table) return response.key == 0;
  std::array<std::string_view, maps::kMaxTableKeys> keys;
  return response.key <= split_keys(request, keys) && !has_file &&
         response.outcome != Outcome::unchanged;
}

process::PoolSettings with_check(process::PoolSettings settings) {
  settings.accepts = accepts;
  return settings;
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
    reply.table = {maps::Answer::found, static_cast<std::uint8_t>(response.key - 1),
                   response.mailbox};
  }
  reply.uid = response.uid;
  reply.gid = response.gid;
  reply.user = response.user_view();
  reply.home = response.home_view();
  return reply;
}

}  // namespace

Pool::Pool(event::Loop& loop, process::Spawner spawner, process::PoolSettings settings,
           Observer observer)
    : process::Pool(loop, std::move(spawner), with_check(std::move(settings)),
                    std::move(observer)) {}

void Pool::ask(const Request& request, Callback callback) {
  process::Job job;
  job.subject = request.account_view();
  job.lane = request.op == Op::passwd_index  ? "passwd"
             : request.op == Op::passwd_user ? "names"
                                             : job.subject;
  job.body = process::as_bytes(request);
  process::Pool::ask(std::move(job), [op = request.op, callback = std::move(callback)](
                                         Result<process::Message>& answer) {
    if (!answer.ok()) return callback(answer.error());
    Response response;  // accepts() has validated it
    memcpy(&response, answer.value().body.data(), sizeof response);
    callback(reply_from(op, response, std::move(answer.value().file)));
  });
}

}  // namespace qv::agent
