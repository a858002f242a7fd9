// SPDX-License-Identifier: 0BSD
// wire/smtp_address.h - an address as an SMTP command carries it.
//
// Inside our programs an address is unquoted: its local part is what stands before the last '@',
// whatever bytes it has.  On the wire a local part that is no dot-string is a quoted string (RFC
// 5321 section 4.1.2).
//
// Pure.  Tests: tests/wire/smtp_address_test.cc
#ifndef QV_WIRE_SMTP_ADDRESS_H_
#define QV_WIRE_SMTP_ADDRESS_H_

#include <optional>
#include <string>
#include <string_view>

namespace qv {

// "joe@x.example", "\"joe doe\"@x.example".  nullopt where no command can carry it: no '@', empty
// local part or domain, a control character, a domain with bytes that neither a name nor a literal
// has.
[[nodiscard]] std::optional<std::string> smtp_mailbox(std::string_view address);

// True if the address has a byte over 0x7f, which only SMTPUTF8 (RFC 6531) can carry.
[[nodiscard]] bool needs_smtputf8(std::string_view address);

}  // namespace qv

#endif  // QV_WIRE_SMTP_ADDRESS_H_
