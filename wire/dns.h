// SPDX-License-Identifier: 0BSD
// wire/dns.h - a DNS question for MX records and its reply, bytes to struct and back (RFC 1035).
//
// Only what a stub resolver needs to ask a recursive server: one question; of the reply, its state
// and the MX records of its answer section.  Names in replies are checked for length, for
// compression that runs in circles, and for bytes that no host name has.
//
// Pure.  Tests: tests/wire/dns_test.cc, fuzz_dns.cc
#ifndef QV_WIRE_DNS_H_
#define QV_WIRE_DNS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace qv::dns {

inline constexpr std::size_t kMaxUdpReply = 1232;  // bytes we say we take (EDNS0, RFC 6891)

struct Mx {
  std::uint16_t preference = 0;
  std::string host;  // lower case, no dot at the end; "." for the root
  friend bool operator==(const Mx&, const Mx&) = default;
};

// The question for the MX records of `name`, recursion desired; empty where `name` is no name: an
// empty label, one over 63 bytes, over 255 in all.  A dot at the end changes nothing.
[[nodiscard]] std::string encode_mx_query(std::uint16_t id, std::string_view name);

enum class Reply : std::uint8_t {
  answer,     // `records` are the domain's, most preferred first; empty: it has none
  truncated,  // ask again by TCP
  failure,    // the server cannot or will not say
  foreign,    // no reply to this question: wait on
};

// Judges `bytes` as the reply to `query`, as encode_mx_query() made it.  `records` is set with
// answer only.  A name that does not exist has no records.
[[nodiscard]] Reply parse_mx_reply(std::string_view bytes, std::string_view query,
                                   std::vector<Mx>& records);

}  // namespace qv::dns

#endif  // QV_WIRE_DNS_H_
