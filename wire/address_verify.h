// SPDX-License-Identifier: 0BSD
// wire/address_verify.h - a query of the address verification protocol and its reply, as a client
// of qmail-probe writes and reads them.
//
// The server greets with `protocol`, then answers the requests in order.  The attribute `wait` is
// our extension: such a query is answered when the address is known or the time is over, and the
// reply has a `why`.
//
// Pure.  Manual: qmail-probe(8).  Tests: tests/wire/address_verify_test.cc, fuzz_address_verify.cc
#ifndef QV_WIRE_ADDRESS_VERIFY_H_
#define QV_WIRE_ADDRESS_VERIFY_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "wire/attributes.h"

namespace qv::wire::address_verify {

// As every Postfix since 3.6 expects it, spelling included.
inline constexpr std::string_view kProtocol = "address_verification_prrotocol";

inline constexpr std::uint32_t kStatusOk = 0;

enum class Recipient : std::uint8_t {
  ok = 0,      // deliverable
  defer = 1,   // undecided now
  bounce = 2,  // not deliverable
  todo = 3,    // being probed
};

struct Reply {
  std::uint32_t status = kStatusOk;
  // Meaningful only with kStatusOk:
  Recipient recipient = Recipient::defer;
  std::string_view reason;  // what the host said; any bytes but NUL
  std::string_view why;     // one word, see probe/service.h
};

// Appends a query that is answered within `wait_ms`.  REQUIRES: no NUL in `address`.
void append_query(std::string& out, std::string_view address, std::uint32_t wait_ms);

// Parses the reply to such a query; its views point into `bytes`.  False: malformed.
// REQUIRES: `decoder` returned whole for `bytes`.
[[nodiscard]] bool parse_reply(const AttributeDecoder& decoder, std::string_view bytes,
                               Reply& reply);

}  // namespace qv::wire::address_verify

#endif  // QV_WIRE_ADDRESS_VERIFY_H_
