// SPDX-License-Identifier: 0BSD
#include "agent/request.h"

#include <errno.h>
#include <string.h>

#include <algorithm>
#include <iterator>

#include "agent/agent.h"
#include "core/text.h"

namespace qv::agent {

namespace {

constexpr std::uint32_t kNoId = UINT32_MAX;  // (uid_t)-1: "leave it" to setresuid(2)

Error refused() { return {Fault::denied, EINVAL, "request refused"}; }

bool is_plain_name(std::string_view name) {
  if (name.empty()) return false;
  while (!name.empty()) {
    if (take_until(name, '/') == "..") return false;
  }
  return true;
}

bool is_name_below_home(std::string_view name) {
  return !starts_with(name, "/") && is_plain_name(name);
}

// No other file of a home is anybody's business.
bool may_be_read(std::string_view name) { return starts_with(name, ".qmail"); }

bool is_ordinary_owner(std::uint32_t uid, std::uint32_t gid) {
  return uid != 0 && gid != 0 && uid != kNoId && gid != kNoId;
}

// Whether a received byte is one of the values from `first` to `last`.
template <class Enum>
bool is_one_of(Enum value, Enum first, Enum last) {
  return value >= first && value <= last;
}

// A table of users is below the home; one of aliases may be any file that the owner may read.
bool is_table_name(maps::TableKind kind, std::string_view name) {
  return kind == maps::TableKind::aliases ? is_plain_name(name) : is_name_below_home(name);
}

// One key or more, each with a NUL behind it.
bool are_keys(std::string_view keys) {
  if (keys.empty() || keys.back() != '\0') return false;
  return std::count(keys.begin(), keys.end(), '\0') <= static_cast<int>(maps::kMaxTableKeys);
}

bool is_whole(const control::FileStamp& stamp) { return stamp.settled <= 1; }

// Copies `s`; false where it and its NUL do not fit.  The rest of `out` is zero already.
template <std::size_t size>
bool put(std::string_view s, char (&out)[size], std::uint16_t& length) {
  if (s.size() >= size) return false;
  if (!s.empty()) memcpy(out, s.data(), s.size());
  length = static_cast<std::uint16_t>(s.size());
  return true;
}

// The text is as long as `length` says.
template <std::size_t size>
bool is_terminated(const char (&text)[size], std::uint16_t length) {
  return length < size && memchr(text, '\0', size) == text + length;
}

bool has_no_subject(const Request& r) {
  return r.uid == 0 && r.gid == 0 && r.home_length == 0 && r.account_length == 0;
}

bool has_subject(const Request& r) {
  return is_ordinary_owner(r.uid, r.gid) && starts_with(r.home_view(), "/") &&
         is_account_name(r.account_view());
}

bool asks_no_table(const Request& r) { return r.keys_length == 0 && r.table == maps::TableKind{}; }

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
             is_one_of(r.table, maps::TableKind::aliases, maps::TableKind::vmailmgr) &&
             is_table_name(r.table, r.name_view()) && are_keys(r.keys_view());
  }
  return false;  // a byte that is no Op
}

// The grammar, for what is made here and for what comes from elsewhere.
Result<Request> checked(const Request& r) {
  const auto is_zero = [](std::uint8_t byte) { return byte == 0; };
  if (std::all_of(std::begin(r.unused), std::end(r.unused), is_zero) && r.keys_length <= kMaxKeys &&
      is_whole(r.have) && is_terminated(r.account, r.account_length) &&
      is_terminated(r.home, r.home_length) && is_terminated(r.name, r.name_length) &&
      fields_fit_op(r)) {
    return r;
  }
  return refused();
}

// Adds what all requests about a home have.
Result<Request> about_home(Request& request, Op op, const HomeOwner& owner, std::string_view name) {
  request.op = op;
  request.uid = owner.uid;
  request.gid = owner.gid;
  if (!put(owner.account, request.account, request.account_length) ||
      !put(owner.home, request.home, request.home_length) ||
      !put(name, request.name, request.name_length)) {
    return refused();
  }
  return checked(request);
}

// False for a key that is too long or has a NUL in it.
bool put_key(std::string_view key, Request& request) {
  if (find_byte(key, '\0') != key.size()) return false;
  if (key.size() >= kMaxKeys - request.keys_length) return false;
  if (!key.empty()) memcpy(request.keys + request.keys_length, key.data(), key.size());
  request.keys_length = static_cast<std::uint16_t>(request.keys_length + key.size() + 1);
  return true;
}

}  // namespace

Request passwd_index_request(const control::FileStamp& have) {
  Request request;
  request.op = Op::passwd_index;
  request.have = have;
  return request;
}

bool can_be_login_name(std::string_view name) {
  return !name.empty() && name.size() < kMaxPath &&
         name.find_first_of(std::string_view("\0:/\n", 4)) == std::string_view::npos;
}

Result<Request> passwd_user_request(std::string_view name) {
  Request request;
  request.op = Op::passwd_user;
  if (!put(name, request.name, request.name_length)) return refused();
  return checked(request);
}

Result<Request> home_index_request(const HomeOwner& owner, const control::FileStamp& have) {
  Request request;
  request.have = have;
  return about_home(request, Op::home_index, owner, {});
}

Result<Request> home_file_request(const HomeOwner& owner, std::string_view name,
                                  Contents contents) {
  Request request;
  request.want_contents = contents == Contents::wanted ? 1 : 0;
  return about_home(request, Op::home_file, owner, name);
}

Result<Request> home_table_request(const HomeOwner& owner, const maps::TableQuestion& question) {
  Request request;
  request.table = question.kind;
  for (const std::string_view key : question.keys) {
    if (!put_key(key, request)) return refused();
  }
  return about_home(request, Op::home_table, owner, question.name);
}

std::size_t split_keys(const Request& request,
                       std::array<std::string_view, maps::kMaxTableKeys>& keys) {
  std::string_view rest = request.keys_view();
  std::size_t count = 0;
  while (!rest.empty() && count < keys.size()) keys[count++] = take_until(rest, '\0');
  return count;
}

Result<Request> validate(std::string_view message) {
  if (message.size() != sizeof(Request)) return Error{Fault::protocol, EPROTO, "request size"};
  Request request;
  memcpy(&request, message.data(), sizeof request);
  return checked(request);
}

Result<Response> validate_response(std::string_view message) {
  const Error nonsense{Fault::protocol, EPROTO, "response"};
  if (message.size() != sizeof(Response)) return nonsense;
  Response response;
  memcpy(&response, message.data(), sizeof response);
  if (response.key > maps::kMaxTableKeys ||
      !is_one_of(response.mailbox, maps::Mailbox::takes_mail, maps::Mailbox::disabled) ||
      (response.key == 0 && response.mailbox != maps::Mailbox{}) || response.unused != 0 ||
      response.failed > 1 || response.has_file > 1 || !is_whole(response.stamp) ||
      !is_one_of(response.fault, Fault::retry, Fault::protocol) ||
      !is_one_of(response.outcome, Outcome::found, Outcome::unchanged) ||
      !is_terminated(response.home, response.home_length) ||
      !is_terminated(response.user, response.user_length)) {
    return nonsense;
  }
  if (response.has_file == 1 && (response.failed == 1 || response.outcome != Outcome::found)) {
    return nonsense;
  }
  return response;
}

}  // namespace qv::agent
