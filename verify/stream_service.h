// SPDX-License-Identifier: 0BSD
// verify/stream_service.h - the same questions over stream sockets, for servers that ask so.
//
//   policy      Postfix's policy delegation: DUNNO, 550 ..., DEFER_IF_PERMIT ...
//   socketmap   Sendmail's and Postfix's: OK address, NOTFOUND, TEMP reason
//   tcp_table   Postfix's: 200 address, 500, 400
//
// Of one client one question is under way at a time; what it has sent behind it waits, so answers
// keep the order of their questions.  A client that talks nonsense is dropped, with a line in the
// log; one that goes while its question is parked is forgotten.
//
// Threads: none.  Blocking: never, but for reading changed control files.  Bounded: clients and
// what they send (StreamServerLimits).
// Manual: qmail-verify(8), qmail-verify-protocol(7).  Tests: tests/verify/stream_service_test.cc,
// tests/e2e/streams.py
#ifndef QV_VERIFY_STREAM_SERVICE_H_
#define QV_VERIFY_STREAM_SERVICE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "core/fd.h"
#include "event/listen.h"
#include "event/loop.h"
#include "event/stream_server.h"
#include "process/log.h"
#include "verify/verifier.h"

namespace qv {

enum class StreamProtocol : std::uint8_t { policy, socketmap, tcp_table };

struct StreamEntry {
  StreamProtocol protocol = StreamProtocol::policy;
  StreamAddress address;
};

// Is this word of LISTEN one for a stream, `policy:...`, `socketmap:...` or `tcp_table:...`?
enum class ListenKind : std::uint8_t { datagram, stream };
[[nodiscard]] ListenKind listen_kind(std::string_view word);
// REQUIRES: listen_kind() is stream.  Fault::config: what stands behind is no stream address.
[[nodiscard]] Result<StreamEntry> parse_stream_entry(std::string_view word);

// Appends what a client of this protocol is told; `key` is what it asked for.
void append_answer(std::string& out, StreamProtocol protocol, std::string_view key,
                   const Decision& decision);

class StreamService {
 public:
  static constexpr std::size_t kMaxClients = 20000;

  // REQUIRES: all three outlive this object.
  StreamService(Loop& loop, Verifier& verifier, LogWriter& log);

  // Takes clients from a listening socket from now on.
  void serve(Fd listener, StreamProtocol protocol);

  // Those that are connected now, and those since the start.
  [[nodiscard]] std::size_t clients() const { return server_.clients(); }
  [[nodiscard]] std::uint64_t accepted() const { return server_.counters().accepted; }

 private:
  class Session;

  Loop& loop_;
  Verifier& verifier_;
  LogWriter& log_;
  StreamServer server_;
};

}  // namespace qv

#endif  // QV_VERIFY_STREAM_SERVICE_H_
