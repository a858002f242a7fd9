// SPDX-License-Identifier: 0BSD
// deliver/writers.h - the processes that write mailboxes, each irrevocably one recipient's.
//
// A writer is a process that has become one uid and gid (deliver/writing.h) and does the jobs it is
// sent over a socket pair, one at a time.  The message is a passed descriptor, or, for one
// maildir, comes with the job: all at once where it is small, else in pieces, which the writer puts
// straight into the file that the message ends in.  A writer whose sender goes away in between
// leaves nothing of it.  A writer
// that has no work is kept for the next job of the same uid and gid: the many mailboxes of one
// account share their writers, which could read each other's files anyway.  A writer that dies is
// noticed; its job is to be tried again.
//
// Threads: none.  Blocking: finish() waits for the writer unless it is readable; nothing else does.
// Sets SIGCHLD to be ignored, so that children are not waited for.
// Tests: tests/deliver/writers_test.cc
#ifndef QV_DELIVER_WRITERS_H_
#define QV_DELIVER_WRITERS_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/fd.h"
#include "core/result.h"
#include "deliver/job.h"
#include "deliver/packets.h"
#include "deliver/settings.h"

namespace qv {

// Starts a writer for the uid and gid of a job; its socket.
using Hire = std::function<Result<Fd>(const Job& job)>;

class Writers {
 public:
  // REQUIRES: `settings` outlives this object.
  Writers(const DeliverSettings& settings, std::string host);  // forks them itself
  Writers(const DeliverSettings& settings, Hire hire);

  // Is there a writer for one more job, or may one be made?
  [[nodiscard]] bool has_room() const { return busy_ < settings_.writer_limit; }

  // Sends a job to a writer.  The descriptor to poll for its end, then to call finish() with.
  // Error retry: no writer could be made.  REQUIRES: has_room().
  [[nodiscard]] Result<int> start(const Job& job, int message);

  // The same with no message yet: is there room for it (find_room())?
  [[nodiscard]] Result<int> ask_room(const Job& job);

  // The same with the body itself, for a maildir.  REQUIRES: body.size() <= kMaxPiece.
  [[nodiscard]] Result<int> start(const Job& job, std::string_view body);

  // The same for a body of which this is the beginning.  More of it goes to send(), the last piece
  // to send_last(), and then the descriptor is polled as after start(); or drop() ends it.
  [[nodiscard]] Result<int> begin(const Job& job, std::string_view body);

  enum class Sent : std::uint8_t {
    yes,
    later,  // nothing of it was sent: poll the descriptor until it is writable
    dead,   // the writer is gone, and the descriptor with it
  };
  // REQUIRES: begin() gave `fd`; piece.size() <= kMaxPiece.
  [[nodiscard]] Sent send(int fd, std::string_view piece);
  [[nodiscard]] Sent send_last(int fd, std::string_view piece);

  // Nothing of what begin() gave `fd` for will be visible; the descriptor is closed.
  void drop(int fd);

  // How the job ended.  REQUIRES: `fd` is one that start() or begin() gave, with a whole message,
  // and that was not finished yet.
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
  [[nodiscard]] Result<int> start_with(const Job& job, std::string_view packet, int message);
  [[nodiscard]] Sent send_packet_to(int fd, char kind, std::string_view piece);
  [[nodiscard]] Writer* find_idle(uid_t uid, gid_t gid);
  void forget(int fd);
  void make_room();

  const DeliverSettings& settings_;
  Hire hire_;
  std::vector<Writer> writers_;
  std::size_t busy_ = 0;
};

}  // namespace qv

#endif  // QV_DELIVER_WRITERS_H_
