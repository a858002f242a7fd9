// SPDX-License-Identifier: 0BSD
// verify/next_hops.h - what the next hops of relay domains say, by way of qmail-probe.
//
// qmail-probe is asked about an address at most twice: first for what it knows, which it answers at
// once; if that is nothing yet, once more for what it finds out within PROBE_WAIT.  The second kind
// of question has connections of its own, so that a silent next hop does not hold up known answers.
//
// A yes or no is remembered as long as the answers of agents.  A temporary result goes to the
// queries that wait for it and is never remembered, so that later ones get what qmail-probe finds
// out.
//
// Threads: none.  Blocking: never.  Bounded: answers, connections, questions, time.
// Tests: tests/verify/next_hops_test.cc, tests/e2e/verifyprobe.py
#ifndef QV_VERIFY_NEXT_HOPS_H_
#define QV_VERIFY_NEXT_HOPS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"
#include "event/listen.h"
#include "event/loop.h"
#include "event/request_client.h"
#include "rcpt/lookups.h"
#include "verify/cached_lookup.h"

namespace qv::verify {

struct NextHopSettings {
  event::StreamAddress address;  // of qmail-probe
  std::int64_t wait_us = 0;      // for an answer that is not known yet
};

class NextHops {
 public:
  static constexpr std::size_t kMaxAnswers = 4096;
  static constexpr std::size_t kMaxReply = 8192;   // bytes
  static constexpr std::size_t kMaxAsking = 16;    // connections for known answers
  static constexpr std::size_t kMaxWaiting = 64;   // connections for those not known yet
  static constexpr std::size_t kMaxQueued = 1000;  // of either kind
  // On top of PROBE_WAIT, for a qmail-probe that is late.
  static constexpr std::int64_t kGraceUs = 500000;

  // REQUIRES: `lookups` and `loop` outlive this object.
  NextHops(PendingLookups& lookups, event::Loop& loop, NextHopSettings settings)
      : lookups_(lookups),
        loop_(loop),
        wait_us_(settings.wait_us),
        answers_(lookups, kMaxAnswers),
        quick_(make_client(loop, settings.address, kMaxAsking)),
        patient_(make_client(loop, settings.address, kMaxWaiting)) {}

  // As in class Lookups.
  [[nodiscard]] Result<rcpt::Look> ask_next_hop(std::string_view address,
                                                rcpt::NextHopAnswer& answer);

  // Forgets everything that no query waits for.
  void forget() { answers_.forget(); }

 private:
  struct Answer {
    rcpt::Why why = rcpt::Why::probe_error;
    std::string text;
  };
  using Entry = CachedLookup<Answer>::Entry;

  // `twice`: qmail-probe did not know the answer at first, and may take until `end_us` now.
  void ask(std::string address, Entry& entry, std::int64_t end_us, bool twice);
  void settle(Entry& entry, const rcpt::NextHopAnswer& said);
  [[nodiscard]] static event::RequestClient make_client(event::Loop& loop,
                                                        const event::StreamAddress& address,
                                                        std::size_t connections);

  PendingLookups& lookups_;
  event::Loop& loop_;
  const std::int64_t wait_us_;
  CachedLookup<Answer> answers_;
  event::RequestClient quick_;
  event::RequestClient patient_;
};

}  // namespace qv::verify

#endif  // QV_VERIFY_NEXT_HOPS_H_
