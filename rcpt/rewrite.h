// SPDX-License-Identifier: 0BSD
// rcpt/rewrite.h - from an address to the local part that is looked up, as qmail-send does it.
//
// envnoathost and percenthack, then locals and virtualdomains (protocol, section 2, steps 1 to 4).
// Pure; no allocation without a Trail.  Tests: tests/rcpt/decide_test.cc
#ifndef QV_RCPT_REWRITE_H_
#define QV_RCPT_REWRITE_H_

#include <cstddef>
#include <string_view>

#include "rcpt/config.h"
#include "rcpt/fixed_text.h"
#include "rcpt/steps.h"
#include "rcpt/trail.h"
#include "rcpt/users_cdb.h"

namespace qv {

inline constexpr std::size_t kMaxAddress = 900;  // bytes; a longer one is not valid

struct Rewritten {
  FixedText<kMaxAddress + 1 + 255> address;  // with the domain it is judged by
  std::size_t at = 0;                        // place of the last '@' in it
  FixedText<kMaxLocal> prefixed;             // of a virtual domain: prefix, '-', local part
  bool is_virtual = false;

  [[nodiscard]] std::string_view user_part() const { return address.view().substr(0, at); }
  [[nodiscard]] std::string_view domain() const { return address.view().substr(at + 1); }
  // What users/cdb and passwd are asked about.
  [[nodiscard]] std::string_view local() const {
    return is_virtual ? prefixed.view() : user_part();
  }
};

// The address with the domain it is judged by.  go_on: `out` has that.  stop: the decision has
// fallen.
[[nodiscard]] Next qualify_address(std::string_view address, const QmailConfig& config,
                                   Rewritten& out, Decision& decision, Trail* trail);

// Whose domain it is.  REQUIRES: qualify_address() has said go_on.
// go_on: `out` is set, the domain is local or virtual.  stop: the decision has fallen.
[[nodiscard]] Next rewrite(const QmailConfig& config, Rewritten& out, Decision& decision,
                           Trail* trail);

}  // namespace qv

#endif  // QV_RCPT_REWRITE_H_
