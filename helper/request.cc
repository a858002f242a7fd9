// SPDX-License-Identifier: 0BSD
#include "helper/request.h"

#include <errno.h>
#include <string.h>

#include "core/text.h"

namespace qv::helper {

namespace {

constexpr std::uint32_t kNoId = UINT32_MAX;  // (uid_t)-1: "leave it" to setresuid(2)

Error refused() { return {Fault::denied, EINVAL, "request refused"}; }

bool has_nul(std::string_view s) { return find_byte(s, '\0') != s.size(); }

bool is_absolute_path(std::string_view path) {
  return starts_with(path, "/") && path.size() < kMaxPath && !has_nul(path);
}

bool is_plain_name(std::string_view name) {
  if (name.empty() || name.size() >= kMaxPath || has_nul(name)) return false;
  while (!name.empty()) {
    if (take_until(name, '/') == "..") return false;
  }
  return true;
}

bool is_name_below_home(std::string_view name) {
  return !starts_with(name, "/") && is_plain_name(name);
}

// What a home holds besides .qmail files is nobody's business.
bool may_be_read(std::string_view name) { return starts_with(name, ".qmail"); }

bool is_ordinary_owner(std::uint32_t uid, std::uint32_t gid) {
  return uid != 0 && gid != 0 && uid != kNoId && gid != kNoId;
}

bool is_whole(const Stamp& stamp) { return stamp.settled <= 1; }

// Copies `s` where it fits with its NUL; the rest of `out` is zero already.
template <std::size_t size>
void put(std::string_view s, char (&out)[size], std::uint16_t& length) {
  memcpy(out, s.data(), s.size());
  length = static_cast<std::uint16_t>(s.size());
}

// The text is as long as it says, and ends there.
template <std::size_t size>
bool is_terminated(const char (&text)[size], std::uint16_t length) {
  return length < size && memchr(text, '\0', size) == text + length;
}

bool has_no_subject(const Request& r) { return r.uid == 0 && r.gid == 0 && r.home_length == 0; }

bool fields_fit_op(const Request& r) {
  switch (r.op) {
    case Op::passwd_index:
      return has_no_subject(r) && r.name_length == 0 && r.want_contents == 0;
    case Op::passwd_user:
      return has_no_subject(r) && can_be_login_name(r.name_view()) && r.want_contents == 0;
    case Op::home_index:
      return is_ordinary_owner(r.uid, r.gid) && is_absolute_path(r.home_view()) &&
             r.name_length == 0 && r.want_contents == 0;
    case Op::home_file:
      return is_ordinary_owner(r.uid, r.gid) && is_absolute_path(r.home_view()) &&
             is_name_below_home(r.name_view()) && r.want_contents <= 1 &&
             (r.want_contents == 0 || may_be_read(r.name_view()));
    case Op::home_table:
      return is_ordinary_owner(r.uid, r.gid) && is_absolute_path(r.home_view()) &&
             is_plain_name(r.name_view()) && r.want_contents == 0;
  }
  return false;  // a byte that is no Op
}

bool is_fault(Fault fault) {
  switch (fault) {
    case Fault::retry:
    case Fault::config:
    case Fault::denied:
    case Fault::protocol:
      return true;
  }
  return false;
}

bool is_outcome(Outcome outcome) {
  switch (outcome) {
    case Outcome::found:
    case Outcome::absent:
    case Outcome::unchanged:
      return true;
  }
  return false;
}

bool is_attached(Attached attached) {
  switch (attached) {
    case Attached::nothing:
    case Attached::sealed_copy:
    case Attached::open_table:
      return true;
  }
  return false;
}

}  // namespace

Request passwd_index_request(const Stamp& have) {
  Request request;
  request.op = Op::passwd_index;
  request.have = have;
  return request;
}

bool can_be_login_name(std::string_view name) {
  if (name.empty() || name.size() >= kMaxPath) return false;
  for (const char c : name) {
    if (c == '\0' || c == ':' || c == '/' || c == '\n') return false;
  }
  return true;
}

Result<Request> passwd_user_request(std::string_view name) {
  if (!can_be_login_name(name)) return refused();
  Request request;
  request.op = Op::passwd_user;
  put(name, request.name, request.name_length);
  return request;
}

Result<Request> home_index_request(uid_t uid, gid_t gid, std::string_view home, const Stamp& have) {
  if (!is_ordinary_owner(uid, gid) || !is_absolute_path(home)) return refused();
  Request request;
  request.op = Op::home_index;
  request.have = have;
  request.uid = uid;
  request.gid = gid;
  put(home, request.home, request.home_length);
  return request;
}

Result<Request> home_file_request(uid_t uid, gid_t gid, std::string_view home,
                                  std::string_view name, Contents contents) {
  if (!is_name_below_home(name)) return refused();
  if (contents == Contents::wanted && !may_be_read(name)) return refused();
  QV_TRY(Request request, home_index_request(uid, gid, home, Stamp{}));
  request.op = Op::home_file;
  request.want_contents = contents == Contents::wanted ? 1 : 0;
  put(name, request.name, request.name_length);
  return request;
}

Result<Request> home_table_request(uid_t uid, gid_t gid, std::string_view home,
                                   std::string_view name, const Stamp& have) {
  if (!is_plain_name(name)) return refused();
  QV_TRY(Request request, home_index_request(uid, gid, home, have));
  request.op = Op::home_table;
  put(name, request.name, request.name_length);
  return request;
}

Result<Request> validate(std::string_view message) {
  if (message.size() != sizeof(Request)) return Error{Fault::protocol, EPROTO, "request size"};
  Request request;
  memcpy(&request, message.data(), sizeof request);
  if (request.unused != 0 || !is_whole(request.have) ||
      !is_terminated(request.home, request.home_length) ||
      !is_terminated(request.name, request.name_length) || !fields_fit_op(request)) {
    return refused();
  }
  return request;
}

Result<Response> validate_response(std::string_view message) {
  const Error nonsense{Fault::protocol, EPROTO, "response"};
  if (message.size() != sizeof(Response)) return nonsense;
  Response response;
  memcpy(&response, message.data(), sizeof response);
  if (response.unused != 0 || response.failed > 1 || !is_attached(response.has_file) ||
      !is_whole(response.stamp) || !is_fault(response.fault) || !is_outcome(response.outcome) ||
      !is_terminated(response.home, response.home_length) ||
      !is_terminated(response.user, response.user_length)) {
    return nonsense;
  }
  if (response.has_file != Attached::nothing &&
      (response.failed == 1 || response.outcome != Outcome::found)) {
    return nonsense;
  }
  return response;
}

}  // namespace qv::helper
