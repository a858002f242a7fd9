// SPDX-License-Identifier: 0BSD
// wire/lmtp_path.h - the path of MAIL and RCPT (RFC 5321, 4.1.2).
#ifndef QV_WIRE_LMTP_PATH_H_
#define QV_WIRE_LMTP_PATH_H_

#include <string>
#include <string_view>

namespace qv::lmtp {

// Reads "<address>" from the front of `rest`, which then begins behind it and the blanks after it.
// A source route is passed over; the quotes of a quoted local part are taken off; "<>" gives an
// empty address, "<postmaster>" one without a domain.  False where it is none of these, is longer
// than kMaxAddress, holds a control character, or something other than a blank follows it.
[[nodiscard]] bool parse_path(std::string_view& rest, std::string& address);

}  // namespace qv::lmtp

#endif  // QV_WIRE_LMTP_PATH_H_
