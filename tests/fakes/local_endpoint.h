// SPDX-License-Identifier: 0BSD
// tests/fakes/local_endpoint.h - a datagram socket of a fake verifier, and the address that it got,
// port 0 replaced by the real one.
#ifndef QV_TESTS_FAKES_LOCAL_ENDPOINT_H_
#define QV_TESTS_FAKES_LOCAL_ENDPOINT_H_

#include <sys/socket.h>

#include "core/check.h"
#include "udpbits.h"

namespace qv::fakes {

[[nodiscard]] inline Endpoint local_endpoint(int fd) {
  Endpoint endpoint{};
  endpoint.length = sizeof endpoint.address;
  QV_CHECK(getsockname(fd, reinterpret_cast<sockaddr*>(&endpoint.address), &endpoint.length) == 0);
  return endpoint;
}

// A non-blocking datagram socket bound to the endpoint.
[[nodiscard]] inline Fd bind_udp(const Endpoint& endpoint) {
  Fd fd(socket(endpoint.address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  QV_CHECK(fd.valid() && bind(fd.get(), endpoint.get(), endpoint.length) == 0);
  return fd;
}

}  // namespace qv::fakes

#endif  // QV_TESTS_FAKES_LOCAL_ENDPOINT_H_
