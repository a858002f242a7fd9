// SPDX-License-Identifier: 0BSD
// wire/dns.h - a DNS question for MX records and its reply, bytes to struct and back (RFC 1035).
//
// Only what a stub resolver needs to ask a recursive server: one question, and from the reply its
// state and the MX records of the answer section.  Names in replies are checked for length, for
// compression loops, and for bytes that no host name has.
//
// Pure.  Tests: tests/wire/dns_test.cc, fuzz_dns.cc
#ifndef QV_WIRE_DNS_H_
#define QV_WIRE_DNS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace qv::wire::dns {

inline constexpr std::size_t kMaxUdpReply = 1232;  // bytes we offer to receive (EDNS0, RFC 6891)

struct Mx {
  std::uint16_t preference = 0;
  std::string host;  // lower case, without a final dot; "." for the root
  friend bool operator==(const Mx&, const Mx&) = default;
};

// The question for the MX records of `name`, recursion desired; empty where `name` is malformed: an
// empty label, one over 63 bytes, over 255 in all.  A final dot changes nothing.
[[nodiscard]] std::string encode_mx_query(std::uint16_t id, std::string_view name);

enum class Reply : std::uint8_t {
  answer,     // `records` are the domain's, most preferred first; empty: it has none
  truncated,  // ask again by TCP
  failure,    // the server cannot or will not answer
  foreign,    // no reply to this question: keep waiting
};

// Parses `bytes` as the reply to `query`, which encode_mx_query() made.  `records` is set only with
// answer.  A name that does not exist has no records.
[[nodiscard]] Reply parse_mx_reply(std::string_view bytes, std::string_view query,
                                   std::vector<Mx>& records);

}  // namespace qv::wire::dns

#endif  // QV_WIRE_DNS_H_
