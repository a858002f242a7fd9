// SPDX-License-Identifier: 0BSD
// tests/fakes/local_endpoint.h - the address that a bound socket got, port 0 replaced by the real
// one.
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

}  // namespace qv::fakes

#endif  // QV_TESTS_FAKES_LOCAL_ENDPOINT_H_
