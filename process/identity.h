// SPDX-License-Identifier: 0BSD
// process/identity.h - changing to another account, irrevocably.
//
// The only file that calls the setuid family (tests/gates/privileges).
//
// Threads: none.  Tests: tests/process/identity_test.cc (as root)
#ifndef QV_PROCESS_IDENTITY_H_
#define QV_PROCESS_IDENTITY_H_

#include <sys/types.h>

#include "core/result.h"

namespace qv::process {

struct Identity {
  uid_t uid = 0;
  gid_t gid = 0;
};

// Gives up root's rights: no group but `gid`, all three uids and gids, and proof that none of them
// can be regained.  Without root's rights it succeeds only where this process is `who` already, in
// all ids.  Fault::config: uid 0 or gid 0, no rights to change, or a failed proof; other errors are
// those of the calls.  Exit after an error rather than continue with mixed credentials.
[[nodiscard]] Result<void> become_for_good(const Identity& who);

// Gives up the supplementary groups of a process that keeps root's rights; does nothing in others.
[[nodiscard]] Result<void> drop_groups();

}  // namespace qv::process

#endif  // QV_PROCESS_IDENTITY_H_
