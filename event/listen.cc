// SPDX-License-Identifier: 0BSD
#include "event/listen.h"

#include <errno.h>
#include <grp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/endpoint.h"
#include "core/fault.h"
#include "core/text.h"

namespace qv::event {

namespace {

constexpr int kBacklog = 1024;

Error config_error(const char* what) { return {Fault::config, 0, what}; }

Result<Fd> open_socket(int family, int type = SOCK_STREAM) {
  Fd fd(::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return errno_error("socket");
  return fd;
}

// An error unless the path of a Unix socket is free or that of a socket without a listener.
Result<void> check_nobody_listens(const char* path, const StreamAddress& address, int type) {
  struct stat st {};
  if (lstat(path, &st) != 0) {
    if (errno == ENOENT) return {};
    return errno_error("stat of socket");
  }
  if (!S_ISSOCK(st.st_mode)) return Error{Fault::config, EADDRINUSE, "not a socket"};
  QV_TRY(Fd probe, open_socket(AF_UNIX, type));
  if (::connect(probe.get(), address.get(), address.size) == 0 || errno == EAGAIN) {
    return Error{Fault::config, EADDRINUSE, "another process listens on the socket"};
  }
  if (errno == ECONNREFUSED || errno == ENOENT) return {};
  return errno_error("connect to old socket");
}

// Everything that can fail is done under another name, which is then renamed: there is always a
// socket, and it never has the wrong mode.
Result<Fd> listen_unix(const StreamAddress& address, const SocketAccess& access, int type) {
  sockaddr_un un{};
  memcpy(&un, &address.storage, sizeof un);
  const std::string path = un.sun_path;
  QV_TRY_VOID(check_nobody_listens(path.c_str(), address, type));

  const std::string fresh = path + "." + std::to_string(getpid());
  if (fresh.size() >= sizeof un.sun_path) return config_error("path of a socket is too long");
  memcpy(un.sun_path, fresh.c_str(), fresh.size() + 1);
  QV_TRY(Fd fd, open_socket(AF_UNIX, type));
  ::unlink(fresh.c_str());
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&un), sizeof un) != 0) {
    return errno_error("bind");
  }
  const auto give_up = [&fresh](const char* what) {
    const Error error = errno_error(what);
    ::unlink(fresh.c_str());
    return error;
  };
  if (access.group && ::chown(fresh.c_str(), static_cast<uid_t>(-1), *access.group) != 0) {
    return give_up("chown of socket");
  }
  if (::chmod(fresh.c_str(), access.mode) != 0) return give_up("chmod of socket");
  if (type == SOCK_STREAM && ::listen(fd.get(), kBacklog) != 0) return give_up("listen");
  if (::rename(fresh.c_str(), path.c_str()) != 0) return give_up("rename of socket");
  return fd;
}

}  // namespace

Result<StreamAddress> parse_stream_address(std::string_view text) {
  std::string_view place = text;
  if (starts_with(text, "inet:")) {
    place = after_bytes(text, 5);
    // Unlike elsewhere, neither address nor port has a default.
    const std::size_t colon = find_last_byte(place, ':');
    if (colon == 0 || colon == place.size() || !is_digit(place.back())) {
      return config_error("inet:ADDRESS:PORT or inet:[ADDRESS]:PORT expected");
    }
  } else if (!starts_with(text, "unix:")) {
    return config_error("unix:/PATH or inet:ADDRESS:PORT expected");
  }
  QV_TRY(const Endpoint endpoint, parse_endpoint(place, 0));
  return StreamAddress{endpoint.address, endpoint.length, std::string(text)};
}

std::string check_stream_address(std::string_view text) {
  const Result<StreamAddress> address = parse_stream_address(text);
  return address.ok() ? std::string() : address.error().what;
}

Result<Fd> listen_on(const StreamAddress& address, const SocketAccess& access, int type) {
  if (address.storage.ss_family == AF_UNIX) return listen_unix(address, access, type);
  QV_TRY(Fd fd, open_socket(address.storage.ss_family, type));
  const int on = 1;
  // It would let two datagram sockets share an address.
  if (type == SOCK_STREAM) setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.storage.ss_family == AF_INET6) {
    setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  }
  if (::bind(fd.get(), address.get(), address.size) != 0) return errno_error("bind");
  if (type == SOCK_STREAM && ::listen(fd.get(), kBacklog) != 0) return errno_error("listen");
  return fd;
}

std::optional<gid_t> find_group(const std::string& name) {
  std::uint64_t number = 0;
  if (parse_decimal(name, UINT32_MAX - 1, number)) return static_cast<gid_t>(number);
  const group* entry = getgrnam(name.c_str());
  if (entry == nullptr) return std::nullopt;
  return entry->gr_gid;
}

Result<Fd> start_connect(const StreamAddress& address, bool& in_progress) {
  QV_TRY(Fd fd, open_socket(address.storage.ss_family));
  if (address.storage.ss_family != AF_UNIX) {
    const int on = 1;
    setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  in_progress = false;
  if (::connect(fd.get(), address.get(), address.size) == 0) return fd;
  if (errno == EINPROGRESS) {
    in_progress = true;
    return fd;
  }
  // EAGAIN: the backlog of a Unix socket is full; there is no event for its end.
  return Error{Fault::retry, errno, "connect"};
}

}  // namespace qv::event
