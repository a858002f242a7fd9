// SPDX-License-Identifier: 0BSD
// maps/owner_table.h - what a decision needs to know of a cdb that belongs to a user.
//
// Such a table may hold passwords: who asks learns which of its keys is there and what that means
// for the mail, and never a record.
//
// Pure.  Tests: tests/maps/owner_table_test.cc
#ifndef QV_MAPS_OWNER_TABLE_H_
#define QV_MAPS_OWNER_TABLE_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "core/result.h"
#include "maps/cdb_file.h"
#include "maps/mailbox_record.h"

namespace qv {

enum class TableKind : std::uint8_t {
  aliases,   // fastforward's: that a key is there says all; one that holds nothing cannot tell
  vpasswd,   // vpopmail's vpasswd.cdb
  vmailmgr,  // vmailmgr's passwd.cdb
};

inline constexpr std::size_t kMaxTableKeys = 3;

// The keys are tried in their order.
struct TableQuestion {
  std::string_view name;  // of the file: below the owner's home, or absolute
  TableKind kind = TableKind::aliases;
  std::span<const std::string_view> keys;  // 1 to kMaxTableKeys, without NUL
};

struct TableFinding {
  Answer answer = Answer::absent;         // absent: none of the keys is there
  std::uint8_t key = 0;                   // found: which, from 0
  Mailbox mailbox = Mailbox::takes_mail;  // found: what its record says; aliases: as it is here
};

// Looks for the first key that is there.  Error: the table is damaged, or the record that decides
// is, or the table holds nothing and must.  `now_s`: seconds since 1970, for accounts that expire.
[[nodiscard]] Result<TableFinding> find_first_key(const CdbFile& table, TableKind kind,
                                                  std::span<const std::string_view> keys,
                                                  std::int64_t now_s);

// Fault::config for a cdb without records.
[[nodiscard]] Result<void> holds_something(const CdbFile& table);

}  // namespace qv

#endif  // QV_MAPS_OWNER_TABLE_H_
