// SPDX-License-Identifier: 0BSD
// event/stream_server.h - listening stream sockets and everybody who has connected to them.
//
// A StreamSession is one client's side of a conversation; the server makes one per connection and
// forgets it when the connection ends.  Clients that break a limit of StreamLimits are dropped by a
// look around once a second.  When there is no place, or no descriptor, for a newcomer, whoever has
// been idle longest goes; where nobody is idle, newcomers wait in the backlog.  A client that is
// ended by the server gets the last words of its session first, as far as they fit into its socket.
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

namespace qv {

// What a client says, and what it is told.  Destroyed when its stream is over.
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

  // What the client is told before the server ends its stream for `why`: idle or too_slow.
  [[nodiscard]] virtual std::string_view last_words(StreamEnd /*why*/) const { return {}; }
  // True while the client must not lose its place to a newcomer, although its stream is silent.
  [[nodiscard]] virtual bool is_busy() const { return false; }
};

struct StreamServerLimits {
  std::size_t max_clients = 20000;
  int accept_batch = 64;  // connections taken before the clients that are there get a turn
  StreamLimits stream;
};

// How many clients there may be, at most `wanted`, so that `spare` descriptors, or half of all
// where that is less, are left for everything else.
[[nodiscard]] std::size_t clients_that_fit(std::size_t wanted, std::size_t spare);

// Counted since the start.
struct StreamServerCounters {
  std::uint64_t accepted = 0;
  std::uint64_t closed_by_peer = 0;
  std::uint64_t closed = 0;
  std::uint64_t failed = 0;
  std::uint64_t too_much_input = 0;
  std::uint64_t too_slow = 0;
  std::uint64_t idle = 0;
  std::uint64_t evicted = 0;         // of those idle: their place was needed
  std::uint64_t no_descriptors = 0;  // accept() found the limit of open files reached
};

class StreamServer {
 public:
  // Makes the session of a new client; may write a greeting.  nullptr: the client is not wanted.
  using Factory = std::function<std::unique_ptr<StreamSession>(Stream&)>;
  // Told that no newcomer can be taken and why; at most once a minute.
  using Trouble = std::function<void(std::string_view what)>;

  StreamServer(Loop& loop, const StreamServerLimits& limits);
  ~StreamServer();
  StreamServer(const StreamServer&) = delete;
  StreamServer& operator=(const StreamServer&) = delete;

  // Takes connections from `listener` (listen_on(); several are fine).
  void serve(Fd listener, Factory factory);
  // Serves a stream socket that is connected already; non-blocking.
  void add(Fd client, const Factory& factory);
  // Takes no more connections; those there stay.
  void stop_listening();
  void on_trouble(Trouble trouble) { trouble_ = std::move(trouble); }
  // From now on, for the clients that are there, too.
  void set_limits(const StreamServerLimits& limits) { limits_ = limits; }
  // Calls `act` with the session of each client.  It must not end a stream; Stream::close() is
  // fine.
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
  void evict(Client& client);
  static void end(Client& client, StreamEnd why);
  void wait_for_room(std::string_view why);
  void watch(Listener& listener);
  void look_around();
  void count(StreamEnd why);
  void forget(Client& client);

  Loop& loop_;
  StreamServerLimits limits_;
  StreamServerCounters counters_;
  Trouble trouble_;
  std::int64_t trouble_told_us_ = 0;
  std::vector<std::unique_ptr<Listener>> listeners_;
  Clients clients_;
  Loop::Owned sweep_;
  Loop::Owned listen_again_;
};

}  // namespace qv

#endif  // QV_EVENT_STREAM_SERVER_H_
