// SPDX-License-Identifier: 0BSD
// verify/service.h - queries in, answers out.
//
// Each datagram is parsed, decided and answered where it stands, a batch per system call.  A
// decision that has to wait for a helper is parked - a bounded number of them, none for longer than
// kMaxParkedUs - and decided again when the helper has answered; nobody waits for it meanwhile.
// Every query is answered exactly once, but for a legacy one that cannot be told and LEGACYTEMP
// silent.
//
// Threads: none.  Blocking: never, but for reading changed control files.
// Manual: qmail-verify(8), qmail-verify-protocol(7).  Tests: tests/verify/service_test.cc,
// tests/e2e
#ifndef QV_VERIFY_SERVICE_H_
#define QV_VERIFY_SERVICE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "core/fd.h"
#include "daemon/log.h"
#include "event/loop.h"
#include "verify/cached_lookups.h"
#include "verify/datagram_socket.h"
#include "verify/judge.h"
#include "verify/options.h"

namespace qv {

class VerifyService {
 public:
  static constexpr std::size_t kMaxParked = 2048;
  // Less than the 5 s a client waits by default.
  static constexpr std::int64_t kMaxParkedUs = 4000000;

  // REQUIRES: all four outlive this object.
  VerifyService(Loop& loop, const Options& options, helper::Pool& pool, LogWriter& log);
  ~VerifyService();
  VerifyService(const VerifyService&) = delete;
  VerifyService& operator=(const VerifyService&) = delete;

  // Answers on a bound datagram socket from now on.
  [[nodiscard]] Result<void> serve(Fd bound);

  // Reads everything again and forgets what was remembered (SIGHUP).
  void reload();

 private:
  struct Port;
  struct Parked;

  void on_readable(Port& port);
  void answer_batch(Port& port, int count);
  void answer_one(Port& port, int i, std::int64_t now);
  void finish(Port& port, const Peer& peer, const datagram::Query& query, const Decision& decision,
              std::int64_t asked_at_us);
  void park(Port& port, int i, const datagram::Query& query, std::int64_t now);
  void decide_again(std::uint32_t number);
  void give_up_overdue();
  void flush_soon();
  void refresh(std::int64_t now);

  Loop& loop_;
  const Options& options_;
  LogWriter& log_;
  CachedLookups lookups_;
  Judge judge_;
  std::vector<std::unique_ptr<Port>> ports_;
  std::vector<std::unique_ptr<Parked>> parked_;
  std::vector<std::uint32_t> free_;
  Loop::Owned flush_;
  Loop::Owned sweep_;
};

}  // namespace qv

#endif  // QV_VERIFY_SERVICE_H_
