// SPDX-License-Identifier: 0BSD
// event/connect.h - outgoing connections, at first in the clear, later under TLS where both sides
// want it.
//
// Certificates are not verified: TLS keeps eavesdroppers out, it does not authenticate the host.
// The user enforces time limits: destroying the connection ends it.
//
// Threads: none.  Blocking: never.  Tests: tests/event/connect_test.cc
#ifndef QV_EVENT_CONNECT_H_
#define QV_EVENT_CONNECT_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "event/listen.h"

struct event_base;

namespace qv::event {

class LibeventLoop;

class Connection {
 public:
  // Called from the loop, never from within send() or start_tls(); each call may destroy the
  // connection.
  class User {
   public:
    virtual ~User() = default;
    virtual void on_connected() = 0;
    // Received bytes; valid during the call.
    virtual void on_bytes(std::string_view bytes) = 0;
    virtual void on_secured() = 0;
    // Not connected, or no longer; the last call.  handshake: because of TLS.
    enum class During : std::uint8_t { connect, talk, handshake };
    virtual void on_closed(During during, std::string_view why) = 0;
  };

  virtual ~Connection() = default;
  Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Queues bytes.  The connection to a peer that leaves more than 64 KiB unread is closed.
  virtual void send(std::string_view bytes) = 0;
  // Begins the handshake; `host` is the name for SNI, none where it is empty or an address.
  // REQUIRES: on_connected() was called, and this is the first time.
  virtual void start_tls(const std::string& host) = 0;
};

// Begins to connect.  Every failure is reported later, by on_closed().
// REQUIRES: `user` outlives the connection.
using Connector = std::function<std::unique_ptr<Connection>(const StreamAddress& address,
                                                            Connection::User& user)>;

// REQUIRES: `loop` outlives the connector, and the connector its connections.
[[nodiscard]] Connector make_connector(LibeventLoop& loop);

}  // namespace qv::event

#endif  // QV_EVENT_CONNECT_H_
