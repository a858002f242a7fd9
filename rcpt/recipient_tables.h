// SPDX-License-Identifier: 0BSD
// rcpt/recipient_tables.h - the recipients of some domains stand in a table, which then decides.
//
// control/verifymaps says which (rcpt/verifymaps.h).  Its most specific entry counts: the domain,
// its suffixes that begin with a dot, the longest first, the empty key.  A domain that is named is
// decided by its table even if it is neither local nor virtual; the empty key is for those that
// are.
//
// A recipient that is there is valid, unless the value refuses it as a line of access(5) does.  One
// that is not there is not.  What cannot be looked up cannot be told.
// Tests: tests/rcpt/recipient_tables_test.cc
#ifndef QV_RCPT_RECIPIENT_TABLES_H_
#define QV_RCPT_RECIPIENT_TABLES_H_

#include <string_view>

#include "rcpt/config.h"
#include "rcpt/lookups.h"
#include "rcpt/rewrite.h"
#include "rcpt/steps.h"
#include "rcpt/trail.h"

namespace qv {

// What a value means.
struct TableWord {
  Why why = Why::table;   // table, refused or deferred
  std::string_view text;  // for the sender, of the two latter, without codes; may be empty
};

// REJECT, 5NN or 5.N.N as the first word refuses; DEFER, DEFER_IF_PERMIT, 4NN or 4.N.N defers; an
// enhanced code behind them is no part of the text.  Case does not count.  All else, and nothing,
// means that the recipient exists.
[[nodiscard]] TableWord parse_table_word(std::string_view value);

// go_on: the domain is not named, or is left to qmail's own rules.
[[nodiscard]] Next ask_named_table(const Rewritten& rewritten, const QmailConfig& config,
                                   Lookups& lookups, Decision& decision, Trail* trail);

// The same by the empty key.  REQUIRES: the domain is local or virtual.
[[nodiscard]] Next ask_table_of_all(const Rewritten& rewritten, const QmailConfig& config,
                                    Lookups& lookups, Decision& decision, Trail* trail);

}  // namespace qv

#endif  // QV_RCPT_RECIPIENT_TABLES_H_
