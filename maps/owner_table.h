// SPDX-License-Identifier: 0BSD
// maps/owner_table.h - what a decision needs to know of a cdb that belongs to a user.
//
// Such a table may hold passwords.  The caller learns which of its keys is there and what that
// means for the mail, never a record.
//
// vpopmail, vpasswd.cdb: `crypt:uid:gid:gecos:dir:quota[:clear]`; the gid field holds flags.
// vmailmgr, passwd.cdb: byte 2, pairs of flag number and value, NUL; or byte 1; then
// NUL-terminated crypt, mailbox, forwards, an empty one, personal, hard quota, soft quota, message
// size, message count, time of creation, expiry; or, ancient, `:crypt:destinations`.
//
// Pure.  Manual: qmail-map-qmail(5).
// Tests: tests/maps/owner_table_test.cc, mailbox_record_test.cc, fuzz_dotqmail.cc
#ifndef QV_MAPS_OWNER_TABLE_H_
#define QV_MAPS_OWNER_TABLE_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "core/result.h"
#include "maps/cdb_file.h"

namespace qv::maps {

// What an account does with mail.
enum class Mailbox : std::uint8_t {
  takes_mail,
  bounces,   // vpopmail's BOUNCE_MAIL
  disabled,  // expired; or neither an enabled mailbox nor a forward
};

// The views point into the record that was parsed.
struct VpasswdRecord {
  bool bounces = false;
  std::string_view directory;
};

struct VmailmgrRecord {
  std::string_view mailbox;   // empty: there is none, or it is not enabled
  std::string_view forwards;  // with a NUL or a comma between them
  std::int64_t expires = 0;   // seconds since 1970; 0: never
};

// Fault::retry with EPROTO where the record is none.
[[nodiscard]] Result<VpasswdRecord> parse_vpasswd_record(std::string_view record);
[[nodiscard]] Result<VmailmgrRecord> parse_vmailmgr_record(std::string_view record);

[[nodiscard]] Mailbox mailbox_of(const VpasswdRecord& record);
// `now_s`: seconds since 1970.
[[nodiscard]] Mailbox mailbox_of(const VmailmgrRecord& record, std::int64_t now_s);

enum class TableKind : std::uint8_t {
  aliases,   // fastforward's: that a key is there says all; an empty table is undecided
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

}  // namespace qv::maps

#endif  // QV_MAPS_OWNER_TABLE_H_
