// SPDX-License-Identifier: 0BSD
// maps/proxy_client.h - look-ups through the table proxy, without waiting for them.
//
// For daemons: lookup() returns at once, the answer comes from the loop.  For how connections are
// reused, and what their loss means, see event/request_client.h.  A proxy that is not there, or
// does not answer in time, is Fault::retry.
//
// Threads: none; one Loop.  Blocking: none.
// Tests: tests/maps/proxy_client_test.cc
#ifndef QV_MAPS_PROXY_CLIENT_H_
#define QV_MAPS_PROXY_CLIENT_H_

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "event/listen.h"
#include "event/loop.h"
#include "event/request_client.h"
#include "maps/map.h"
#include "wire/proxymap.h"

namespace qv::maps {

// What a status of the proxy means for a look-up; of an Error the operator finds more in its log.
[[nodiscard]] Result<Answer> answer_of(wire::proxymap::Status status);

struct ProxyClientLimits : event::RequestClientLimits {
  std::int64_t time_us = 5'000'000;  // from lookup() to the answer
};

class ProxyClient {
 public:
  // found: `value` is the value, good until the callback returns.
  using Callback = std::function<void(const Result<Answer>&, std::string_view value)>;

  // REQUIRES: `loop` outlives it.
  // Destroying it drops look-ups under way without calling back; not from within a callback.
  ProxyClient(event::Loop& loop, event::StreamAddress address,
              const ProxyClientLimits& limits = {});

  // Calls back once, from the loop, never from within lookup().  `table` is type:name, with or
  // without "proxy:".  Errors: the proxy is not there, no answer in time, queue full, the table
  // cannot be asked now (retry); it needs the operator, or is not approved (config); what the proxy
  // sends is no reply (protocol).
  void lookup(std::string_view table, const MapOptions& options, std::string_view key,
              Callback callback);

  // Look-ups under way and waiting.
  [[nodiscard]] std::size_t in_flight() const { return client_.in_flight() + absent_.size(); }
  [[nodiscard]] std::size_t connections() const { return client_.connections(); }

 private:
  event::Loop& loop_;
  const std::int64_t time_us_;
  event::RequestClient client_;
  std::vector<Callback> absent_;  // called when the loop turns
  event::Loop::Owned turn_;
};

}  // namespace qv::maps

#endif  // QV_MAPS_PROXY_CLIENT_H_
