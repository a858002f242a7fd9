// SPDX-License-Identifier: 0BSD
// rcpt/decide.h - does this recipient exist?
//
// qmail's own rules, in qmail's order: qmail-send's rewriting, qmail-lspawn's users/cdb,
// qmail-getpw's passwd search, qmail-local's .qmail search (protocol, section 2).  What qmail would
// deliver is valid, what it would bounce is not, and whatever cannot be looked at is undecided: no
// fault falls through to valid.  A relay domain that control/verifyprobe names is decided by its
// next hop.
//
// A pure function of its arguments: no I/O of its own, and no allocation without an Explanation.
// While a look-up is pending, so is the decision; it is then run again from the beginning.
//
// Threads: none.  Manual: qmail-verify(8).  Tests: tests/rcpt/decide_test.cc, next_hop_test.cc,
// fuzz_address.cc
#ifndef QV_RCPT_DECIDE_H_
#define QV_RCPT_DECIDE_H_

#include <string>
#include <string_view>
#include <vector>

#include "rcpt/config.h"
#include "rcpt/decision.h"
#include "rcpt/lookups.h"
#include "rcpt/users_cdb.h"

namespace qv::rcpt {

// How much of .qmail files counts.
struct DotqmailPolicy {
  bool read = false;                   // false: a file decides by being there
  bool discard_accepts = false;        // `vdelivermail '' delete` accepts mail for nobody
  bool users_have_extensions = false;  // vpopmail built so: user-anything is user's
};

struct DecisionInputs {
  const QmailConfig& config;
  const UsersCdb& users;
  Lookups& lookups;
  // Decides where the alias user's .qmail-default takes the address; null: that file alone decides.
  const FastforwardCdb* fastforward = nullptr;
  DotqmailPolicy policy{};
};

// Why a decision fell as it did, for `qmail-verify --explain`: sentences of printable ASCII.  Each
// begins with where the step was decided, and a colon: "control/locals:3: ...", "passwd: ...".
using Explanation = std::vector<std::string>;

// `address` ends at its first NUL, if it has one.  `explanation`, unless null, is set to the steps
// of this run.
[[nodiscard]] Decision decide(std::string_view address, const DecisionInputs& inputs,
                              Explanation* explanation = nullptr);

}  // namespace qv::rcpt

#endif  // QV_RCPT_DECIDE_H_
