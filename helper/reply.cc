// SPDX-License-Identifier: 0BSD
#include "helper/reply.h"

#include <array>
#include <utility>

namespace qv::helper {

namespace {

const char* subject_of(Op op) {
  switch (op) {
    case Op::passwd_index:
      return "password file";
    case Op::passwd_user:
      return "user look-up";
    case Op::home_index:
      return "home directory";
    case Op::home_file:
      return "file in home";
    case Op::home_table:
      return "table";
  }
  return "helper";
}

}  // namespace

bool answers(const Response& response, const Request& request) {
  if (request.op != Op::home_table) return response.key == 0;
  std::array<std::string_view, kMaxTableKeys> keys;
  return response.key <= split_keys(request, keys) && response.has_file == Attached::nothing &&
         response.outcome != Outcome::unchanged;
}

Result<Reply> reply_from(Op asked, const Response& response, Fd file) {
  if (response.failed == 1) {
    return Error{response.fault, response.errnum, subject_of(asked)};
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

}  // namespace qv::helper
