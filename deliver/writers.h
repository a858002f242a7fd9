// SPDX-License-Identifier: 0BSD
// deliver/writers.h - the processes that write mailboxes, each irrevocably one recipient's.
//
// A writer is a forked child that has become one uid and gid (deliver/as_user.h) and does the jobs
// it is sent over a socket pair, one at a time, with the message as a passed descriptor.  A writer
// that has no work is kept for the next job of the same uid and gid: the many mailboxes of one
// account share their writers, which could read each other's files anyway.  A writer that dies is
// noticed; its job is to be tried again.
//
// Threads: none.  Blocking: start() does not; finish() waits for the writer unless it is readable.
// Sets SIGCHLD to be ignored, so that children are not waited for.
// Tests: tests/deliver/writers_test.cc
#ifndef QV_DELIVER_WRITERS_H_
#define QV_DELIVER_WRITERS_H_

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "core/fd.h"
#include "core/result.h"
#include "deliver/job.h"
#include "deliver/settings.h"

namespace qv {

class Writers {
 public:
  // REQUIRES: `settings` outlives this object.
  Writers(const DeliverSettings& settings, std::string host);

  // Is there a writer for one more job, or may one be made?
  [[nodiscard]] bool has_room() const { return busy_ < settings_.writer_limit; }

  // Sends a job to a writer.  The descriptor to poll for its end, then to call finish() with.
  // Error retry: no writer could be made.  REQUIRES: has_room().
  [[nodiscard]] Result<int> start(const Job& job, int message);

  // How the job ended.  REQUIRES: `fd` is one that start() gave and that was not finished yet.
  [[nodiscard]] Outcome finish(int fd);

  // Ends the writers that have no work.
  void dismiss_idle();

 private:
  struct Writer {
    Fd socket;
    uid_t uid = 0;
    gid_t gid = 0;
    bool is_busy = false;
  };
  [[nodiscard]] Writer* find_idle(uid_t uid, gid_t gid);
  [[nodiscard]] Result<Writer> hire(uid_t uid, gid_t gid);
  void forget(int fd);
  void make_room();

  const DeliverSettings& settings_;
  std::string host_;
  std::vector<Writer> writers_;
  std::size_t busy_ = 0;
};

}  // namespace qv

#endif  // QV_DELIVER_WRITERS_H_
