// SPDX-License-Identifier: 0BSD
// rcpt/mailbox_record.h - what the user tables of vpopmail and vmailmgr say of one user.
//
// vpopmail, vpasswd.cdb: `crypt:uid:gid:gecos:dir:quota[:clear]`; the gid field holds flags.
// vmailmgr, passwd.cdb: byte 2, pairs of flag number and value, NUL; or byte 1; then
// NUL-terminated crypt, mailbox, forwards, an empty one, personal, hard quota, soft quota, message
// size, message count, time of creation, expiry; or, ancient, `:crypt:destinations`.
//
// Pure.  Tests: tests/rcpt/mailbox_record_test.cc, fuzz_dotqmail.cc
#ifndef QV_RCPT_MAILBOX_RECORD_H_
#define QV_RCPT_MAILBOX_RECORD_H_

#include <cstdint>
#include <string_view>

#include "core/result.h"

namespace qv {

enum class Mailbox : std::uint8_t {
  takes_mail,
  bounces,   // vpopmail's BOUNCE_MAIL
  disabled,  // expired; or neither an enabled mailbox nor a forward
};

// Fault::retry with EPROTO where the record is none.
[[nodiscard]] Result<Mailbox> parse_vpasswd_record(std::string_view record);
// `now_s`: seconds since 1970.
[[nodiscard]] Result<Mailbox> parse_vmailmgr_record(std::string_view record, std::int64_t now_s);

}  // namespace qv

#endif  // QV_RCPT_MAILBOX_RECORD_H_
