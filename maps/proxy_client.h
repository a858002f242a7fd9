// SPDX-License-Identifier: 0BSD
// maps/proxy_client.h - look-ups through the table proxy, without waiting for them.
//
// For daemons: lookup() returns at once, the answer comes from the loop.  A few connections are
// kept, each with one look-up under way, so that one slow table does not hold up the others; what
// comes on top waits in a bounded queue.  A connection that breaks under a look-up costs it one
// more try; a proxy that is not there, or does not answer in time, is Fault::retry.
//
// Threads: none; one Loop.  Blocking: none.
// Tests: tests/maps/proxy_client_test.cc
#ifndef QV_MAPS_PROXY_CLIENT_H_
#define QV_MAPS_PROXY_CLIENT_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "core/result.h"
#include "event/listen.h"
#include "event/loop.h"
#include "event/stream.h"
#include "maps/map.h"

namespace qv {

struct ProxyClientLimits {
  std::size_t connections = 8;
  std::size_t queue = 1000;           // look-ups that wait for a connection
  std::int64_t time_us = 5'000'000;   // from lookup() to the answer
  std::int64_t idle_us = 60'000'000;  // after which a connection is given up
};

class ProxyClient {
 public:
  // found: `value` is the value, good until the callback returns.
  using Callback = std::function<void(const Result<Answer>&, std::string_view value)>;

  // REQUIRES: `loop` outlives it.
  ProxyClient(Loop& loop, StreamAddress address, const ProxyClientLimits& limits = {});
  ~ProxyClient();  // look-ups under way are dropped without calling back
  ProxyClient(const ProxyClient&) = delete;
  ProxyClient& operator=(const ProxyClient&) = delete;

  // Calls back once, from the loop, never from within lookup().  `table` is type:name, with or
  // without "proxy:".  Errors: the proxy is not there, no answer in time, queue full, the table
  // cannot be asked now (retry); it needs the operator, or is not approved (config); the proxy
  // talks nonsense (protocol).
  void lookup(std::string_view table, const MapOptions& options, std::string_view key,
              Callback callback);

  // Look-ups under way and waiting.
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

  void pump();
  [[nodiscard]] Connection* free_connection();
  [[nodiscard]] Connection* connect();
  void answer(Question question, const Result<Answer>& answer, std::string_view value);
  void fail_waiting(const Error& error);
  void lost(Connection& connection, const Error& error);
  void forget(Connection& connection);
  void look_around();
  void schedule_pump();

  Loop& loop_;
  const StreamAddress address_;
  const ProxyClientLimits limits_;
  const StreamLimits stream_limits_;
  std::deque<Question> waiting_;
  std::list<std::unique_ptr<Connection>> connections_;
  Loop::Owned sweep_;
  Loop::Owned turn_;
};

}  // namespace qv

#endif  // QV_MAPS_PROXY_CLIENT_H_
