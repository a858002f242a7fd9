// SPDX-License-Identifier: 0BSD
// Tables that are asked over one stream connection, with a deadline for each request.
//
// tcp:host:port - Postfix's tcp_table(5) protocol.  No passwords, no encryption: for the loopback.
// socketmap:unix:/path:name, socketmap:inet:host:port:name - Sendmail's and Postfix's socketmap
// protocol, socketmap_table(5).
// proxy:type:name - the table type:name, asked through qmail-proxymap (or Postfix's proxymap).
// Opening it asks the proxy to open that table.  It is for tools: a daemon asks through
// maps/proxy_client.h, which does not wait.
//
// Blocking: up to the time limit.  Manual: qmail-map-net(5).
// Tests: tests/maps/contract_tcp.cc, contract_socketmap.cc, contract_proxy.cc
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>

#include <array>

#include "core/clock.h"
#include "core/fault.h"
#include "core/fd.h"
#include "core/text.h"
#include "event/listen.h"
#include "maps/open.h"
#include "maps/proxy_client.h"
#include "maps/types/server_map.h"
#include "wire/proxymap.h"
#include "wire/socketmap.h"
#include "wire/tcp_table.h"

namespace qv::maps {

namespace {

constexpr std::int64_t kTimeLimitUs = 10'000'000;
constexpr std::size_t kMaxReply = std::size_t{1} << 20;  // bytes

// A result of send() or recv() after which the connection is of no more use.
bool is_closed(ssize_t n) { return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR); }

Error closed() { return {Fault::retry, ECONNRESET, "connection closed"}; }

class StreamMap : public ServerMap {
 protected:
  // `address` is `unix:/path` or `inet:host:port`, an IPv6 host in brackets; each address of the
  // host is tried.
  explicit StreamMap(std::string address) { hosts_.push_back(std::move(address)); }

  Result<void> connect(const std::string& address) override {
    Result<void> done;
    if (starts_with(address, "unix:")) {
      QV_TRY(const event::StreamAddress path, event::parse_stream_address(address));
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
        event::StreamAddress one;
        memcpy(&one.storage, a->ai_addr, a->ai_addrlen);
        one.size = a->ai_addrlen;
        done = connect_to(one);
      }
    }
    if (!done.ok()) return fail(done.error(), strerrordesc_np(done.error().errnum));
    return {};
  }
  void disconnect() override { socket_.reset(); }

  // What is looked for in the bytes that have arrived: as a codec's parse function, with the size
  // of the message set on whole.
  using Parse = std::function<wire::Frame(std::string_view bytes, std::size_t& size)>;

  // Sends `request` and reads until `parse` says whole; the message is consumed.  Errors, after
  // each of which the connection is lost: time limit, connection closed (retry); a malformed
  // message, or bytes behind it (protocol).
  Result<void> exchange(std::string_view request, const Parse& parse) {
    const Result<void> done = try_exchange(request, parse);
    if (!done.ok()) return lose(done.error(), describe_error(done.error(), {}));
    return {};
  }

 private:
  Result<void> connect_to(const event::StreamAddress& address) {
    bool in_progress = false;
    QV_TRY(socket_, event::start_connect(address, in_progress));
    if (!in_progress) return {};
    QV_TRY_VOID(wait(POLLOUT, monotonic_us() + kTimeLimitUs));
    int errnum = 0;
    socklen_t size = sizeof errnum;
    if (getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &errnum, &size) != 0) errnum = errno;
    if (errnum != 0) return Error{Fault::retry, errnum, "connect"};
    return {};
  }

  Result<void> wait(short events, std::int64_t deadline_us) const {
    for (;;) {
      const std::int64_t left_us = deadline_us - monotonic_us();
      if (left_us <= 0) return Error{Fault::retry, ETIMEDOUT, "no answer in time"};
      pollfd item{socket_.get(), events, 0};
      const int n = poll(&item, 1, static_cast<int>(left_us / 1000 + 1));
      if (n > 0) return {};
      if (n < 0 && errno != EINTR) return errno_error("poll");
    }
  }

  Result<void> try_exchange(std::string_view request, const Parse& parse) {
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
      const wire::Frame frame = parse(arrived, size);
      if (frame == wire::Frame::whole && size == arrived.size()) return {};
      if (frame != wire::Frame::partial || arrived.size() > kMaxReply) {
        return Error{Fault::protocol, EPROTO, "malformed reply"};
      }
    }
  }

  Fd socket_;
};

