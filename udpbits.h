// SPDX-License-Identifier: 0BSD
// udpbits.h - datagram sockets of a verifier's clients.
//
// Every descriptor made here is close-on-exec and greater than 2: what is written to a standard
// descriptor that the caller has closed cannot reach a verifier.
//
// Threads: no state.  Blocking: no.  Allocates nothing; links without the C++ runtime.
// Manual: qmail-verify(8), verifyrcpt(3).  Tests: tests/udpbits_test.cc, fuzz_verify_value.cc
#ifndef QV_UDPBITS_H_
#define QV_UDPBITS_H_

#include <cstdint>

#include "core/endpoint.h"
#include "core/fd.h"
#include "core/result.h"

namespace qv {

inline constexpr std::uint16_t kVerifyPort = 11113;

// A datagram socket connected to the endpoint: only datagrams from there are received.
// A Unix socket gets a name in Linux's abstract name space, because the verifier needs an address
// to reply to; on other systems that is Fault::config. Errors: those of socket, bind and connect
// (ECONNREFUSED, ENOENT: no verifier there now).
[[nodiscard]] Result<Fd> connect_udp(const Endpoint& endpoint);

}  // namespace qv

#endif  // QV_UDPBITS_H_
