// SPDX-License-Identifier: 0BSD
#include "rcpt/mailbox_record.h"

#include <cerrno>

#include "core/text.h"

namespace qv {

namespace {

constexpr std::uint64_t kBounceMail = 0x10;
constexpr char kMailboxEnabled = 8;
constexpr char kHasMailbox = 10;
constexpr int kFieldsAfterForwards = 7;  // personal to expiry

Error damaged() { return {Fault::retry, EPROTO, "damaged user record"}; }

// Cuts a string and its NUL off `rest`; false where no NUL ends it.
bool take_string(std::string_view& rest, std::string_view& out) {
  if (find_byte(rest, '\0') == rest.size()) return false;
  out = take_until(rest, '\0');
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

// What follows the flags.
Result<Mailbox> parse_fields(std::string_view rest, bool mailbox_enabled, std::int64_t now_s) {
  std::string_view field;
  std::string_view mailbox;
  if (!take_string(rest, field) || !take_string(rest, mailbox)) return damaged();
  bool has_forward = false;
  do {
    if (!take_string(rest, field)) return damaged();
    has_forward = has_forward || !field.empty();
  } while (!field.empty());
  for (int i = 0; i < kFieldsAfterForwards; ++i) {
    if (!take_string(rest, field)) return damaged();
  }
  std::uint64_t expires = 0;
  if (field != "-" && !parse_decimal(field, INT64_MAX, expires)) return damaged();
  if (expires != 0 && static_cast<std::int64_t>(expires) <= now_s) return Mailbox::disabled;
  const bool has_mailbox = mailbox_enabled && !mailbox.empty();
  return has_mailbox || has_forward ? Mailbox::takes_mail : Mailbox::disabled;
}

}  // namespace

Result<Mailbox> parse_vpasswd_record(std::string_view record) {
  static_cast<void>(take_until(record, ':'));  // crypt
  std::uint64_t number = 0;
  if (!parse_decimal(take_until(record, ':'), UINT32_MAX, number)) return damaged();
  if (!parse_decimal(take_until(record, ':'), UINT32_MAX, number)) return damaged();
  return (number & kBounceMail) != 0 ? Mailbox::bounces : Mailbox::takes_mail;
}

Result<Mailbox> parse_vmailmgr_record(std::string_view record, std::int64_t now_s) {
  if (record.empty()) return damaged();
  const char version = record.front();
  std::string_view rest = after_bytes(record, 1);
  bool mailbox_enabled = true;
  switch (version) {
    case '\2':
      if (!take_flags(rest, mailbox_enabled)) return damaged();
      return parse_fields(rest, mailbox_enabled, now_s);
    case '\1':
      return parse_fields(rest, mailbox_enabled, now_s);
    case ':':
      static_cast<void>(take_until(rest, ':'));
      return rest.empty() ? Result<Mailbox>(damaged()) : Mailbox::takes_mail;
    default:
      return damaged();
  }
}

}  // namespace qv
