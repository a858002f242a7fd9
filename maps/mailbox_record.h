// SPDX-License-Identifier: 0BSD
// maps/mailbox_record.h - what the user tables of vpopmail and vmailmgr say of one user.
//
// vpopmail, vpasswd.cdb: `crypt:uid:gid:gecos:dir:quota[:clear]`; the gid field holds flags.
// vmailmgr, passwd.cdb: byte 2, pairs of flag number and value, NUL; or byte 1; then
// NUL-terminated crypt, mailbox, forwards, an empty one, personal, hard quota, soft quota, message
// size, message count, time of creation, expiry; or, ancient, `:crypt:destinations`.
//
// Pure.  Manual: qmail-map-qmail(5).  Tests: tests/maps/mailbox_record_test.cc, fuzz_dotqmail.cc
#ifndef QV_MAPS_MAILBOX_RECORD_H_
#define QV_MAPS_MAILBOX_RECORD_H_

#include <cstdint>
#include <string_view>

#include "core/result.h"

namespace qv {

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

}  // namespace qv

#endif  // QV_MAPS_MAILBOX_RECORD_H_
