// SPDX-License-Identifier: 0BSD
// deliver/writing.h - the process that writes mailboxes: one recipient's for good, one job at a
// time.
//
// It holds its socket and standard error, and nothing of whoever started it.  It believes of a job
// what the tables could have said: its own uid and gid, a path below virtual_mailbox_base.
//
// Threads: none.  Tests: tests/deliver/broker_test.cc
#ifndef QV_DELIVER_WRITING_H_
#define QV_DELIVER_WRITING_H_

#include <sys/types.h>

#include <string>

#include "core/fd.h"
#include "core/result.h"
#include "deliver/settings.h"

namespace qv {

struct Writer {
  Fd socket;
  pid_t pid = 0;
};

// Forks a process that becomes uid and gid (deliver/as_user.h) and takes jobs (deliver/packets.h)
// over the socket, until that is closed.  Where it cannot become them its first
// job says so.  SIGCHLD should be ignored: nobody waits for it.
[[nodiscard]] Result<Writer> fork_writer(const DeliverSettings& settings, const std::string& host,
                                         uid_t uid, gid_t gid);

}  // namespace qv

#endif  // QV_DELIVER_WRITING_H_
