// SPDX-License-Identifier: 0BSD
// rcpt/decide.h - does this recipient exist?
//
// qmail's own rules, in qmail's order: qmail-send's rewriting, qmail-lspawn's users/cdb,
// qmail-getpw's passwd search, qmail-local's .qmail search (protocol, section 2).  What qmail would
// deliver is valid, what it would bounce is not, and whatever cannot be looked at is undecided: no
// fault falls through to valid.
//
// A relay domain that control/verifyprobe names is decided by its next hop.
//
// A pure function of its arguments: no I/O of its own, and no allocation without an Explanation.
// While a look-up says pending, so does the decision; it is then run again from the beginning.
//
// Threads: none.  Manual: qmail-verify(8).  Tests: tests/rcpt/decide_test.cc, next_hop_test.cc,
// fuzz_address.cc
#ifndef QV_RCPT_DECIDE_H_
#define QV_RCPT_DECIDE_H_

#include <string_view>

#include "rcpt/config.h"
#include "rcpt/decision.h"
#include "rcpt/fastforward.h"
#include "rcpt/lookups.h"
#include "rcpt/users_cdb.h"

namespace qv {

// How much of .qmail files counts.
struct DotqmailPolicy {
  bool read = false;                   // false: that there is a file says enough
  bool discard_accepts = false;        // `vdelivermail '' delete` takes mail for nobody
  bool users_have_extensions = false;  // vpopmail built so: user-anything is user's
};

struct DecisionInputs {
  const QmailConfig& config;
  const UsersCdb& users;
  Lookups& lookups;
  // Asked where the alias user's .qmail-default is what takes the address; null: that file alone
  // decides.
  const FastforwardCdb* fastforward = nullptr;
  DotqmailPolicy policy{};
};

// Why a decision fell as it did, step by step, for `qmail-verify --explain`.  While serving there
// is none: a null pointer is handed on, and nothing is built.
class Explanation {
 public:
  virtual ~Explanation() = default;
  Explanation() = default;
  Explanation(const Explanation&) = delete;
  Explanation& operator=(const Explanation&) = delete;

  // A run begins.  One that has to wait is run again from its beginning: only the last run counts.
  virtual void begin() {}

  // One sentence of printable ASCII.  It begins with where the step was decided, and a colon:
  // "control/locals:3: ...", "users/cdb: ...", "passwd: ...".
  virtual void step(std::string_view sentence) = 0;
};

// `address` ends at its first NUL, if it has one.  `explanation`, where not null, gets each step.
[[nodiscard]] Decision decide(std::string_view address, const DecisionInputs& inputs,
                              Explanation* explanation = nullptr);

}  // namespace qv

#endif  // QV_RCPT_DECIDE_H_
