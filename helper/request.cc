// SPDX-License-Identifier: 0BSD
#include "helper/request.h"

#include <errno.h>
#include <string.h>

#include <algorithm>

#include "core/text.h"
#include "helper/account.h"

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

// Is a byte that came one of the values from `first` to `last`?
template <class Enum>
bool is_one_of(Enum value, Enum first, Enum last) {
  return value >= first && value <= last;
}

// A table of users is the owner's own; aliases may be anybody's that he may read.
bool is_table_name(TableKind kind, std::string_view name) {
  return kind == TableKind::aliases ? is_plain_name(name) : is_name_below_home(name);
}

// One key or more, each with a NUL behind it.
bool are_keys(std::string_view keys) {
  if (keys.empty() || keys.back() != '\0') return false;
  return std::count(keys.begin(), keys.end(), '\0') <= static_cast<int>(kMaxTableKeys);
}

bool is_whole(const FileStamp& stamp) { return stamp.settled <= 1; }

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

template <std::size_t size>
bool is_zero(const std::uint8_t (&bytes)[size]) {
  return std::all_of(bytes, bytes + size, [](std::uint8_t byte) { return byte == 0; });
}

bool has_no_subject(const Request& r) {
  return r.uid == 0 && r.gid == 0 && r.home_length == 0 && r.account_length == 0;
}

bool has_subject(const Request& r) {
  return is_ordinary_owner(r.uid, r.gid) && is_absolute_path(r.home_view()) &&
         is_account_name(r.account_view());
}

bool asks_no_table(const Request& r) { return r.keys_length == 0 && r.table == TableKind{}; }

bool fields_fit_op(const Request& r) {
  switch (r.op) {
    case Op::passwd_index:
      return has_no_subject(r) && r.name_length == 0 && r.want_contents == 0 && asks_no_table(r);
    case Op::passwd_user:
      return has_no_subject(r) && can_be_login_name(r.name_view()) && r.want_contents == 0 &&
             asks_no_table(r);
    case Op::home_index:
      return has_subject(r) && r.name_length == 0 && r.want_contents == 0 && asks_no_table(r);
    case Op::home_file:
      return has_subject(r) && is_name_below_home(r.name_view()) && r.want_contents <= 1 &&
             (r.want_contents == 0 || may_be_read(r.name_view())) && asks_no_table(r);
    case Op::home_table:
      return has_subject(r) && r.want_contents == 0 &&
             is_one_of(r.table, TableKind::aliases, TableKind::vmailmgr) &&
             is_table_name(r.table, r.name_view()) && are_keys(r.keys_view());
  }
  return false;  // a byte that is no Op
}

}  // namespace

Request passwd_index_request(const FileStamp& have) {
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

Result<Request> home_index_request(const HomeOwner& owner, const FileStamp& have) {
  if (!is_ordinary_owner(owner.uid, owner.gid) || !is_absolute_path(owner.home) ||
      !is_account_name(owner.account)) {
    return refused();
  }
  Request request;
  request.op = Op::home_index;
  request.have = have;
  request.uid = owner.uid;
  request.gid = owner.gid;
  put(owner.account, request.account, request.account_length);
  put(owner.home, request.home, request.home_length);
  return request;
}

Result<Request> home_file_request(const HomeOwner& owner, std::string_view name,
                                  Contents contents) {
  if (!is_name_below_home(name)) return refused();
  if (contents == Contents::wanted && !may_be_read(name)) return refused();
  QV_TRY(Request request, home_index_request(owner, FileStamp{}));
  request.op = Op::home_file;
  request.want_contents = contents == Contents::wanted ? 1 : 0;
  put(name, request.name, request.name_length);
  return request;
}

Result<Request> home_table_request(const HomeOwner& owner, const TableQuestion& question) {
  if (!is_table_name(question.kind, question.name)) return refused();
  if (question.keys.empty() || question.keys.size() > kMaxTableKeys) return refused();
  QV_TRY(Request request, home_index_request(owner, FileStamp{}));
  request.op = Op::home_table;
  request.table = question.kind;
  put(question.name, request.name, request.name_length);
  for (const std::string_view key : question.keys) {
    if (has_nul(key) || key.size() >= kMaxKeys - request.keys_length) return refused();
    if (!key.empty()) memcpy(request.keys + request.keys_length, key.data(), key.size());
    request.keys_length = static_cast<std::uint16_t>(request.keys_length + key.size() + 1);
  }
  return request;
}

std::size_t split_keys(const Request& request, std::array<std::string_view, kMaxTableKeys>& keys) {
  std::string_view rest = request.keys_view();
  std::size_t count = 0;
  while (!rest.empty() && count < keys.size()) keys[count++] = take_until(rest, '\0');
  return count;
}

Result<Request> validate(std::string_view message) {
  if (message.size() != sizeof(Request)) return Error{Fault::protocol, EPROTO, "request size"};
  Request request;
  memcpy(&request, message.data(), sizeof request);
  if (!is_zero(request.unused) || request.keys_length > kMaxKeys || !is_whole(request.have) ||
      !is_terminated(request.account, request.account_length) ||
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
  if (response.key > kMaxTableKeys ||
      !is_one_of(response.mailbox, Mailbox::takes_mail, Mailbox::disabled) ||
      (response.key == 0 && response.mailbox != Mailbox{}) || response.unused != 0 ||
      response.failed > 1 ||
      !is_one_of(response.has_file, Attached::nothing, Attached::sealed_copy) ||
      !is_whole(response.stamp) || !is_one_of(response.fault, Fault::retry, Fault::protocol) ||
      !is_one_of(response.outcome, Outcome::found, Outcome::unchanged) ||
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
