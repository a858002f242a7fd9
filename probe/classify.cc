// SPDX-License-Identifier: 0BSD
#include "probe/classify.h"

namespace qv {

namespace {

bool names_the_address(const EnhancedCode& code) {
  constexpr EnhancedCode kNames[] = {{5, 1, 1}, {5, 1, 3}, {5, 1, 6}, {5, 1, 10}, {5, 2, 1}};
  for (const EnhancedCode& known : kNames) {
    if (code == known) return true;
  }
  return false;
}

bool says_no_more(const EnhancedCode& code) {
  return code == EnhancedCode{5, 0, 0} || code == EnhancedCode{5, 1, 0};
}

}  // namespace

RecipientStatus classify_rcpt(const SmtpReply& reply) {
  if (reply.code >= 250 && reply.code <= 252) return RecipientStatus::ok;
  if (reply.of_class() != 5) return RecipientStatus::defer;
  if (reply.enhanced && names_the_address(*reply.enhanced)) return RecipientStatus::bounce;
  if (reply.enhanced && !says_no_more(*reply.enhanced)) return RecipientStatus::defer;
  const bool no_mailbox = reply.code == 550 || reply.code == 551 || reply.code == 553;
  return no_mailbox ? RecipientStatus::bounce : RecipientStatus::defer;
}

}  // namespace qv
