// SPDX-License-Identifier: 0BSD
// udpbits.h - where a verifier is: parse, write, open and connect, open and bind its address.
//
// An Endpoint is a datagram address: IPv4, IPv6 or a Unix socket.  Every descriptor made here is
// close-on-exec and greater than 2, so that nothing written to a standard descriptor that a caller
// had closed can reach a verifier.
//
// Threads: none kept, no state.  Blocking: no.  Allocates nothing; links without the C++ runtime.
// Manual: qmail-verify(8), verifyrcpt(3).  Tests: tests/udpbits_test.cc, fuzz_verify_value.cc
#ifndef QV_UDPBITS_H_
#define QV_UDPBITS_H_

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/fd.h"
#include "core/result.h"

namespace qv {

inline constexpr std::uint16_t kVerifyPort = 11113;

struct Endpoint {
  sockaddr_storage address;
  socklen_t length;
};

// Parses `host:port`, where either may be left out:
//   192.0.2.1:11113  192.0.2.1  :11113  :     IPv4, 127.0.0.1 where no address is given
//   [2001:db8::1]:11113  [::1]                IPv6, always in brackets
//   unix:/run/verify.sock                     an absolute path, at most 107 bytes on Linux
// `default_port` stands in for a missing port.  Port 0 is accepted: bound, it means any.
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

// A datagram socket connected to the endpoint: only datagrams from there are received.
// A Unix socket is given a name of its own in Linux's abstract name space, because the verifier
// needs an address to answer to; on other systems that is Fault::config.
// Error: what socket, bind or connect said (ECONNREFUSED, ENOENT: nobody there now).
[[nodiscard]] Result<Fd> connect_udp(const Endpoint& endpoint);

// A non-blocking datagram socket bound to the endpoint; an IPv6 one takes no IPv4 datagrams.
// A Unix socket's file must not be there yet: whether one that is there may be removed is the
// caller's to decide.  Error: what socket or bind said (EADDRINUSE: in use, or the file exists).
[[nodiscard]] Result<Fd> bind_udp(const Endpoint& endpoint);

}  // namespace qv

#endif  // QV_UDPBITS_H_
