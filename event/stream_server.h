// SPDX-License-Identifier: 0BSD
// event/stream_server.h - listening stream sockets and their clients.
//
// The server makes a StreamSession for each connection and destroys it when the connection ends.
// Once a second it ends clients that exceed a limit of StreamLimits.  When there is no place or no
// descriptor for a new client, the one that has been idle longest is evicted; where none is idle,
// new clients wait in the backlog.  Before the server ends a client it sends the session's last
// words, as far as they fit into the socket.
//
// Threads: none; one Loop.  Memory: under 1 KiB per silent client, besides what its session needs.
// Tests: tests/event/stream_server_test.cc
#ifndef QV_EVENT_STREAM_SERVER_H_
#define QV_EVENT_STREAM_SERVER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string_view>
#include <vector>

#include "core/fd.h"
#include "event/loop.h"
#include "event/stream.h"

namespace qv::event {

// The conversation with one client.  Destroyed when its stream is over.
class StreamSession {
 public:
  virtual ~StreamSession() = default;
  StreamSession() = default;
  StreamSession(const StreamSession&) = delete;
  StreamSession& operator=(const StreamSession&) = delete;

  // As Stream::User's.  They must not destroy the stream: Stream::close() ends a conversation.
  virtual std::size_t on_input(Stream& stream, std::string_view input) = 0;
  virtual void on_last_input(Stream& /*stream*/, std::string_view /*rest*/) {}
  virtual void on_end(Stream& /*stream*/, StreamEnd /*why*/) {}

  // Sent to the client before the server ends its stream because of `why`: idle or too_slow.
  [[nodiscard]] virtual std::string_view last_words(StreamEnd /*why*/) const { return {}; }
  // True while the client must not be evicted, although its stream is silent.
  [[nodiscard]] virtual bool is_busy() const { return false; }
};

struct StreamServerLimits {
  std::size_t max_clients = 20000;
  int accept_batch = 64;  // connections accepted before existing clients get a turn
  StreamLimits stream;
};

// The number of clients, at most `wanted`, that leaves `spare` descriptors, or half of all where
// that is less, for everything else.
[[nodiscard]] std::size_t clients_that_fit(std::size_t wanted, std::size_t spare);

// Since the start.
struct StreamServerCounters {
  std::uint64_t accepted = 0;
  std::uint64_t closed_by_peer = 0;
  std::uint64_t closed = 0;
  std::uint64_t failed = 0;
  std::uint64_t too_much_input = 0;
  std::uint64_t too_slow = 0;
  std::uint64_t idle = 0;
  std::uint64_t evicted = 0;         // idle ones whose place was needed
  std::uint64_t no_descriptors = 0;  // accept() failed at the limit of open files
};

class StreamServer {
 public:
  // Makes the session of a new client and may write a greeting; nullptr refuses the client.
  using Factory = std::function<std::unique_ptr<StreamSession>(Stream&)>;
  // Called with the reason when no client can be accepted; at most once a minute.
  using Trouble = std::function<void(std::string_view what)>;

  StreamServer(Loop& loop, const StreamServerLimits& limits);
  ~StreamServer();
  StreamServer(const StreamServer&) = delete;
  StreamServer& operator=(const StreamServer&) = delete;

  // Accepts connections from `listener` (listen_on()); there may be several.
  void serve(Fd listener, Factory factory);
  // Serves a connected, non-blocking stream socket.
  void add(Fd client, const Factory& factory);
  // Accepts no more connections; existing ones stay.
  void stop_listening();
  void on_trouble(Trouble trouble) { trouble_ = std::move(trouble); }
  // Applies to existing clients, too.
  void set_limits(const StreamServerLimits& limits) { limits_ = limits; }
  // Calls `act` with the session of each client.  It may call Stream::close(), but not end a
  // stream.
  void each_session(const std::function<void(StreamSession&)>& act);

  [[nodiscard]] std::size_t clients() const { return clients_.size(); }
  [[nodiscard]] const StreamServerCounters& counters() const { return counters_; }

 private:
  class Client;
  struct Listener {
    Fd fd;
    Factory factory;
    Loop::Owned watch;
  };
  using Clients = std::list<Client>;

  void on_connections(Listener& listener);
  [[nodiscard]] Client* longest_idle();
  static void end(Client& client, StreamEnd why);
  void wait_for_room(std::string_view why);
  void watch(Listener& listener);
  void sweep();
  void on_client_end(Client& client, StreamEnd why);

  Loop& loop_;
  StreamServerLimits limits_;
  StreamServerCounters counters_;
  Trouble trouble_;
  std::int64_t trouble_reported_us_ = 0;
  std::vector<std::unique_ptr<Listener>> listeners_;
  Clients clients_;
  Loop::Owned sweep_timer_;
  Loop::Owned listen_again_;
};

}  // namespace qv::event

#endif  // QV_EVENT_STREAM_SERVER_H_
