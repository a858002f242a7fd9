// SPDX-License-Identifier: 0BSD
// tcp:host:port - Postfix's tcp_table(5) protocol.  No passwords, no encryption: for the loopback.
// socketmap:unix:/path:name, socketmap:inet:host:port:name - Sendmail's and Postfix's socketmap
// protocol, socketmap_table(5).
//
// Manual: qmail-map-net(5).
#include "maps/types/stream_map.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>

#include <array>

#include "core/clock.h"
#include "core/fault.h"
#include "core/text.h"
#include "wire/socketmap.h"
#include "wire/tcp_table.h"

namespace qv {

namespace {

constexpr std::int64_t kTimeLimitUs = 10'000'000;
constexpr std::size_t kMaxReply = std::size_t{1} << 20;  // bytes

// A result of send() or recv() after which the connection is of no more use.
bool is_closed(ssize_t n) { return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR); }

Error closed() { return {Fault::retry, ECONNRESET, "connection closed"}; }

}  // namespace

Result<void> StreamMap::wait(short events, std::int64_t deadline_us) const {
  for (;;) {
    const std::int64_t left_us = deadline_us - monotonic_us();
    if (left_us <= 0) return Error{Fault::retry, ETIMEDOUT, "no answer in time"};
    pollfd item{socket_.get(), events, 0};
    const int n = poll(&item, 1, static_cast<int>(left_us / 1000 + 1));
    if (n > 0) return {};
    if (n < 0 && errno != EINTR) return errno_error("poll");
  }
}

Result<void> StreamMap::connect_to(const StreamAddress& address) {
  bool in_progress = false;
  QV_TRY(socket_, start_connect(address, in_progress));
  if (!in_progress) return {};
  QV_TRY_VOID(wait(POLLOUT, monotonic_us() + kTimeLimitUs));
  int errnum = 0;
  socklen_t size = sizeof errnum;
  if (getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &errnum, &size) != 0) errnum = errno;
  if (errnum != 0) return Error{Fault::retry, errnum, "connect"};
  return {};
}

Result<void> StreamMap::connect(const std::string& address) {
  Result<void> done;
  if (starts_with(address, "unix:")) {
    QV_TRY(const StreamAddress path, parse_stream_address(address));
    done = connect_to(path);
  } else {
    const ServerHost host = parse_server_host(address);
    if (host.port.empty()) return Error{Fault::config, 0, "write unix:/path or inet:host:port"};
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    const int code = getaddrinfo(host.name.c_str(), host.port.c_str(), &hints, &list);
    if (code != 0) return fail({Fault::retry, 0, "find the host"}, gai_strerror(code));
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(list, freeaddrinfo);
    done = Error{Fault::retry, EADDRNOTAVAIL, "connect"};
    for (const addrinfo* a = list; a != nullptr && !done.ok(); a = a->ai_next) {
      StreamAddress one;
      memcpy(&one.storage, a->ai_addr, a->ai_addrlen);
      one.size = a->ai_addrlen;
      done = connect_to(one);
    }
  }
  if (!done.ok()) return fail(done.error(), strerrordesc_np(done.error().errnum));
  return {};
}

Result<void> StreamMap::exchange(std::string_view request, const Parse& parse) {
  const Result<void> done = try_exchange(request, parse);
  if (!done.ok()) return lose(done.error(), describe_error(done.error(), {}));
  return {};
}

Result<void> StreamMap::try_exchange(std::string_view request, const Parse& parse) {
  const std::int64_t deadline_us = monotonic_us() + kTimeLimitUs;
  while (!request.empty()) {
    QV_TRY_VOID(wait(POLLOUT, deadline_us));
    const ssize_t n = ::send(socket_.get(), request.data(), request.size(), MSG_NOSIGNAL);
    if (is_closed(n)) return closed();
    if (n > 0) request.remove_prefix(static_cast<std::size_t>(n));
  }
  std::string arrived;
  std::array<char, 16384> buffer;
  for (;;) {
    QV_TRY_VOID(wait(POLLIN, deadline_us));
    const ssize_t n = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (is_closed(n)) return closed();
    if (n < 0) continue;
    arrived.append(buffer.data(), static_cast<std::size_t>(n));
    std::size_t size = 0;
    const Frame frame = parse(arrived, size);
    if (frame == Frame::whole && size == arrived.size()) return {};
    if (frame != Frame::partial || arrived.size() > kMaxReply) {
      return Error{Fault::protocol, EPROTO, "malformed reply"};
    }
  }
}

