// SPDX-License-Identifier: 0BSD
// wire/smtp_address.h - an address as an SMTP or LMTP command carries it (RFC 5321, 4.1.2).
//
// Inside our programs an address is unquoted: its local part is everything before the last '@',
// whatever bytes that has.  On the wire a local part that is no dot-string is a quoted string.
//
// Pure.  Tests: tests/wire/smtp_address_test.cc, fuzz_lmtp.cc
#ifndef QV_WIRE_SMTP_ADDRESS_H_
#define QV_WIRE_SMTP_ADDRESS_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace qv::wire {

// "joe@x.example", "\"joe doe\"@x.example".  nullopt where no command can carry it: no '@', empty
// local part or domain, a control character, a domain with bytes that neither a name nor a literal
// has.
[[nodiscard]] std::optional<std::string> smtp_mailbox(std::string_view address);

inline constexpr std::size_t kMaxSmtpPath = 900;  // bytes of the address of a path

// Parses "<address>" at the front of `rest`, and consumes it with the blanks behind it.  A source
// route is skipped, the quotes of a quoted local part are removed; "<>" gives an empty address,
// "<postmaster>" one without a domain.  False, nothing changed: none of these, longer than
// kMaxSmtpPath, a control character, or something other than a blank behind it.
[[nodiscard]] bool parse_smtp_path(std::string_view& rest, std::string& address);

// True if the address has a byte over 0x7f, which only SMTPUTF8 (RFC 6531) can carry.
[[nodiscard]] bool needs_smtputf8(std::string_view address);

}  // namespace qv::wire

#endif  // QV_WIRE_SMTP_ADDRESS_H_
