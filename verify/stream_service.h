// SPDX-License-Identifier: 0BSD
// verify/stream_service.h - the same queries over stream sockets, for servers that use these.
//
//   policy      Postfix's policy delegation: DUNNO, 550 ..., DEFER_IF_PERMIT ...
//   socketmap   Sendmail's and Postfix's: OK address, NOTFOUND, TEMP reason
//   tcp_table   Postfix's: 200 address, 500, 400
//
// One request of each client is decided at a time; what it has sent after that waits, so answers
// have the order of their requests.  A client that violates the protocol is dropped, with a line in
// the log; a parked query of a client that has gone is not answered.
//
// Threads: none.  Blocking: never, but for reading changed control files.  Bounded: clients, and
// the bytes of each (StreamServerLimits).
// Manual: qmail-verify(8), qmail-verify-protocol(7).  Tests: tests/verify/stream_service_test.cc,
// tests/e2e/streams.py
#ifndef QV_VERIFY_STREAM_SERVICE_H_
#define QV_VERIFY_STREAM_SERVICE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/fd.h"
#include "event/loop.h"
#include "event/stream_server.h"
#include "process/log.h"
#include "verify/verifier.h"

namespace qv::verify {

enum class StreamProtocol : std::uint8_t { policy, socketmap, tcp_table };

// Cuts "policy:", "socketmap:" or "tcp_table:" off a word of LISTEN; the address of the stream is
// left.  nullopt, with `word` unchanged: it is for datagrams.
[[nodiscard]] std::optional<StreamProtocol> parse_stream_protocol(std::string_view& word);

// Appends the answer to a client of this protocol; `key` is what it asked for.
void append_answer(std::string& out, StreamProtocol protocol, std::string_view key,
                   const rcpt::Decision& decision);

class StreamService {
 public:
  static constexpr std::size_t kMaxClients = 20000;

  // REQUIRES: all three outlive this object.
  StreamService(event::Loop& loop, Verifier& verifier, process::LogWriter& log);

  // Accepts clients from a listening socket from now on.
  void serve(Fd listener, StreamProtocol protocol);

  // Connected now; accepted since the start.
  [[nodiscard]] std::size_t clients() const { return server_.clients(); }
  [[nodiscard]] std::uint64_t accepted() const { return server_.counters().accepted; }

 private:
  class Session;

  event::Loop& loop_;
  Verifier& verifier_;
  process::LogWriter& log_;
  event::StreamServer server_;
};

}  // namespace qv::verify

#endif  // QV_VERIFY_STREAM_SERVICE_H_
