// SPDX-License-Identifier: 0BSD
// verify/counters.h - what qmail-verify counts since its start, named once.
//
// Each question is counted once where it comes in (legacy, extended or stream), and once where it
// is answered (valid, not_valid or undecided); between the two it may be parked.
#ifndef QV_VERIFY_COUNTERS_H_
#define QV_VERIFY_COUNTERS_H_

#include <cstdint>

#include "process/counters.h"

namespace qv {

struct VerifyCounters {
  std::uint64_t legacy = 0;
  std::uint64_t extended = 0;
  std::uint64_t stream = 0;
  std::uint64_t too_long = 0;
  std::uint64_t other = 0;
  std::uint64_t malformed = 0;
  std::uint64_t valid = 0;
  std::uint64_t not_valid = 0;
  std::uint64_t undecided = 0;
  std::uint64_t silent = 0;
  std::uint64_t waited = 0;
  std::uint64_t no_room = 0;
  std::uint64_t overdue = 0;
};

// All of them, in a fixed order.
inline constexpr CounterName<VerifyCounters> kVerifyCounterNames[] = {
    {"legacy", &VerifyCounters::legacy, "datagrams of the legacy form"},
    {"extended", &VerifyCounters::extended, "datagrams of the extended form"},
    {"stream", &VerifyCounters::stream, "questions over stream sockets"},
    {"too_long", &VerifyCounters::too_long, "of the datagrams: too long, not valid"},
    {"other", &VerifyCounters::other, "stream requests that are not about a recipient"},
    {"malformed", &VerifyCounters::malformed, "stream clients dropped: not their protocol"},
    {"valid", &VerifyCounters::valid, "questions answered: valid"},
    {"not_valid", &VerifyCounters::not_valid, "questions answered: not valid"},
    {"undecided", &VerifyCounters::undecided, "questions answered: undecided"},
    {"silent", &VerifyCounters::silent, "of these: legacy, and no reply was sent"},
    {"waited", &VerifyCounters::waited, "questions that had to wait for a look-up"},
    {"no_room", &VerifyCounters::no_room, "undecided because too many were waiting"},
    {"overdue", &VerifyCounters::overdue, "undecided because their look-up took too long"},
};

}  // namespace qv

#endif  // QV_VERIFY_COUNTERS_H_
