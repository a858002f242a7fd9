// SPDX-License-Identifier: 0BSD
// event/listen.h - addresses of stream sockets as operators write them; to listen on and to connect
// to.
//
//   unix:/path            a Unix socket
//   inet:addr:port        an IPv4 address; inet:[addr]:port an IPv6 address
//
// Numeric only: a name that must be looked up has no place where a daemon starts or a look-up
// waits.  Manual: qmail-proxymap(8).  Tests: tests/event/listen_test.cc
#ifndef QV_EVENT_LISTEN_H_
#define QV_EVENT_LISTEN_H_

#include <sys/socket.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "core/fd.h"
#include "core/result.h"

namespace qv {

struct StreamAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  std::string text;  // as it was written
  [[nodiscard]] const sockaddr* get() const;
};

// Errors (Fault::config): another form, a path that is relative or too long, a port out of range.
[[nodiscard]] Result<StreamAddress> parse_stream_address(std::string_view text);

// For a setting: what is wrong with an address, or "".
[[nodiscard]] std::string check_stream_address(std::string_view text);

// Who may connect to a Unix socket.
struct SocketAccess {
  mode_t mode = 0666;
  std::optional<gid_t> group;  // owner of the socket file; unset: as the system makes it
};

// The gid of a group by name, which asks NSS, or by number; nullopt where there is none.
[[nodiscard]] std::optional<gid_t> find_group(const std::string& name);

// Listens, or with SOCK_DGRAM only binds; non-blocking, close-on-exec.  A Unix socket gets its mode
// and group before anybody can connect, and takes the place of an old one in one step, but only
// where nobody answers on that. Errors: somebody answers there, or what stands there is no socket
// (config, errnum EADDRINUSE); what bind, listen, chown or rename says.
[[nodiscard]] Result<Fd> listen_on(const StreamAddress& address, const SocketAccess& access,
                                   int type = SOCK_STREAM);

// A descriptor that is connected or connecting (`in_progress` tells), non-blocking.  Errors: what
// connect says at once, ENOENT and ECONNREFUSED of a Unix socket among them; retry always.
[[nodiscard]] Result<Fd> start_connect(const StreamAddress& address, bool& in_progress);

}  // namespace qv

#endif  // QV_EVENT_LISTEN_H_
