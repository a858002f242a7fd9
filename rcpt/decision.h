// SPDX-License-Identifier: 0BSD
// rcpt/decision.h - what was decided about an address, and why.
//
// The verdict follows from the why, in one place: no step of the decision can say "valid" but by
// naming a reason that means it.  Two reasons with different verdicts may have the same word.
//
// Manual: qmail-verify-protocol(7) lists the words.  Tests: tests/rcpt/decision_test.cc
#ifndef QV_RCPT_DECISION_H_
#define QV_RCPT_DECISION_H_

#include <cstdint>
#include <string_view>

#include "rcpt/fixed_text.h"

namespace qv {

enum class Verdict : std::uint8_t {
  accept,  // valid
  reject,  // not valid
  defer,   // cannot tell now
};

enum class Why : std::uint8_t {
  // valid
  local,             // a user's own mailbox
  alias,             // .qmail-NAME of the alias user, or an entry of its fastforward table
  dotqmail,          // .qmail-EXT of a user
  default_file,      // a .qmail-...default, of a user or of the alias user
  relay,             // neither local nor virtual: not ours to judge
  table,             // the table of control/verifymaps has it
  next_hop_accepts,  // the next hop of a relay domain takes it
  accept_all,        // the next hop takes every address of the domain
  backup_mx,         // we are the domain's backup, and its primary is down
  // not valid
  unknown_user,      // no user, no .qmail file, no alias
  syntax,            // no mail address
  too_long,          // over 900 bytes
  bounced,           // the .qmail file, or the user's record, says that this mail is bounced
  disabled,          // there is such a user, whose account has expired or is switched off
  refused,           // the table of control/verifymaps has it, with a value that refuses it
  next_hop_refuses,  // the next hop of a relay domain does not take it
  // cannot tell now
  control_error,         // a control file is missing or cannot be used
  table_error,           // users/cdb or another table is damaged, or a record of it
  deferred,              // the table of control/verifymaps has it, with a value that defers it
  passwd_error,          // the passwd look-up failed
  home_error,            // a home, or a .qmail file in it, cannot be looked at
  next_hop_defers,       // the next hop does not know now, or cannot be asked about this address
  accept_all_undecided,  // the next hop takes every address: that says nothing about this one
  probe_pending,         // the next hop is being asked
  unreachable,           // the next hop cannot be reached
  sender_refused,        // the next hop does not talk to qmail-probe
  probe_busy,            // a limit of qmail-probe is reached
  not_probed,            // qmail-probe does not ask about this domain
  probe_error,           // qmail-probe cannot be asked
  timeout,               // a look-up took too long
};

[[nodiscard]] Verdict verdict_of(Why why);

// The word of the `why=` field and the log: "unknown-user".
[[nodiscard]] std::string_view why_word(Why why);

// One line for --explain and the manual.
[[nodiscard]] std::string_view why_text(Why why);

// A sentence for the SMTP reply, without codes; empty for what is valid.  It does not say what was
// looked at: the remote side learns no more than the code tells it.
[[nodiscard]] std::string_view smtp_text(Why why);

inline constexpr std::size_t kMaxReplyText = 400;  // bytes of text fit for an SMTP reply
inline constexpr std::size_t kMaxShownUser = 32;   // bytes of controlling user in a reply

// A look-up that is under way; whoever answers look-ups (rcpt/lookups.h) defines it.
struct PendingLookup;

struct Decision {
  // A look-up is under way: decide again when its answer is there.  Of the rest only `waits_for`
  // means something then, where whoever answers look-ups sets it.
  bool pending = false;
  PendingLookup* waits_for = nullptr;
  Why why = Why::timeout;
  // The high nibble of the reply.  0 where the decision fell on the address or on a fault that no
  // position of the protocol names.
  std::uint8_t position = 0;
  // Login name of the user whose mailbox or .qmail files decide, cut at 32 bytes; may be empty.
  FixedText<kMaxShownUser> user;
  // What the .qmail file, table or next hop wants the sender to be told, printable ASCII; empty:
  // smtp_text(why).
  FixedText<kMaxReplyText> text;

  [[nodiscard]] Verdict verdict() const { return verdict_of(why); }
  // The sentence for the SMTP reply; empty for what is valid.
  [[nodiscard]] std::string_view reply_text() const {
    const bool has_own = verdict() == Verdict::reject || why == Why::deferred;
    return has_own && !text.empty() ? text.view() : smtp_text(why);
  }
};

}  // namespace qv

#endif  // QV_RCPT_DECISION_H_
