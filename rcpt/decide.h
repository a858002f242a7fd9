// SPDX-License-Identifier: 0BSD
// rcpt/decide.h - does this recipient exist?
//
// qmail's own rules, in qmail's order: qmail-send's rewriting, qmail-lspawn's users/cdb,
// qmail-getpw's passwd search, qmail-local's .qmail search (protocol, section 2).  What qmail would
// deliver is valid, what it would bounce is not, and whatever cannot be looked at is "cannot tell
// now": no fault falls through to valid.
//
// A pure function of its arguments: no I/O of its own, and no allocation without a Trail.  While a
// look-up says pending, so does the decision; it is then asked again from the beginning.
//
// Threads: none.  Manual: qmail-verify(8).  Tests: tests/rcpt/decide_test.cc, fuzz_address.cc
#ifndef QV_RCPT_DECIDE_H_
#define QV_RCPT_DECIDE_H_

#include <string_view>

#include "rcpt/config.h"
#include "rcpt/contents.h"
#include "rcpt/decision.h"
#include "rcpt/fastforward.h"
#include "rcpt/lookups.h"
#include "rcpt/trail.h"
#include "rcpt/users_cdb.h"

namespace qv {

// What a decision goes by.
struct Grounds {
  const QmailConfig& config;
  const UsersCdb& users;
  Lookups& lookups;
  // Asked where the alias user's .qmail-default is what takes the address; null: that file alone
  // decides.
  const FastforwardCdb* fastforward = nullptr;
  DotqmailPolicy policy{};
};

// `address` ends at its first NUL, if it has one.  `trail`, where not null, is told each step.
[[nodiscard]] Decision decide(std::string_view address, const Grounds& grounds,
                              Trail* trail = nullptr);

}  // namespace qv

#endif  // QV_RCPT_DECIDE_H_
