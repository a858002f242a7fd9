// SPDX-License-Identifier: 0BSD
// rcpt/contents.h - does what a .qmail file says take the address?
//
// The lines are followed as qmail-local follows them.  A command whose end is known by a table or a
// text (rcpt/dotqmail_text.h) is judged; one that is not known may end in any way, so from there
// on the file is taken to take the address, as it is where no line bounces.
//
//   vdelivermail   user in vpasswd.cdb of the home (without BOUNCE_MAIL), else its last argument
//   vdeliver       user, or `+`, in passwd.cdb of the home
//   fastforward    `:user@host`, `:@host` or `:user@` in the table that the line names
//   bouncesaying   nobody
//
// Pure; no allocation without a Trail.  Manual: qmail-verify(8).
// Tests: tests/rcpt/contents_test.cc
#ifndef QV_RCPT_CONTENTS_H_
#define QV_RCPT_CONTENTS_H_

#include <cstdint>
#include <string_view>

#include "rcpt/dotqmail.h"
#include "rcpt/lookups.h"
#include "rcpt/steps.h"
#include "rcpt/trail.h"
#include "rcpt/users_cdb.h"

namespace qv {

// How much of .qmail files counts.
struct DotqmailPolicy {
  bool read = false;                   // false: that there is a file says enough
  bool discard_accepts = false;        // `vdelivermail '' delete` takes mail for nobody
  bool users_have_extensions = false;  // vpopmail built so: user-anything is user's
};

// Whose file took which address.
struct Delivery {
  const UserRecord& owner;
  const DotqmailFile& file;
  std::string_view local;  // with the prefix of a virtual domain
  std::string_view host;
};

// go_on: nothing in the file is against the address.  stop: the decision has fallen, or is pending.
// REQUIRES: policy.read.
[[nodiscard]] Next judge_contents(const Delivery& delivery, const DotqmailPolicy& policy,
                                  Lookups& lookups, Decision& decision, Trail* trail);

}  // namespace qv

#endif  // QV_RCPT_CONTENTS_H_
