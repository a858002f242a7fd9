// SPDX-License-Identifier: 0BSD
// event/listen.h - addresses of stream sockets: parse, listen, connect.
//
//   unix:/path            a Unix socket
//   inet:addr:port        an IPv4 address; inet:[addr]:port an IPv6 address
//
// Numeric only: neither the start of a daemon nor a look-up may wait for DNS.  Manual:
// qmail-proxymap(8).  Tests: tests/event/listen_test.cc
#ifndef QV_EVENT_LISTEN_H_
#define QV_EVENT_LISTEN_H_

#include <sys/socket.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "core/fd.h"
#include "core/result.h"

namespace qv::event {

struct StreamAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  std::string text;  // as written
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// Errors (Fault::config): another form, a relative or too long path, a port out of range.
[[nodiscard]] Result<StreamAddress> parse_stream_address(std::string_view text);

// The check of a setting: the error in an address, or "".
[[nodiscard]] std::string check_stream_address(std::string_view text);

// Access to a Unix socket.
struct SocketAccess {
  mode_t mode = 0666;
  std::optional<gid_t> group;  // owner of the socket file; unset: as the system makes it
};

// The gid of a group by name, which asks NSS, or by number; nullopt where there is none.
[[nodiscard]] std::optional<gid_t> find_group(const std::string& name);

// Listens, or with SOCK_DGRAM only binds; non-blocking, close-on-exec.  A Unix socket has its mode
// and group before clients can connect, and replaces an old one atomically, but only one without a
// listener.  Errors: another listener, or a file that is no socket (config, errnum EADDRINUSE);
// those of bind, listen, chown and rename.
[[nodiscard]] Result<Fd> listen_on(const StreamAddress& address, const SocketAccess& access,
                                   int type = SOCK_STREAM);

// A descriptor that is connected or, with `in_progress` set, connecting; non-blocking.  Errors:
// immediate ones of connect, such as ENOENT and ECONNREFUSED of a Unix socket; always retry.
[[nodiscard]] Result<Fd> start_connect(const StreamAddress& address, bool& in_progress);

}  // namespace qv::event

#endif  // QV_EVENT_LISTEN_H_
