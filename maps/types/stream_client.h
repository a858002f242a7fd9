// SPDX-License-Identifier: 0BSD
// maps/types/stream_client.h - one blocking stream connection with a deadline for each request.
//
// Threads: none.  Blocking: up to the time limit.  Tests: tests/maps/contract_socketmap.cc
#ifndef QV_MAPS_TYPES_STREAM_CLIENT_H_
#define QV_MAPS_TYPES_STREAM_CLIENT_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "core/fd.h"
#include "core/result.h"
#include "wire/frame.h"

namespace qv {

class StreamClient {
 public:
  explicit StreamClient(int timeout_ms) : timeout_ms_(timeout_ms) {}

  // `address` is `unix:/path` or `inet:host:port`, an IPv6 host in brackets; each address of the
  // host is tried.  Errors: not of this form (config), no such host, cannot connect in time.
  [[nodiscard]] Result<void> connect(const std::string& address, std::string& detail);
  void disconnect();

  // What is looked for in the bytes that have arrived: as a codec's parse function, with the size
  // of the message set on whole.
  using Parse = std::function<Frame(std::string_view bytes, std::size_t& size)>;

  // Sends `request` and reads until `parse` says whole; the message is consumed.  Errors: time
  // limit, connection closed (retry); malformed, or bytes nobody asked for behind it (protocol).
  // After an Error the connection is of no more use.
  [[nodiscard]] Result<void> exchange(std::string_view request, const Parse& parse);

 private:
  [[nodiscard]] Result<void> wait(short events, std::int64_t deadline_us) const;
  [[nodiscard]] Result<void> connect_to(const void* address, unsigned length, int family);

  int timeout_ms_;
  Fd socket_;
};

// A host as tables on servers write it: `unix:/path`, `inet:host:port`, `host:port`, `host`.
struct ServerHost {
  std::string path;  // of a Unix socket; empty: there is none
  std::string name;
  std::string port;  // empty: none is given
};
[[nodiscard]] ServerHost parse_server_host(std::string_view text);

// Splits `host:port` or `[v6]:port`; false where it is neither.
[[nodiscard]] bool split_host_port(std::string_view text, std::string& host, std::string& port);

}  // namespace qv

#endif  // QV_MAPS_TYPES_STREAM_CLIENT_H_
