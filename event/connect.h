// SPDX-License-Identifier: 0BSD
// event/connect.h - outgoing connections, in the clear first and under TLS when both sides want it.
//
// Certificates are not verified: TLS here keeps listeners out, it does not say who answers.
// Time limits are the user's: destroying the connection ends it.
//
// Threads: none.  Blocking: never.  Tests: tests/event/connect_test.cc
#ifndef QV_EVENT_CONNECT_H_
#define QV_EVENT_CONNECT_H_

#include <memory>
#include <string>
#include <string_view>

#include "event/listen.h"

struct event_base;

namespace qv {

class LibeventLoop;

class Connection {
 public:
  // All of it is called from the loop, never from within send() or start_tls(); each call may
  // destroy the connection.
  class User {
   public:
    virtual ~User() = default;
    virtual void on_connected() = 0;
    // Bytes as they come; they are gone afterwards.
    virtual void on_bytes(std::string_view bytes) = 0;
    virtual void on_secured() = 0;
    // No connection, or no longer; nothing more is called.  `in_handshake`: TLS is why.
    enum class During : std::uint8_t { connect, talk, handshake };
    virtual void on_closed(During during, std::string_view why) = 0;
  };

  virtual ~Connection() = default;
  Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Queues bytes.  A peer that reads nothing while more than 64 KiB wait is closed.
  virtual void send(std::string_view bytes) = 0;
  // Begins the handshake; `host` is the name for SNI, empty or an address: none.
  // REQUIRES: on_connected() was called, and this is the first time.
  virtual void start_tls(const std::string& host) = 0;
};

class Connector {
 public:
  virtual ~Connector() = default;
  // Begins to connect.  Never fails at once: on_closed() says so from the loop.
  // REQUIRES: `user` outlives the connection.
  [[nodiscard]] virtual std::unique_ptr<Connection> connect(const StreamAddress& address,
                                                            Connection::User& user) = 0;
};

// Connects for real.  REQUIRES: `loop` outlives the connector, and that its connections.
[[nodiscard]] std::unique_ptr<Connector> make_connector(LibeventLoop& loop);

}  // namespace qv

#endif  // QV_EVENT_CONNECT_H_
