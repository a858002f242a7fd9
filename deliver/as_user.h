// SPDX-License-Identifier: 0BSD
// deliver/as_user.h - becoming the recipient, for good.
//
// The only file of this room that calls the setuid family (tests/gates/privileges).  Called in a
// child that was forked for it; the parent keeps its rights and never touches a mailbox.
//
// Threads: none.  Tests: tests/deliver/as_user_test.cc
#ifndef QV_DELIVER_AS_USER_H_
#define QV_DELIVER_AS_USER_H_

#include <sys/types.h>

#include "core/result.h"

namespace qv {

// As root: gives up all groups, becomes gid and uid (real, effective and saved) and makes sure that
// root cannot be had back.  Not as root: nothing to give up; config where this process is not
// that uid and gid already, because it cannot become them.
// In both cases: umask 077, no new privileges, no core files.
// config for uid 0 and gid 0, always.  After any error the process must end.
[[nodiscard]] Result<void> become_user(uid_t uid, gid_t gid);

}  // namespace qv

#endif  // QV_DELIVER_AS_USER_H_
