// SPDX-License-Identifier: 0BSD
// rcpt/next_hop.h - of a relay domain that control/verifyprobe names, the server behind us knows.
//
// A line is for a domain, or with a dot in front for all domains below it.  A domain that no line
// names stays relayed without a question; where there is no file that costs one comparison.
//
// Pure; no allocation without a Trail.  Manual: qmail-verify(8), verifyprobe(5).
// Tests: tests/rcpt/next_hop_test.cc
#ifndef QV_RCPT_NEXT_HOP_H_
#define QV_RCPT_NEXT_HOP_H_

#include "rcpt/config.h"
#include "rcpt/decision.h"
#include "rcpt/lookups.h"
#include "rcpt/rewrite.h"
#include "rcpt/trail.h"

namespace qv {

// Decides anew what was decided to be Why::relay: stays so, is what the next hop says, or is
// pending.  The next hop is asked about the address as rewritten, its domain in lower case.
void judge_relayed(const Rewritten& rewritten, const ControlTable& verifyprobe, Lookups& lookups,
                   Decision& decision, Trail* trail);

}  // namespace qv

#endif  // QV_RCPT_NEXT_HOP_H_
