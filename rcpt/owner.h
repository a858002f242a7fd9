// SPDX-License-Identifier: 0BSD
// rcpt/owner.h - whose local part is it?  users/cdb, then passwd, then the alias user.
//
// As qmail-lspawn and qmail-getpw (protocol, section 2, steps 5 and 6).  Pure; no allocation
// without a Trail.  Tests: tests/rcpt/decide_test.cc
#ifndef QV_RCPT_OWNER_H_
#define QV_RCPT_OWNER_H_

#include <string_view>

#include "rcpt/lookups.h"
#include "rcpt/steps.h"
#include "rcpt/trail.h"
#include "rcpt/users_cdb.h"

namespace qv {

inline constexpr std::string_view kAliasUser = "alias";

// go_on: `owner` is whole, and neither uid nor gid is 0 if it is out of users/cdb.  Its `rest` is a
// view into `local`; what it appends to ext is not yet lower-cased.
// stop: the decision has fallen, or is pending.
[[nodiscard]] Next find_owner(std::string_view local, const UsersCdb& users, Lookups& lookups,
                              UserRecord& owner, Decision& decision, Trail* trail);

}  // namespace qv

#endif  // QV_RCPT_OWNER_H_
