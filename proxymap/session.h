// SPDX-License-Identifier: 0BSD
// proxymap/session.h - one client's conversation, bytes in and bytes out.
//
// The server speaks first.  Requests are answered in their order; while one waits for a worker the
// stream is paused, so that at most one request of a client is under way.  A message that makes no
// sense is answered with status BAD, one line in the log, and the end of the conversation.
//
// Threads: none; one Loop.  Tests: tests/proxymap/session_test.cc
#ifndef QV_PROXYMAP_SESSION_H_
#define QV_PROXYMAP_SESSION_H_

#include <cstddef>
#include <string_view>

#include "event/stream_server.h"
#include "proxymap/service.h"
#include "wire/attributes.h"

namespace qv::proxymap {

class Session final : public event::StreamSession {
 public:
  // Queues the greeting.  REQUIRES: `service` and `stream` outlive the session.
  Session(Service& service, event::Stream& stream, const wire::AttributeLimits& limits);
  ~Session() override { service_.abandon(client_); }

  std::size_t on_input(event::Stream& stream, std::string_view input) override;
  void on_last_input(event::Stream& stream, std::string_view rest) override;
  void on_end(event::Stream& stream, event::StreamEnd why) override;

 private:
  void send(const wire::proxymap::Reply& reply);
  void refuse(std::string_view reply, std::string_view what);
  void report_bad(std::string_view what);

  Service& service_;
  event::Stream& stream_;
  wire::AttributeDecoder decoder_;
  Client client_;
  wire::proxymap::Operation operation_ = wire::proxymap::Operation::open;  // of the last request
  wire::proxymap::Dialect dialect_ = wire::proxymap::Dialect::plain;
};

}  // namespace qv::proxymap

#endif  // QV_PROXYMAP_SESSION_H_
