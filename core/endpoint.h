// SPDX-License-Identifier: 0BSD
// core/endpoint.h - socket addresses as operators write them.
//
// Numeric only: nothing is looked up.  Allocates nothing; links without the C++ runtime.
// Tests: tests/udpbits_test.cc, tests/event/listen_test.cc, fuzz_verify_value.cc
#ifndef QV_CORE_ENDPOINT_H_
#define QV_CORE_ENDPOINT_H_

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/result.h"

namespace qv {

// A socket address: IPv4, IPv6 or a Unix path.
struct Endpoint {
  sockaddr_storage address;
  socklen_t length;
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }
};

// Parses `host:port`, where either may be left out:
//   192.0.2.1:11113  192.0.2.1  :11113  :     IPv4, 127.0.0.1 where no address is given
//   [2001:db8::1]:11113  [::1]                IPv6, always in brackets
//   unix:/run/verify.sock                     an absolute path, at most 107 bytes on Linux
// `default_port` replaces a missing port.  Port 0 is accepted: for bind it means any.
// Fault::config for everything else: empty, a name, blanks, a NUL, a zone (fe80::1%eth0), a port
// that is not decimal or over 65535.
[[nodiscard]] Result<Endpoint> parse_endpoint(std::string_view text, std::uint16_t default_port);

// Port of an IPv4 or IPv6 endpoint in host order; 0 for a Unix socket.
[[nodiscard]] std::uint16_t endpoint_port(const Endpoint& endpoint);

[[nodiscard]] bool is_unix(const Endpoint& endpoint);

// Room for the longest endpoint as text, with its NUL.
inline constexpr std::size_t kEndpointText = 128;

// Writes the endpoint as parse_endpoint() reads it, port included, NUL-terminated, cut to `size`
// bytes; an endpoint of no known family gives "".  Returns the length without the NUL.
std::size_t format_endpoint(const Endpoint& endpoint, char* out, std::size_t size);

}  // namespace qv

#endif  // QV_CORE_ENDPOINT_H_
