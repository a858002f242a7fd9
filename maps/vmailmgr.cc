// SPDX-License-Identifier: 0BSD
// vmailmgr:/home/user/passwd.cdb - the virtual users of vmailmgr's base user.
//
// The key is the local part, lower-cased; a domain behind it is passed over.  A user who is not
// there is `+`, the default user, where there is one.  A user whose account has expired, or who has
// neither a mailbox that is enabled nor a forward, is absent.  The value is the mailbox directory;
// without one the forwards, comma-separated.  Manual: qmail-map-qmail(5).
#include <errno.h>
#include <time.h>

#include "core/text.h"
#include "maps/cdb_search.h"
#include "maps/qmail_names.h"
#include "maps/spec.h"

namespace qv {

namespace {

constexpr char kMailboxEnabled = 8;
constexpr char kHasMailbox = 10;

struct Account {
  bool enabled = true;
  bool has_mailbox = true;
  std::string mailbox;
  std::string forwards;
  std::uint64_t expires = 0;  // seconds since 1970; 0: never
};

// Cuts a string up to its NUL off `rest`; false where there is no NUL.
bool take_string(std::string_view& rest, std::string_view& out) {
  if (find_byte(rest, '\0') == rest.size()) return false;
  out = take_until(rest, '\0');
  return true;
}

bool take_flags(std::string_view& rest, Account& account) {
  account.enabled = account.has_mailbox = true;
  for (;;) {
    if (rest.empty()) return false;
    const char number = rest.front();
    rest.remove_prefix(1);
    if (number == '\0') return true;
    if (rest.empty()) return false;
    const bool set = rest.front() != '\0';
    rest.remove_prefix(1);
    if (number == kMailboxEnabled) account.enabled = set;
    if (number == kHasMailbox) account.has_mailbox = set;
  }
}

// Versions 1 and 2 of the binary record; the version byte has been taken.
bool parse_binary(std::string_view rest, bool with_flags, Account& account) {
  if (with_flags && !take_flags(rest, account)) return false;
  std::string_view field;
  std::string_view mailbox;
  if (!take_string(rest, field) || !take_string(rest, mailbox)) return false;  // crypt, mailbox
  account.mailbox = mailbox;
  for (;;) {
    if (!take_string(rest, field)) return false;
    if (field.empty()) break;
    account.forwards += (account.forwards.empty() ? "" : ",") + std::string(field);
  }
  // personal, hard quota, soft quota, message size, message count, ctime, expiry
  for (int i = 0; i < 7; ++i) {
    if (!take_string(rest, field)) return false;
  }
  if (field == "-") return true;
  return parse_decimal(field, INT64_MAX, account.expires);
}

// `:crypt:destination,destination`, as before version 1.
bool parse_ancient(std::string_view rest, Account& account) {
  static_cast<void>(take_until(rest, ':'));
  std::string_view first = rest;
  first = take_until(first, ',');
  account.has_mailbox = starts_with(first, "./") || starts_with(first, "/");
  if (account.has_mailbox) account.mailbox = first;
  account.forwards = account.has_mailbox ? std::string() : std::string(rest);
  return !rest.empty();
}

bool parse_account(std::string_view record, Account& account) {
  if (record.empty()) return false;
  const char version = record.front();
  const std::string_view rest = after_bytes(record, 1);
  if (version == 2) return parse_binary(rest, true, account);
  if (version == 1) return parse_binary(rest, false, account);
  return version == ':' && parse_ancient(rest, account);
}

Result<Answer> judge(std::string_view record, std::string& value) {
  Account account;
  if (!parse_account(record, account)) {
    return Error{Fault::retry, EPROTO, "damaged vmailmgr record"};
  }
  const auto now = static_cast<std::uint64_t>(time(nullptr));
  if (account.expires != 0 && account.expires <= now) return Answer::absent;
  const bool mailbox = account.enabled && account.has_mailbox && !account.mailbox.empty();
  if (!mailbox && account.forwards.empty()) return Answer::absent;
  value = mailbox ? account.mailbox : account.forwards;
  return Answer::found;
}

Result<Answer> search(const CdbFile& file, std::string_view address, std::string& value) {
  const std::string_view user = split_address(address).local;
  if (user.empty()) return Answer::absent;
  std::string_view record;
  QV_TRY(const Answer exact, file.find(user, record));
  if (exact == Answer::found) return judge(record, value);
  QV_TRY(const Answer other, file.find("+", record));
  if (other == Answer::found) return judge(record, value);
  return Answer::absent;
}

Result<std::unique_ptr<Map>> open_vmailmgr(const MapSpec& spec, std::string& detail) {
  return open_cdb_search(strip_braces(spec.name), search, detail);
}

}  // namespace

extern const MapType map_type_vmailmgr;
const MapType map_type_vmailmgr{"vmailmgr",
                                {.pattern = true, .listable = true},
                                "/home/user/passwd.cdb: vmailmgr's virtual users",
                                open_vmailmgr};

}  // namespace qv
