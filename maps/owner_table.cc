// SPDX-License-Identifier: 0BSD
#include "maps/owner_table.h"

#include <cerrno>

#include "core/text.h"

namespace qv::maps {

namespace {

constexpr std::uint64_t kEmptyCdb = 2048;  // bytes of a cdb without records
constexpr std::uint64_t kBounceMail = 0x10;
constexpr char kMailboxEnabled = 8;
constexpr char kHasMailbox = 10;
constexpr int kFieldsAfterForwards = 7;  // personal to expiry

Error damaged() { return {Fault::retry, EPROTO, "damaged user record"}; }

// Cuts a field and the `end` behind it off `rest`; false where there is no `end`.
bool cut_field(std::string_view& rest, char end, std::string_view& field) {
  if (find_byte(rest, end) == rest.size()) return false;
  field = take_until(rest, end);
  return true;
}

// Pairs up to a NUL; false where there is none.
bool cut_flags(std::string_view& rest, bool& mailbox_enabled) {
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
bool cut_forwards(std::string_view& rest, std::string_view& forwards) {
  const std::string_view begin = rest;
  std::size_t size = 0;
  std::string_view field;
  for (;;) {
    if (!cut_field(rest, '\0', field)) return false;
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
  if (!cut_field(rest, '\0', field) || !cut_field(rest, '\0', mailbox)) return damaged();
  if (mailbox_enabled) record.mailbox = mailbox;
  if (!cut_forwards(rest, record.forwards)) return damaged();
  for (int i = 0; i < kFieldsAfterForwards; ++i) {
    if (!cut_field(rest, '\0', field)) return damaged();
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
  (is_mailbox ? record.mailbox : record.forwards) = is_mailbox ? first : rest;
  return record;
}

Result<Mailbox> read_record(TableKind kind, std::string_view record, std::int64_t now_s) {
  switch (kind) {
    case TableKind::aliases:
      return Mailbox::takes_mail;
    case TableKind::vpasswd: {
      QV_TRY(const VpasswdRecord user, parse_vpasswd_record(record));
      return mailbox_of(user);
    }
    case TableKind::vmailmgr: {
      QV_TRY(const VmailmgrRecord user, parse_vmailmgr_record(record));
      return mailbox_of(user, now_s);
    }
  }
  return Mailbox::takes_mail;
}

}  // namespace

Result<VpasswdRecord> parse_vpasswd_record(std::string_view record) {
  std::string_view field;
  std::uint64_t number = 0;
  if (!cut_field(record, ':', field)) return damaged();  // crypt
  for (int i = 0; i < 2; ++i) {                          // uid, gid
    if (!cut_field(record, ':', field) || !parse_decimal(field, UINT32_MAX, number)) {
      return damaged();
    }
  }
  if (!cut_field(record, ':', field)) return damaged();  // gecos
  return VpasswdRecord{(number & kBounceMail) != 0, take_until(record, ':')};
}

Result<VmailmgrRecord> parse_vmailmgr_record(std::string_view record) {
  if (record.empty()) return damaged();
  std::string_view rest = after_bytes(record, 1);
  bool mailbox_enabled = true;
  switch (record.front()) {
    case '\2':
      if (!cut_flags(rest, mailbox_enabled)) return damaged();
      [[fallthrough]];
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

Result<void> holds_something(const CdbFile& table) {
  if (table.size() <= kEmptyCdb) return Error{Fault::config, 0, "holds no entry"};
  return {};
}

Result<TableFinding> find_first_key(const CdbFile& table, TableKind kind,
                                    std::span<const std::string_view> keys, std::int64_t now_s) {
  if (kind == TableKind::aliases) QV_TRY_VOID(holds_something(table));
  TableFinding finding;
  for (const std::string_view key : keys) {
    std::string_view record;
    QV_TRY(finding.answer, table.find(key, record));
    if (finding.answer == Answer::found) {
      QV_TRY(finding.mailbox, read_record(kind, record, now_s));
      QV_TRY_VOID(table.still_whole());  // or what was read may be zeros
      return finding;
    }
    ++finding.key;
  }
  return TableFinding{};
}

}  // namespace qv::maps
