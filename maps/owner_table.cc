// SPDX-License-Identifier: 0BSD
#include "maps/owner_table.h"

namespace qv {

namespace {

constexpr std::uint64_t kEmptyCdb = 2048;  // bytes of a cdb without records

Result<Mailbox> read_record(TableKind kind, std::string_view record, std::int64_t now_s) {
  switch (kind) {
    case TableKind::aliases:
      break;
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

Result<void> still_whole(const CdbFile& table, std::string_view key) {
  std::string_view unused;
  const Result<Answer> again = table.find(key, unused);
  return again.ok() ? Result<void>() : again.error();
}

}  // namespace

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
      // A file that was cut short while the record was read has been noticed by now.
      QV_TRY_VOID(still_whole(table, key));
      return finding;
    }
    ++finding.key;
  }
  return TableFinding{};
}

}  // namespace qv