class TcpMap final : public StreamMap {
 public:
  explicit TcpMap(std::string address) : StreamMap(std::move(address)) {}

 private:
  Result<Answer> ask(std::string_view key, std::string& value) override {
    std::string request;
    // Longer than any line may be: no server of this protocol can have it.
    if (!wire::tcp_table::append_request(request, key)) return Answer::absent;
    wire::tcp_table::Reply reply;
    QV_TRY_VOID(exchange(request, [&](std::string_view bytes, std::size_t& size) {
      return wire::tcp_table::parse_reply(bytes, reply, size);
    }));
    switch (reply.status) {
      case wire::tcp_table::Status::found:
        value = std::move(reply.text);
        return Answer::found;
      case wire::tcp_table::Status::not_found:
        return Answer::absent;
      case wire::tcp_table::Status::retry:
        return fail({Fault::retry, 0, "tcp_table server is undecided"}, std::move(reply.text));
    }
    return Error{Fault::protocol, 0, "tcp_table reply"};
  }
};

Result<std::unique_ptr<Map>> open_tcp(const MapSpec& spec, std::string& detail) {
  std::string address = "inet:" + std::string(strip_braces(spec.name));
  if (parse_server_host(address).port.empty()) {
    detail = "tcp:" + spec.name + ": write tcp:host:port";
    return Error{Fault::config, 0, "tcp table"};
  }
  return std::unique_ptr<Map>(std::make_unique<TcpMap>(std::move(address)));
}

class SocketmapMap final : public StreamMap {
 public:
  SocketmapMap(std::string_view address, std::string_view name)
      : StreamMap(std::string(address)), name_(name) {}

