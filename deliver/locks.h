// SPDX-License-Identifier: 0BSD
// deliver/locks.h - who may write to an mbox, and what a holder that died left behind.
//
// The dotlock, MAILBOX.lock, appears by link(2), complete: the holder's process id, and our mark.
// Its holder keeps flock(2) on it for as long as it lives, so that death is known at once and
// surely, without guessing from the age or from a process id that may have been given again.
// Before the holder writes to the mailbox it records there, on disk, how long the mailbox was and
// with which bytes the message begins; when the message is on disk it crosses that out, on disk,
// before anybody is told.  Whoever finds a dead holder's lock takes it over in place and cuts what
// was torn (torn_tail()).  Other programs' dotlocks have no such record: they are removed when
// older than stale_lock_time, as everywhere.  A file that is another user's is never one of ours,
// whatever it says.
//
// Where no dotlock is wanted the same file is kept under a name that no other program looks at,
// MAILBOX.record, for the sake of what it records.
//
// Threads: none.  Blocking: none of these waits; whoever asks tries again.
// Manual: qmail-virtual(8), "MBOX".  Tests: tests/deliver/mbox_test.cc
#ifndef QV_DELIVER_LOCKS_H_
#define QV_DELIVER_LOCKS_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/fd.h"
#include "core/result.h"
#include "deliver/files.h"

namespace qv {

// Which locks to take: dotlock first, then flock, then fcntl.
struct LockStyle {
  bool fcntl = false;
  bool flock = false;
  bool dotlock = false;
};

// "fcntl, dotlock": words separated by blanks or commas.  False where a word is none of fcntl,
// flock and dotlock, or there is none.
[[nodiscard]] bool parse_lock_style(std::string_view text, LockStyle& style);

struct LockPolicy {
  LockStyle style;
  unsigned int attempts = 20;
  unsigned int delay = 1;    // seconds between attempts
  unsigned int stale = 500;  // seconds after which another program's dotlock is removed
};

// How long to wait for a lock: at once, then after pauses that double from 10 to 100 ms, until
// (attempts - 1) times delay have passed; never less often than the setting says.
class Attempts {
 public:
  Attempts(Files& files, const LockPolicy& policy);
  // True: try (again).  Pauses before all but the first.
  [[nodiscard]] bool next();

 private:
  Files& files_;
  std::uint64_t left_;  // milliseconds
  std::uint64_t longest_;
  std::uint64_t pause_ = 0;
};

enum class LockTaken : std::uint8_t { yes, busy };

// What was about to be written: the mailbox's length before, and the first bytes of what follows.
struct WriteRecord {
  std::uint64_t length = 0;
  std::uint64_t dev = 0;
  std::uint64_t inode = 0;
  std::string begins;  // at most kMaxBegins bytes
};
inline constexpr std::size_t kMaxBegins = 300;

// The whole of a lock file, 512 bytes: the process id of its holder, our mark, and `idle` or
// `write length dev inode size` with that many bytes behind it.
[[nodiscard]] std::string encode_lock(pid_t holder, const std::optional<WriteRecord>& record);
// Was this file made by encode_lock()?  What it records; nullopt for nothing, or for no such thing.
[[nodiscard]] bool is_our_lock(std::string_view text);
[[nodiscard]] std::optional<WriteRecord> parse_lock_record(std::string_view text);

class DotLock {
 public:
  // `path` is the lock file's.
  DotLock(Files& files, std::string path);
  DotLock(const DotLock&) = delete;
  DotLock& operator=(const DotLock&) = delete;
  // Gives the lock up, unless a record stands in it: then it stays for the next one to find.
  ~DotLock();

  // yes: it is ours.  busy: somebody lives who holds it.  Error: cannot be made.
  [[nodiscard]] Result<LockTaken> take(unsigned int stale_seconds);

  // What a dead holder was writing, where the lock was taken over from one.
  [[nodiscard]] const std::optional<WriteRecord>& torn() const { return torn_; }

  // Says that what torn() tells of has been cut.
  void tail_is_cut();

  // Records, on disk, what is about to be written.  REQUIRES: take() said yes; torn() is empty.
  [[nodiscard]] Result<void> record(const WriteRecord& record);

  // Crosses the record out, on disk: what was written stays.
  [[nodiscard]] Result<void> cross_out();

  // Lets the record stand, for the next holder to cut what this one could not.
  void leave_record() { keep_ = true; }

 private:
  [[nodiscard]] Result<LockTaken> create();
  [[nodiscard]] Result<LockTaken> examine(unsigned int stale_seconds);
  [[nodiscard]] Result<LockTaken> take_over(Fd file, const struct stat& st, std::string_view text);
  [[nodiscard]] Result<LockTaken> break_foreign(const struct stat& st);
  [[nodiscard]] Result<void> write_text(const std::optional<WriteRecord>& record);
  [[nodiscard]] std::string unique(std::string_view purpose);

  Files& files_;
  std::string path_;
  Fd file_;
  std::optional<WriteRecord> torn_;
  bool keep_ = false;
};

// Cuts what a dead holder tore: where the file is the one of the record, is longer than it was and
// goes on with what the record says (or with NULs, as some file systems leave), it is cut to its
// old length, on disk.  Anything else was not left by that holder and is not touched.
[[nodiscard]] Result<void> cut_torn_tail(Files& files, int fd, const WriteRecord& record);

}  // namespace qv

#endif  // QV_DELIVER_LOCKS_H_
