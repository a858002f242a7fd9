// SPDX-License-Identifier: 0BSD
#include "udpbits.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#include "core/fault.h"
#include "core/text.h"
#include "core/text_writer.h"

namespace qv {

namespace {

constexpr Error kNotAnEndpoint{Fault::config, 0, "not an address"};

// sockaddr_storage is read and written through copies: that needs no cast and no aliasing rule.
template <class T>
Endpoint from_sockaddr(const T& address, std::size_t length = sizeof(T)) {
  Endpoint endpoint{};
  memcpy(&endpoint.address, &address, sizeof address);
  endpoint.length = static_cast<socklen_t>(length);
  return endpoint;
}

template <class T>
T to_sockaddr(const Endpoint& endpoint) {
  T address{};
  memcpy(&address, &endpoint.address, sizeof address);
  return address;
}

const sockaddr* as_sockaddr(const Endpoint& endpoint) {
  return reinterpret_cast<const sockaddr*>(&endpoint.address);
}

// inet_pton wants a NUL at the end; `text` has none.
bool parse_ip(int family, std::string_view text, void* out) {
  char copy[INET6_ADDRSTRLEN];
  if (text.size() >= sizeof copy || find_byte(text, '\0') != text.size()) return false;
  if (!text.empty()) memcpy(copy, text.data(), text.size());
  copy[text.size()] = '\0';
  return inet_pton(family, copy, out) == 1;
}

// "" and ":" are the default port, ":N" is N.
bool parse_port(std::string_view text, std::uint16_t default_port, in_port_t& out) {
  std::uint64_t port = default_port;
  if (!text.empty() && text.front() != ':') return false;
  if (text.size() > 1 && !parse_decimal(after_bytes(text, 1), 65535, port)) return false;
  out = htons(static_cast<std::uint16_t>(port));
  return true;
}

Result<Endpoint> parse_unix(std::string_view path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const bool usable = starts_with(path, "/") && path.size() < sizeof address.sun_path &&
                      find_byte(path, '\0') == path.size();
  if (!usable) return kNotAnEndpoint;
  memcpy(address.sun_path, path.data(), path.size());
  return from_sockaddr(address, offsetof(sockaddr_un, sun_path) + path.size() + 1);
}

Result<Endpoint> parse_ipv6(std::string_view text, std::uint16_t default_port) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  std::string_view port = after_bytes(text, 1);
  const std::size_t bracket = find_byte(port, ']');
  if (bracket == port.size()) return kNotAnEndpoint;
  const std::string_view ip = take_until(port, ']');
  if (!parse_ip(AF_INET6, ip, &address.sin6_addr)) return kNotAnEndpoint;
  if (!parse_port(port, default_port, address.sin6_port)) return kNotAnEndpoint;
  return from_sockaddr(address);
}

Result<Endpoint> parse_ipv4(std::string_view text, std::uint16_t default_port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const std::string_view ip = first_bytes(text, find_byte(text, ':'));
  if (!ip.empty() && !parse_ip(AF_INET, ip, &address.sin_addr)) return kNotAnEndpoint;
  if (!parse_port(after_bytes(text, ip.size()), default_port, address.sin_port)) {
    return kNotAnEndpoint;
  }
  return from_sockaddr(address);
}

Result<Fd> open_socket(const Endpoint& endpoint, int flags) {
  Fd fd(socket(endpoint.address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | flags, 0));
  if (!fd.valid()) return errno_error("socket");
  if (fd.get() > STDERR_FILENO) return fd;
  Fd moved(fcntl(fd.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  if (!moved.valid()) return errno_error("fcntl");
  return moved;
}

// Gives a Unix socket a name that lives as long as the socket and leaves no file behind.
Result<void> bind_to_own_name(int fd) {
#ifdef __linux__
  sockaddr own{};
  own.sa_family = AF_UNIX;
  // unix(7), "autobind": an address of only a family asks the kernel to choose a name.
  if (bind(fd, &own, sizeof own.sa_family) == 0) return {};
  return errno_error("bind");
#else
  static_cast<void>(fd);
  return Error{Fault::config, EAFNOSUPPORT, "unix: servers need Linux"};
#endif
}

}  // namespace

Result<Endpoint> parse_endpoint(std::string_view text, std::uint16_t default_port) {
  if (text.empty()) return kNotAnEndpoint;
  if (starts_with(text, "unix:")) return parse_unix(after_bytes(text, 5));
  if (starts_with(text, "[")) return parse_ipv6(text, default_port);
  return parse_ipv4(text, default_port);
}

std::uint16_t endpoint_port(const Endpoint& endpoint) {
  if (endpoint.address.ss_family == AF_INET) {
    return ntohs(to_sockaddr<sockaddr_in>(endpoint).sin_port);
  }
  if (endpoint.address.ss_family == AF_INET6) {
    return ntohs(to_sockaddr<sockaddr_in6>(endpoint).sin6_port);
  }
  return 0;
}

bool is_unix(const Endpoint& endpoint) { return endpoint.address.ss_family == AF_UNIX; }

std::size_t format_endpoint(const Endpoint& endpoint, char* out, std::size_t size) {
  TextWriter writer(out, size);
  char ip[INET6_ADDRSTRLEN];
  if (is_unix(endpoint)) {
    writer.put("unix:").put(to_sockaddr<sockaddr_un>(endpoint).sun_path);
  } else if (endpoint.address.ss_family == AF_INET) {
    const auto address = to_sockaddr<sockaddr_in>(endpoint);
    inet_ntop(AF_INET, &address.sin_addr, ip, sizeof ip);
    writer.put(ip).put(":").put_number(endpoint_port(endpoint));
  } else if (endpoint.address.ss_family == AF_INET6) {
    const auto address = to_sockaddr<sockaddr_in6>(endpoint);
    inet_ntop(AF_INET6, &address.sin6_addr, ip, sizeof ip);
    writer.put("[").put(ip).put("]:").put_number(endpoint_port(endpoint));
  }
  return writer.text().size();
}

Result<Fd> connect_udp(const Endpoint& endpoint) {
  QV_TRY(Fd fd, open_socket(endpoint, 0));
  if (is_unix(endpoint)) QV_TRY_VOID(bind_to_own_name(fd.get()));
  if (connect(fd.get(), as_sockaddr(endpoint), endpoint.length) != 0) return errno_error("connect");
  return fd;
}

Result<Fd> bind_udp(const Endpoint& endpoint) {
  QV_TRY(Fd fd, open_socket(endpoint, SOCK_NONBLOCK));
  const int on = 1;
  if (endpoint.address.ss_family == AF_INET6 &&
      setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) {
    return errno_error("setsockopt");
  }
  if (bind(fd.get(), as_sockaddr(endpoint), endpoint.length) != 0) return errno_error("bind");
  return fd;
}

}  // namespace qv
