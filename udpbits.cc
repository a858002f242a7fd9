// SPDX-License-Identifier: 0BSD
#include "udpbits.h"

#include <errno.h>
#include <fcntl.h>

#include "core/fault.h"

namespace qv {

namespace {

Result<Fd> open_socket(const Endpoint& endpoint) {
  Fd fd(socket(endpoint.address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return errno_error("socket");
  if (fd.get() > STDERR_FILENO) return fd;
  Fd moved(fcntl(fd.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  if (!moved.valid()) return errno_error("fcntl");
  return moved;
}

// Gives a Unix socket a name that ends with the socket and leaves no file.
Result<void> bind_to_own_name(int fd) {
#ifdef __linux__
  sockaddr own{};
  own.sa_family = AF_UNIX;
  // unix(7), "autobind": for an address of only a family the kernel chooses a name.
  if (bind(fd, &own, sizeof own.sa_family) == 0) return {};
  return errno_error("bind");
#else
  static_cast<void>(fd);
  return Error{Fault::config, EAFNOSUPPORT, "unix: servers need Linux"};
#endif
}

}  // namespace

Result<Fd> connect_udp(const Endpoint& endpoint) {
  QV_TRY(Fd fd, open_socket(endpoint));
  if (is_unix(endpoint)) QV_TRY_VOID(bind_to_own_name(fd.get()));
  if (connect(fd.get(), endpoint.get(), endpoint.length) != 0) return errno_error("connect");
  return fd;
}

}  // namespace qv
