// SPDX-License-Identifier: 0BSD
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/fault.h"
#include "core/text.h"
#include "deliver/lmtp_daemon.h"

namespace qv {

namespace {

constexpr int kBacklog = 1024;
constexpr std::string_view kUnix = "unix:";
constexpr std::string_view kInet = "inet:";

Error config(const char* what) { return {Fault::config, 0, what}; }

Result<Fd> stream_socket(int family) {
  Fd fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return errno_error("socket");
  return fd;
}

// A socket that is left from a process that is gone; never one that somebody answers on, never
// anything that is not a socket.
Result<void> remove_stale(const sockaddr_un& address) {
  struct stat st {};
  if (::lstat(address.sun_path, &st) != 0) {
    if (errno == ENOENT) return {};
    return errno_error("look at the socket");
  }
  if (!S_ISSOCK(st.st_mode)) return config("something else has this name");
  const Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!probe.valid()) return errno_error("socket");
  const int answered =
      ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  if (answered == 0) return Error{Fault::config, EADDRINUSE, "listen"};
  if (errno != ECONNREFUSED) return errno_error("ask the socket that is there");
  if (::unlink(address.sun_path) != 0) return errno_error("remove the old socket");
  return {};
}

Result<Fd> listen_unix(std::string_view path, const ListenOptions& options) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.front() != '/') return config("path is not absolute");
  if (path.size() >= sizeof address.sun_path) return config("path is too long");
  memcpy(address.sun_path, path.data(), path.size());
  QV_TRY_VOID(remove_stale(address));
  QV_TRY(Fd fd, stream_socket(AF_UNIX));
  // Nobody gets in before mode and group are as they are to be.
  const mode_t old = umask(0777);
  const int bound = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int saved = errno;
  umask(old);
  errno = saved;
  if (bound != 0) return errno_error("bind");
  if (::lchown(address.sun_path, static_cast<uid_t>(-1), options.group) != 0) {
    return errno_error("set the group");
  }
  if (::chmod(address.sun_path, options.mode) != 0) return errno_error("set the mode");
  if (::listen(fd.get(), kBacklog) != 0) return errno_error("listen");
  return fd;
}

Result<Fd> bind_inet(int family, const sockaddr* address, socklen_t size) {
  QV_TRY(Fd fd, stream_socket(family));
  const int on = 1;
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) {
    return errno_error("setsockopt");
  }
  if (::bind(fd.get(), address, size) != 0) return errno_error("bind");
  if (::listen(fd.get(), kBacklog) != 0) return errno_error("listen");
  return fd;
}

Result<Fd> listen_inet(std::string_view text) {
  const std::size_t colon = find_last_byte(text, ':');
  std::uint64_t port = 0;
  if (!parse_decimal(after_bytes(text, colon + 1), 65535, port)) return config("no port");
  std::string host(first_bytes(text, colon));
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(static_cast<std::uint16_t>(port));
    if (inet_pton(AF_INET6, host.c_str(), &address.sin6_addr) != 1)
      return config("no IPv6 address");
    return bind_inet(AF_INET6, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) return config("no IPv4 address");
  return bind_inet(AF_INET, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

}  // namespace

Result<Fd> open_listener(std::string_view address, const ListenOptions& options,
                         std::string& detail) {
  detail = std::string(address);
  if (starts_with(address, kUnix)) return listen_unix(after_bytes(address, kUnix.size()), options);
  if (starts_with(address, kInet)) return listen_inet(after_bytes(address, kInet.size()));
  return config("neither unix:/path nor inet:address:port");
}

}  // namespace qv