namespace {

class TcpMap final : public StreamMap {
 public:
  explicit TcpMap(std::string_view host) : StreamMap("inet:" + std::string(host)) {}

 private:
  Result<Answer> ask(std::string_view key, std::string& value) override {
    std::string request;
    // Longer than any line may be: no server of this protocol can have it.
    if (!tcp_table::append_request(request, key)) return Answer::absent;
    tcp_table::Reply reply;
    QV_TRY_VOID(exchange(request, [&](std::string_view bytes, std::size_t& size) {
      return tcp_table::parse_reply(bytes, reply, size);
    }));
    switch (reply.status) {
      case tcp_table::Status::found:
        value = std::move(reply.text);
        return Answer::found;
      case tcp_table::Status::not_found:
        return Answer::absent;
      case tcp_table::Status::retry:
        return fail({Fault::retry, 0, "tcp_table server is undecided"}, std::move(reply.text));
    }
    return Error{Fault::protocol, 0, "tcp_table reply"};
  }
};

Result<std::unique_ptr<Map>> open_tcp(const MapSpec& spec, std::string& detail) {
  const std::string_view text = strip_braces(spec.name);
  std::string host;
  std::string port;
  if (!split_host_port(text, host, port)) {
    detail = "tcp:" + spec.name + ": write tcp:host:port";
    return Error{Fault::config, 0, "tcp table"};
  }
  return std::unique_ptr<Map>(std::make_unique<TcpMap>(text));
}

class SocketmapMap final : public StreamMap {
 public:
  SocketmapMap(std::string_view address, std::string_view name)
      : StreamMap(std::string(address)), name_(name) {}

 private:
  Result<Answer> ask(std::string_view key, std::string& value) override {
    std::string request;
    // Longer than any request may be: no server of this protocol can have it.
    if (!socketmap::append_request(request, {name_, key})) return Answer::absent;
    socketmap::Status status = socketmap::Status::temporary;
    std::string text;
    QV_TRY_VOID(exchange(request, [&](std::string_view bytes, std::size_t& size) {
      socketmap::Reply reply;
      const Frame frame = socketmap::parse_reply(bytes, reply, size);
      status = reply.status;
      text = reply.text;
      return frame;
    }));
    switch (status) {
      case socketmap::Status::ok:
        value = std::move(text);
        return Answer::found;
      case socketmap::Status::not_found:
        return Answer::absent;
      case socketmap::Status::temporary:
      case socketmap::Status::timeout:
        return fail({Fault::retry, 0, "socketmap server is undecided"}, std::move(text));
      case socketmap::Status::permanent:
        return fail({Fault::config, 0, "socketmap server refuses"}, std::move(text));
    }
    return Error{Fault::protocol, 0, "socketmap reply"};
  }

  std::string name_;
};

Result<std::unique_ptr<Map>> open_socketmap(const MapSpec& spec, std::string& detail) {
  const std::string_view text = strip_braces(spec.name);
  const std::size_t colon = find_last_byte(text, ':');
  const std::string_view address = first_bytes(text, colon);
  const std::string_view name = after_bytes(text, colon + 1);
  std::string host;
  std::string port;
  const bool known =
      starts_with(address, "unix:/") ||
      (starts_with(address, "inet:") && split_host_port(after_bytes(address, 5), host, port));
  if (!known || name.empty() || find_byte(name, ' ') != name.size()) {
    detail = "socketmap:" + spec.name +
             ": write socketmap:unix:/path:name or socketmap:inet:host:port:name";
    return Error{Fault::config, 0, "socketmap table"};
  }
  return std::unique_ptr<Map>(std::make_unique<SocketmapMap>(address, name));
}

}  // namespace

extern const MapType map_type_tcp;
const MapType map_type_tcp{"tcp", {.networked = true}, "host:port: a tcp_table server", open_tcp};

extern const MapType map_type_socketmap;
const MapType map_type_socketmap{"socketmap",
                                 {.networked = true},
                                 "unix:/path:name or inet:host:port:name: a socketmap server",
                                 open_socketmap};

}  // namespace qv
