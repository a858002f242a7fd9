// SPDX-License-Identifier: 0BSD
#include "maps/types/stream_client.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <memory>

#include "core/clock.h"
#include "core/fault.h"
#include "core/text.h"

namespace qv {

namespace {

constexpr std::size_t kMaxReply = std::size_t{1} << 20;  // bytes

Error timed_out() { return {Fault::retry, ETIMEDOUT, "no answer in time"}; }
Error closed() { return {Fault::retry, ECONNRESET, "connection closed"}; }

// Trouble with a connection passes; only the operator mends a name.
Error connect_error(int errnum) { return {Fault::retry, errnum, "connect"}; }

}  // namespace

bool split_host_port(std::string_view text, std::string& host, std::string& port) {
  const std::size_t colon = find_last_byte(text, ':');
  if (colon == text.size()) return false;
  std::string_view name = first_bytes(text, colon);
  if (name.size() > 2 && name.front() == '[' && name.back() == ']') {
    name = name.substr(1, name.size() - 2);
  } else if (find_byte(name, ':') != name.size()) {
    return false;
  }
  host = name;
  port = after_bytes(text, colon + 1);
  return !host.empty() && !port.empty();
}

ServerHost parse_server_host(std::string_view text) {
  ServerHost host;
  if (starts_with(text, "unix:")) {
    host.path = after_bytes(text, 5);
    return host;
  }
  if (starts_with(text, "inet:")) text = after_bytes(text, 5);
  if (!split_host_port(text, host.name, host.port)) host.name = text;
  return host;
}

Result<void> StreamClient::wait(short events, std::int64_t deadline_us) const {
  for (;;) {
    const std::int64_t left_us = deadline_us - monotonic_us();
    if (left_us <= 0) return timed_out();
    pollfd item{socket_.get(), events, 0};
    const int n = poll(&item, 1, static_cast<int>(left_us / 1000 + 1));
    if (n > 0) return {};
    if (n < 0 && errno != EINTR) return errno_error("poll");
  }
}

Result<void> StreamClient::connect_to(const void* address, unsigned length, int family) {
  socket_.reset(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket_.valid()) return errno_error("socket");
  if (::connect(socket_.get(), static_cast<const sockaddr*>(address), length) == 0) return {};
  // A Unix socket whose queue is full says EAGAIN, and does not become writable.
  if (errno != EINPROGRESS && errno != EINTR) return connect_error(errno);
  QV_TRY_VOID(wait(POLLOUT, monotonic_us() + std::int64_t{1000} * timeout_ms_));
  int errnum = 0;
  socklen_t size = sizeof errnum;
  if (getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &errnum, &size) != 0) {
    return errno_error("getsockopt");
  }
  if (errnum != 0) return connect_error(errnum);
  return {};
}

Result<void> StreamClient::connect(const std::string& address, std::string& detail) {
  const auto fail = [&](const Error& error, std::string_view text) {
    socket_.reset();
    detail = std::string(error.what) + " " + address + ": " + std::string(text);
    return error;
  };
  if (starts_with(address, "unix:")) {
    sockaddr_un un{};
    un.sun_family = AF_UNIX;
    const std::string_view path = after_bytes(address, 5);
    if (path.empty() || path.size() >= sizeof un.sun_path) {
      return fail({Fault::config, ENAMETOOLONG, "connect"}, "not the name of a socket");
    }
    memcpy(un.sun_path, path.data(), path.size());
    const Result<void> done = connect_to(&un, sizeof un, AF_UNIX);
    if (!done.ok()) return fail(done.error(), strerrordesc_np(done.error().errnum));
    return {};
  }
  std::string host;
  std::string port;
  if (!starts_with(address, "inet:") || !split_host_port(after_bytes(address, 5), host, port)) {
    return fail({Fault::config, EINVAL, "connect"}, "write unix:/path or inet:host:port");
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int code = getaddrinfo(host.c_str(), port.c_str(), &hints, &list);
  if (code != 0) return fail({Fault::retry, 0, "connect"}, gai_strerror(code));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(list, freeaddrinfo);
  Result<void> done = connect_error(EADDRNOTAVAIL);
  for (const addrinfo* a = list; a != nullptr && !done.ok(); a = a->ai_next) {
    done = connect_to(a->ai_addr, a->ai_addrlen, a->ai_family);
  }
  if (!done.ok()) return fail(done.error(), strerrordesc_np(done.error().errnum));
  return {};
}

void StreamClient::disconnect() { socket_.reset(); }

Result<void> StreamClient::exchange(std::string_view request, const Parse& parse) {
  const std::int64_t deadline_us = monotonic_us() + std::int64_t{1000} * timeout_ms_;
  while (!request.empty()) {
    const ssize_t n = ::send(socket_.get(), request.data(), request.size(), MSG_NOSIGNAL);
    if (n > 0) {
      request.remove_prefix(static_cast<std::size_t>(n));
    } else if (n < 0 && errno == EAGAIN) {
      QV_TRY_VOID(wait(POLLOUT, deadline_us));
    } else if (n < 0 && errno != EINTR) {
      return closed();
    }
  }
  std::string arrived;
  std::array<char, 16384> buffer;
  for (;;) {
    const ssize_t n = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (n == 0) return closed();
    if (n < 0 && errno == EAGAIN) {
      QV_TRY_VOID(wait(POLLIN, deadline_us));
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return closed();
    arrived.append(buffer.data(), static_cast<std::size_t>(n));
    std::size_t size = 0;
    const Frame frame = parse(arrived, size);
    if (frame == Frame::whole && size == arrived.size()) return {};
    if (frame != Frame::partial || arrived.size() > kMaxReply) {
      return Error{Fault::protocol, EPROTO, "malformed reply"};
    }
  }
}

}  // namespace qv
