// SPDX-License-Identifier: 0BSD
// verify/next_hops.h - what the next hops of relay domains say, by way of qmail-probe.
//
// Each address is asked about twice at most: first for what qmail-probe knows, which it says at
// once; where that is nothing yet, once more for what it finds out, until PROBE_WAIT is over.  The
// second kind has connections of its own, so that a next hop that says nothing does not hold up
// answers that are known.
//
// A "yes" or "no" is remembered as long as a look into a home is; everything else is told to those
// who wait for it and asked for again, so that what qmail-probe found out meanwhile is heard.
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
#include "event/asker.h"
#include "event/listen.h"
#include "event/loop.h"
#include "rcpt/lookups.h"
#include "verify/known.h"
#include "verify/recent.h"

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

  // REQUIRES: `askers` and `loop` outlive this object.
  NextHops(Askers& askers, Loop& loop, NextHopSettings settings)
      : askers_(askers), loop_(loop), settings_(std::move(settings)), answers_(kMaxAnswers) {}

  // As in class Lookups.
  [[nodiscard]] Result<Look> ask_next_hop(std::string_view address, NextHopAnswer& answer);

  // Forgets everything that nobody waits for.
  void forget() { answers_.clear(); }

 private:
  struct Answer : Known {
    Why why = Why::probe_error;
    std::string text;
    std::int64_t begun_us = 0;
  };

  void ask(std::string_view address, Answer& answer);
  void wait(const std::string& address, Answer& answer);
  void settle(Answer& answer, const NextHopAnswer& said);
  [[nodiscard]] Asker& asker(std::optional<Asker>& which, std::size_t connections);

  Askers& askers_;
  Loop& loop_;
  const NextHopSettings settings_;
  Recent<Answer> answers_;
  // Made when they are wanted: most sites have no use for them.
  std::optional<Asker> quick_;
  std::optional<Asker> patient_;
};

}  // namespace qv

#endif  // QV_VERIFY_NEXT_HOPS_H_
