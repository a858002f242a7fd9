// SPDX-License-Identifier: 0BSD
#include "core/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#include "core/text.h"
#include "core/text_writer.h"

namespace qv {

namespace {

Error config_error(const char* what) { return {Fault::config, 0, what}; }

// sockaddr_storage is read and written through copies, which needs no cast.
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

// inet_pton needs a NUL at the end.
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
  if (!starts_with(path, "/")) return config_error("path of a socket must begin with /");
  if (path.size() >= sizeof address.sun_path) return config_error("path of a socket is too long");
  if (find_byte(path, '\0') != path.size()) return config_error("path of a socket contains a NUL");
  memcpy(address.sun_path, path.data(), path.size());
  return from_sockaddr(address, offsetof(sockaddr_un, sun_path) + path.size() + 1);
}

Result<Endpoint> parse_ipv6(std::string_view text, std::uint16_t default_port) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  std::string_view port = after_bytes(text, 1);
  const bool has_end = find_byte(port, ']') < port.size();
  const std::string_view ip = take_until(port, ']');
  if (!has_end || !parse_ip(AF_INET6, ip, &address.sin6_addr)) {
    return config_error("not an IPv6 address");
  }
  if (!parse_port(port, default_port, address.sin6_port)) return config_error("not a port");
  return from_sockaddr(address);
}

Result<Endpoint> parse_ipv4(std::string_view text, std::uint16_t default_port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const std::string_view ip = first_bytes(text, find_byte(text, ':'));
  if (!ip.empty() && !parse_ip(AF_INET, ip, &address.sin_addr)) {
    return config_error("not an IPv4 address");
  }
  if (!parse_port(after_bytes(text, ip.size()), default_port, address.sin_port)) {
    return config_error("not a port");
  }
  return from_sockaddr(address);
}

}  // namespace

Result<Endpoint> parse_endpoint(std::string_view text, std::uint16_t default_port) {
  if (text.empty()) return config_error("empty address");
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

}  // namespace qv