 private:
  Result<Answer> ask(std::string_view key, std::string& value) override {
    std::string request;
    // Longer than any request may be: no server of this protocol can have it.
    if (!wire::socketmap::append_request(request, {name_, key})) return Answer::absent;
    wire::socketmap::Status status = wire::socketmap::Status::temporary;
    std::string text;
    QV_TRY_VOID(exchange(request, [&](std::string_view bytes, std::size_t& size) {
      wire::socketmap::Reply reply;
      const wire::Frame frame = wire::socketmap::parse_reply(bytes, reply, size);
      status = reply.status;
      text = reply.text;
      return frame;
    }));
    switch (status) {
      case wire::socketmap::Status::ok:
        value = std::move(text);
        return Answer::found;
      case wire::socketmap::Status::not_found:
        return Answer::absent;
      case wire::socketmap::Status::temporary:
      case wire::socketmap::Status::timeout:
        return fail({Fault::retry, 0, "socketmap server is undecided"}, std::move(text));
      case wire::socketmap::Status::permanent:
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
  const bool known = starts_with(address, "unix:/") ||
                     (starts_with(address, "inet:") && !parse_server_host(address).port.empty());
  if (!known || name.empty() || find_byte(name, ' ') != name.size()) {
    detail = "socketmap:" + spec.name +
             ": write socketmap:unix:/path:name or socketmap:inet:host:port:name";
    return Error{Fault::config, 0, "socketmap table"};
  }
  return std::unique_ptr<Map>(std::make_unique<SocketmapMap>(address, name));
}

using wire::proxymap::Operation;
using wire::proxymap::Reply;
using wire::proxymap::Request;
using wire::proxymap::Status;

class ProxyMap final : public StreamMap {
 public:
  ProxyMap(std::string_view table, const MapOptions& options)
      : StreamMap(proxy_address(options.for_update)),
        table_(table),
        for_update_(options.for_update),
        flags_(options.no_substitution ? wire::proxymap::flag::kNoSubstitution : 0) {}

  // Asks the proxy to open the table, so that a name that is not approved shows at once.
  Result<void> open() {
    QV_TRY(const Answer opened, request({.operation = Operation::open}));
    static_cast<void>(opened);
    pattern_ = (reply_flags_ & wire::proxymap::flag::kPattern) != 0;
    return {};
  }

  Result<Answer> update(std::string_view key, std::string_view value) override {
    if (!for_update_) return Map::update(key, value);
    // The protocol does not say whether there was a value.
    QV_TRY(const Answer was, request({.operation = Operation::lookup, .key = key}));
    QV_TRY_VOID(request({.operation = Operation::update, .key = key, .value = value}));
    return was;
  }
  Result<Answer> erase(std::string_view key) override {
    if (!for_update_) return Map::erase(key);
    return request({.operation = Operation::erase, .key = key});
  }
  Result<Answer> sequence(Step step, std::string& key, std::string& value) override {
    QV_TRY(const Answer answer,
           request({.operation = Operation::sequence, .next = step == Step::next}));
    if (answer == Answer::found) {
      key = std::move(key_);
      value = std::move(value_);
    }
    return answer;
  }
  bool is_pattern() const override { return pattern_; }

 private:
  Result<void> connect(const std::string& address) override {
    QV_TRY_VOID(StreamMap::connect(address));
    return exchange({}, [](std::string_view arrived, std::size_t& size) {
      wire::AttributeDecoder decoder;
      const wire::Frame frame = decoder.scan(arrived);
      if (frame != wire::Frame::whole) return frame;
      size = decoder.size();
      return wire::proxymap::is_greeting(decoder, arrived) ? wire::Frame::whole
                                                           : wire::Frame::malformed;
    });
  }

  Result<Answer> ask(std::string_view key, std::string& value) override {
    QV_TRY(const Answer answer, send({.operation = Operation::lookup, .key = key}));
    if (answer == Answer::found) value = std::move(value_);
    return answer;
  }

  Result<Answer> request(const Request& request) {
    // A walk goes on only on the connection where it was begun.
    return with_connection([&] { return send(request); }, !request.next);
  }

  Result<Answer> send(Request request) {
    // The protocol has no way to carry it, and no table behind it that could hold it.
    if (find_byte(request.key, '\0') != request.key.size()) return Answer::absent;
    if (find_byte(request.value, '\0') != request.value.size()) {
      return Error{Fault::denied, EINVAL, "a NUL cannot be sent to the proxy"};
    }
    request.table = table_;
    request.flags = flags_;
    std::string bytes;
    wire::proxymap::append_request(bytes, request);
    Status status = Status::retry;
    QV_TRY_VOID(exchange(bytes, [&](std::string_view arrived, std::size_t& size) {
      wire::AttributeDecoder decoder;
      const wire::Frame frame = decoder.scan(arrived);
      if (frame != wire::Frame::whole) return frame;
      size = decoder.size();
      Reply reply;
      if (!wire::proxymap::parse_reply(decoder, arrived, request.operation, request.dialect,
                                       reply)) {
        return wire::Frame::malformed;
      }
      status = reply.status;
      reply_flags_ = reply.flags;
      key_ = reply.key;
      value_ = reply.value;
      return wire::Frame::whole;
    }));
    const Result<Answer> answer = answer_of(status);
    if (answer.ok()) return answer;
    return fail(answer.error(), table_ + ": " + answer.error().what + "; its log says more");
  }

  std::string table_;
  bool for_update_;
  std::uint32_t flags_;
  bool pattern_ = false;
  // Of the last reply.
  std::uint32_t reply_flags_ = 0;
  std::string key_;
  std::string value_;
};

Result<std::unique_ptr<Map>> open_proxy(const MapSpec& spec, std::string& detail) {
  const std::string_view table = wire::proxymap::strip_proxy(strip_braces(spec.name));
  std::string_view type;
  std::string_view name;
  if (!split_type(table, type, name)) {
    detail = "proxy:" + spec.name + ": write proxy:type:name";
    return Error{Fault::config, 0, "proxied table"};
  }
  auto map = std::make_unique<ProxyMap>(table, spec.options);
  const Result<void> opened = map->open();
  if (!opened.ok()) {
    detail = map->detail();
    return opened.error();
  }
  return std::unique_ptr<Map>(std::move(map));
}

}  // namespace

extern const MapType map_type_tcp{
    "tcp", {.networked = true}, "host:port: a tcp_table server", open_tcp};

extern const MapType map_type_socketmap{
    "socketmap",
    {.networked = true},
    "unix:/path:name or inet:host:port:name: a socketmap server",
    open_socketmap};

extern const MapType map_type_proxy{"proxy",
                                    {.networked = true, .writable = true, .listable = true},
                                    "type:name: that table, asked through qmail-proxymap",
                                    open_proxy};

}  // namespace qv::maps
