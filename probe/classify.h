// SPDX-License-Identifier: 0BSD
// probe/classify.h - what a reply to RCPT says about the recipient.
//
//   reply                                                            | status
//   -----------------------------------------------------------------+--------
//   250, 251, 252                                                    | ok
//   5xx with 5.1.1, 5.1.3, 5.1.6, 5.1.10 or 5.2.1                    | bounce
//   550, 551, 553 without enhanced code, or with 5.0.0 or 5.1.0,     | bounce
//     which say no more than the code does                           |
//   other 5xx: policy (5.7.x), full mailbox (5.2.2), syntax, ...     | defer
//   5xx with an enhanced code of another class: it contradicts itself| defer
//   4xx, 3xx, other 2xx                                              | defer
//
// Only what says that the address does not exist may become a permanent refusal.
// Pure.  Tests: tests/probe/classify_test.cc
#ifndef QV_PROBE_CLASSIFY_H_
#define QV_PROBE_CLASSIFY_H_

#include "cache/record.h"
#include "wire/smtp_reply.h"

namespace qv {

// ok, bounce or defer, as the table says.
[[nodiscard]] RecipientStatus classify_rcpt(const SmtpReply& reply);

}  // namespace qv

#endif  // QV_PROBE_CLASSIFY_H_
