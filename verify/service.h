// SPDX-License-Identifier: 0BSD
// verify/service.h - datagrams in, datagrams out.
//
// Each datagram is parsed, decided and answered where it stands, a batch per system call; one whose
// decision has to wait is parked with the verifier.  Every query is answered exactly once, except
// an undecided legacy one under LEGACYTEMP silent.
//
// Threads: none.  Blocking: never, but for reading changed control files.
// Manual: qmail-verify(8), qmail-verify-protocol(7).  Tests: tests/e2e/wire.py,
// tests/e2e/daemon.py
#ifndef QV_VERIFY_SERVICE_H_
#define QV_VERIFY_SERVICE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "core/fd.h"
#include "event/loop.h"
#include "process/log.h"
#include "verify/datagram_socket.h"
#include "verify/options.h"
#include "verify/verifier.h"

namespace qv {

class VerifyService {
 public:
  // REQUIRES: all outlive this object.  Do not run the loop after its destruction while queries are
  // parked.
  VerifyService(Loop& loop, const Options& options, Verifier& verifier, LogWriter& log);
  ~VerifyService();
  VerifyService(const VerifyService&) = delete;
  VerifyService& operator=(const VerifyService&) = delete;

  // Answers on a bound datagram socket from now on.
  [[nodiscard]] Result<void> serve(Fd bound);

  // Replies that could not be sent since the start.
  [[nodiscard]] std::uint64_t unsent() const;

 private:
  struct Port;
  struct Incoming;

  void watch(Port& port);
  void on_readable(Port& port);
  void answer_batch(Port& port, int count);
  void answer_one(Port& port, const Incoming& incoming, std::int64_t now);
  void finish(Port& port, const Peer& peer, const datagram::Query& query, const Decision& decision,
              std::int64_t asked_at_us);
  void flush_soon();

  Loop& loop_;
  const Options& options_;
  Verifier& verifier_;
  LogWriter& log_;
  std::vector<std::unique_ptr<Port>> ports_;
  Loop::Owned flush_;
};

}  // namespace qv

#endif  // QV_VERIFY_SERVICE_H_
