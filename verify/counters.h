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

struct VerifyCounters : CounterList {
  Counter legacy{*this, "legacy", "datagrams of the legacy form"};
  Counter extended{*this, "extended", "datagrams of the extended form"};
  Counter stream{*this, "stream", "questions over stream sockets"};
  Counter too_long{*this, "too_long", "of the datagrams: too long, not valid"};
  Counter other{*this, "other", "stream requests that are not about a recipient"};
  Counter malformed{*this, "malformed", "stream clients dropped: not their protocol"};
  Counter valid{*this, "valid", "questions answered: valid"};
  Counter not_valid{*this, "not_valid", "questions answered: not valid"};
  Counter undecided{*this, "undecided", "questions answered: undecided"};
  Counter silent{*this, "silent", "of these: legacy, and no reply was sent"};
  Counter waited{*this, "waited", "questions that had to wait for a look-up"};
  Counter no_room{*this, "no_room", "undecided because too many were waiting"};
  Counter overdue{*this, "overdue", "undecided because their look-up took too long"};
};

}  // namespace qv

#endif  // QV_VERIFY_COUNTERS_H_
