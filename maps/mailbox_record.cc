// SPDX-License-Identifier: 0BSD
#include "maps/mailbox_record.h"

#include <cerrno>

#include "core/text.h"

namespace qv {

namespace {

constexpr std::uint64_t kBounceMail = 0x10;
constexpr char kMailboxEnabled = 8;
constexpr char kHasMailbox = 10;
constexpr int kFieldsAfterForwards = 7;  // personal to expiry

Error damaged() { return {Fault::retry, EPROTO, "damaged user record"}; }

// Cuts a field and the `end` behind it off `rest`; false where there is no `end`.
bool take_field(std::string_view& rest, char end, std::string_view& field) {
  if (find_byte(rest, end) == rest.size()) return false;
  field = take_until(rest, end);
  return true;
}

// Pairs up to a NUL; false where there is none.
bool take_flags(std::string_view& rest, bool& mailbox_enabled) {
  while (!rest.empty() && rest.front() != '\0') {
    if (rest.size() < 2) return false;
    const bool is_set = rest[1] != '\0';
    if ((rest[0] == kMailboxEnabled || rest[0] == kHasMailbox) && !is_set) mailbox_enabled = false;
    rest.remove_prefix(2);
  }
  if (rest.empty()) return false;
  rest.remove_prefix(1);
  return true;
}

// Strings up to an empty one; `forwards` is all of them, with the NULs between them.
bool take_forwards(std::string_view& rest, std::string_view& forwards) {
  const std::string_view begin = rest;
  std::size_t size = 0;
  std::string_view field;
  for (;;) {
    if (!take_field(rest, '\0', field)) return false;
    if (field.empty()) break;
    size += field.size() + 1;
  }
  forwards = first_bytes(begin, size == 0 ? 0 : size - 1);
  return true;
}

// What follows the flags of versions 1 and 2.
Result<VmailmgrRecord> parse_fields(std::string_view rest, bool mailbox_enabled) {
  VmailmgrRecord record;
  std::string_view field;
  std::string_view mailbox;
  if (!take_field(rest, '\0', field) || !take_field(rest, '\0', mailbox)) return damaged();
  if (mailbox_enabled) record.mailbox = mailbox;
  if (!take_forwards(rest, record.forwards)) return damaged();
  for (int i = 0; i < kFieldsAfterForwards; ++i) {
    if (!take_field(rest, '\0', field)) return damaged();
  }
  std::uint64_t expires = 0;
  if (field != "-" && !parse_decimal(field, INT64_MAX, expires)) return damaged();
  record.expires = static_cast<std::int64_t>(expires);
  return record;
}

// `crypt:destination,destination`, as before version 1.
Result<VmailmgrRecord> parse_ancient(std::string_view rest) {
  static_cast<void>(take_until(rest, ':'));
  if (rest.empty()) return damaged();
  VmailmgrRecord record;
  const std::string_view first = first_bytes(rest, find_byte(rest, ','));
  const bool is_mailbox = starts_with(first, "./") || starts_with(first, "/");
  if (is_mailbox) {
    record.mailbox = first;
  } else {
    record.forwards = rest;
  }
  return record;
}

}  // namespace

Result<VpasswdRecord> parse_vpasswd_record(std::string_view record) {
  std::string_view field;
  std::uint64_t number = 0;
  if (!take_field(record, ':', field)) return damaged();  // crypt
  if (!take_field(record, ':', field) || !parse_decimal(field, UINT32_MAX, number)) {
    return damaged();
  }
  if (!take_field(record, ':', field) || !parse_decimal(field, UINT32_MAX, number)) {
    return damaged();
  }
  if (!take_field(record, ':', field)) return damaged();  // gecos
  return VpasswdRecord{(number & kBounceMail) != 0, take_until(record, ':')};
}

Result<VmailmgrRecord> parse_vmailmgr_record(std::string_view record) {
  if (record.empty()) return damaged();
  std::string_view rest = after_bytes(record, 1);
  bool mailbox_enabled = true;
  switch (record.front()) {
    case '\2':
      if (!take_flags(rest, mailbox_enabled)) return damaged();
      return parse_fields(rest, mailbox_enabled);
    case '\1':
      return parse_fields(rest, mailbox_enabled);
    case ':':
      return parse_ancient(rest);
    default:
      return damaged();
  }
}

Mailbox mailbox_of(const VpasswdRecord& record) {
  return record.bounces ? Mailbox::bounces : Mailbox::takes_mail;
}

Mailbox mailbox_of(const VmailmgrRecord& record, std::int64_t now_s) {
  if (record.expires != 0 && record.expires <= now_s) return Mailbox::disabled;
  const bool has_any = !record.mailbox.empty() || !record.forwards.empty();
  return has_any ? Mailbox::takes_mail : Mailbox::disabled;
}

}  // namespace qv
