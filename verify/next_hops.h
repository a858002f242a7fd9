// SPDX-License-Identifier: 0BSD
// verify/next_hops.h - what the next hops of relay domains say, by way of qmail-probe.
//
// An address is asked about at most twice: first for what qmail-probe knows, which it says at once;
// where that is nothing yet, once more for what it finds out within PROBE_WAIT.  The second kind
// has connections of its own, so that a silent next hop does not hold up answers that are known.
//
// A yes or no is remembered as long as a look into a home is.  Anything else goes to the queries
// that wait for it and is not remembered, so that what qmail-probe finds out is heard soon.
//
// Threads: none.  Blocking: never.  Bounded: answers, connections, questions, time.
// Tests: tests/verify/next_hops_test.cc, tests/e2e/verifyprobe.py
#ifndef QV_VERIFY_NEXT_HOPS_H_
#define QV_VERIFY_NEXT_HOPS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"
#include "event/listen.h"
#include "event/loop.h"
#include "event/request_client.h"
#include "rcpt/lookups.h"
#include "verify/cached_lookup.h"

namespace qv {

struct NextHopSettings {
  StreamAddress address;     // of qmail-probe
  std::int64_t wait_us = 0;  // for an answer that is not known yet
};

class NextHops {
 public:
  static constexpr std::size_t kMaxAnswers = 4096;
  static constexpr std::size_t kMaxReply = 8192;   // bytes
  static constexpr std::size_t kMaxAsking = 16;    // connections for what is known
  static constexpr std::size_t kMaxWaiting = 64;   // connections for what is not
  static constexpr std::size_t kMaxQueued = 1000;  // of either kind
  // On top of PROBE_WAIT, for a qmail-probe that is late.
  static constexpr std::int64_t kGraceUs = 500000;

  // REQUIRES: `lookups` and `loop` outlive this object.
  NextHops(PendingLookups& lookups, Loop& loop, NextHopSettings settings)
      : lookups_(lookups),
        loop_(loop),
        settings_(std::move(settings)),
        answers_(lookups, kMaxAnswers) {}

  // As in class Lookups.
  [[nodiscard]] Result<Look> ask_next_hop(std::string_view address, NextHopAnswer& answer);

  // Forgets everything that nobody waits for.
  void forget() { answers_.forget(); }

 private:
  struct Answer {
    Why why = Why::probe_error;
    std::string text;
  };
  using Entry = CachedLookup<Answer>::Entry;

  // `twice`: what qmail-probe did not know at first, to be waited for until `end_us`.
  void ask(std::string address, Entry& entry, std::int64_t end_us, bool twice);
  void settle(Entry& entry, const NextHopAnswer& said);
  [[nodiscard]] RequestClient& client(std::optional<RequestClient>& which, std::size_t connections);

  PendingLookups& lookups_;
  Loop& loop_;
  const NextHopSettings settings_;
  CachedLookup<Answer> answers_;
  // Made when they are wanted: most sites have no use for them.
  std::optional<RequestClient> quick_;
  std::optional<RequestClient> patient_;
};

}  // namespace qv

#endif  // QV_VERIFY_NEXT_HOPS_H_
