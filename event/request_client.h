// SPDX-License-Identifier: 0BSD
// event/request_client.h - asynchronous requests to one server over a few connections.
//
// For protocols in which the server greets and then answers each message with one.  Each connection
// has one request under way, so that one slow answer does not delay the others; further requests
// wait in a bounded queue.  A request whose connection breaks is tried once more.  A connection
// that violates the protocol or exceeds the time limit is closed: a late answer must not be taken
// for that to another request.
//
// Threads: none; one Loop.  Blocking: none.  Bounded: connections, queue, size of a reply, time.
// Tests: tests/event/request_client_test.cc, tests/maps/proxy_client_test.cc
#ifndef QV_EVENT_REQUEST_CLIENT_H_
#define QV_EVENT_REQUEST_CLIENT_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "event/listen.h"
#include "event/loop.h"
#include "event/stream.h"

namespace qv::event {

struct RequestClientLimits {
  std::size_t connections = 8;
  std::size_t queue = 1000;           // requests that wait for a connection; at least 1
  std::size_t max_reply = 2u << 20;   // bytes
  std::int64_t idle_us = 60'000'000;  // after which a connection is closed
};

class RequestClient {
 public:
  // Finds the message at the front of `input`, everything that has arrived since the last one: its
  // size, 0 while it is incomplete, nullopt for nonsense.  `awaited`: the first message must be the
  // server's greeting.  Called for one connection, with more bytes each time.
  enum class Awaited : std::uint8_t { greeting, reply };
  using Framing =
      std::function<std::optional<std::size_t>(std::string_view input, Awaited awaited)>;
  using NewFraming = std::function<Framing()>;

  // The client's judgement of a reply; nonsense ends the connection.
  enum class Sense : std::uint8_t { good, nonsense };
  // The reply, one message, valid until the callback returns.  Errors: no server, the connection
  // broke twice, ETIMEDOUT, EAGAIN: the queue is full (retry); no message of the protocol
  // (protocol).
  using Callback = std::function<Sense(const Result<std::string_view>& reply)>;

  // REQUIRES: `loop` outlives it.
  RequestClient(Loop& loop, StreamAddress address, const RequestClientLimits& limits,
                NewFraming new_framing);
  // Drops pending requests without calling back.  REQUIRES: not called from within a callback.
  ~RequestClient();
  RequestClient(const RequestClient&) = delete;
  RequestClient& operator=(const RequestClient&) = delete;

  // Calls back once, from the loop, never from within ask(), and at the latest soon after `due_us`
  // of the loop's clock.
  void ask(std::string request, std::int64_t due_us, Callback callback);

  // Requests under way and waiting.
  [[nodiscard]] std::size_t in_flight() const;
  [[nodiscard]] std::size_t connections() const { return connections_.size(); }

 private:
  class Connection;
  struct Question {
    std::string request;
    Callback callback;
    std::int64_t due_us = 0;
    bool tried = false;
  };

  void schedule_pump();
  void pump();
  void refuse_all(std::deque<Question>& questions, const Error& error);
  [[nodiscard]] Connection* free_connection();
  [[nodiscard]] Connection* connect();
  Sense answer(const Question& question, const Result<std::string_view>& reply);
  void lost(Connection& connection, const Error& error);
  void sweep();

  Loop& loop_;
  const StreamAddress address_;
  const RequestClientLimits limits_;
  const StreamLimits stream_limits_;
  const NewFraming new_framing_;
  std::deque<Question> waiting_;
  std::deque<Question> refused_;  // answered at the next turn of the loop
  std::list<std::unique_ptr<Connection>> connections_;
  Loop::Owned sweep_;  // while there is a connection or a question
  Loop::Owned turn_;
};

}  // namespace qv::event

#endif  // QV_EVENT_REQUEST_CLIENT_H_
