// SPDX-License-Identifier: 0BSD
// deliver/locks.h - the dotlock of an mbox, which also records what its holder is writing.
//
// The dotlock, MAILBOX.lock, appears by link(2), complete: the holder's process id, and our mark.
// The holder keeps flock(2) on it for as long as it lives, so that others notice its death at once
// and for certain, without guessing from the lock's age or from a process id, which may have been
// reused.  Before the holder writes to the mailbox it records in the lock file, on disk, the length
// of the mailbox and the first bytes of the message.  When the message is on disk it erases that
// record, on disk, before it reports success.  A process that finds a dead holder's lock takes it
// over in place and cuts off what the holder left unfinished (cut_torn_tail()).  Other programs'
// dotlocks have no such record: they are removed when they are older than stale_lock_time, as
// everywhere.  A file of another user is never one of ours, whatever it contains.
//
// Without `dotlock` in virtual_mailbox_lock the same file, for its record alone, is MAILBOX.record,
// a name that no other program looks at.
//
// Threads: none.  Blocking: nothing here waits; callers try again.
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

namespace qv::deliver {

// Which locks to take: dotlock first, then flock, then fcntl.
struct LockStyle {
  bool fcntl = false;
  bool flock = false;
  bool dotlock = false;
};

// "fcntl, dotlock": words separated by white space or commas.  False where a word is none of fcntl,
// flock and dotlock, or where there is no word.
[[nodiscard]] bool parse_lock_style(std::string_view text, LockStyle& style);

struct LockPolicy {
  LockStyle style;
  unsigned int attempts = 20;
  unsigned int delay = 1;    // seconds between attempts
  unsigned int stale = 500;  // seconds after which another program's dotlock is removed
};

// What is about to be written: the mailbox's length before it, and its first bytes.
struct WriteRecord {
  std::uint64_t length = 0;
  std::uint64_t dev = 0;
  std::uint64_t inode = 0;
  std::string begins;  // at most kMaxBegins bytes
};
inline constexpr std::size_t kMaxBegins = 300;

// The whole of a lock file, 512 bytes: the process id of its holder, our mark, and `idle` or
// `write length dev inode size` followed by that many bytes.
[[nodiscard]] std::string encode_lock(pid_t holder, const std::optional<WriteRecord>& record);
// Whether encode_lock() made this text.
[[nodiscard]] bool is_our_lock(std::string_view text);
// The record in such a text; nullopt where there is none.
[[nodiscard]] std::optional<WriteRecord> parse_lock_record(std::string_view text);

class DotLock {
 public:
  // `path` is the lock file's.
  DotLock(Files& files, std::string path);
  DotLock(const DotLock&) = delete;
  DotLock& operator=(const DotLock&) = delete;
  // Removes the lock, unless it holds a record that the next holder must find.
  ~DotLock();

  // yes: this object holds it.  busy: another process does.  Error: it cannot be made.
  [[nodiscard]] Result<LockTaken> take(unsigned int stale_seconds);

  // Where the lock was taken over from a dead holder: cuts its unfinished message off `mailbox`, on
  // disk.  That is what follows the recorded length in the recorded file and begins as recorded (or
  // with NULs, which some file systems leave); anything else is not touched.  An error leaves the
  // record for the next holder.
  [[nodiscard]] Result<void> cut_torn_tail(int mailbox);

  // Records, on disk, what is about to be written.
  // REQUIRES: take() said yes; cut_torn_tail() succeeded.
  [[nodiscard]] Result<void> record(const WriteRecord& record);

  // Erases the record, on disk: what was written stays.
  [[nodiscard]] Result<void> erase_record();

  // The lock and its record stay behind, for the next holder to cut what this one could not.
  void leave_record() { stays_ = true; }

 private:
  enum class InTheWay : std::uint8_t { ours_now, busy, gone };

  [[nodiscard]] Result<LockTaken> create();
  [[nodiscard]] Result<void> link_from(const std::string& aside);
  [[nodiscard]] Result<InTheWay> examine(unsigned int stale_seconds);
  [[nodiscard]] Result<InTheWay> take_over(Fd file, const struct stat& st, std::string_view text);
  [[nodiscard]] Result<InTheWay> break_foreign(const struct stat& st);
  [[nodiscard]] Result<void> write_text(const std::optional<WriteRecord>& record);

  Files& files_;
  std::string path_;
  Fd file_;
  std::optional<WriteRecord> torn_;  // what a dead holder was writing
  bool stays_ = false;               // the file outlives this object: it holds a record
};

}  // namespace qv::deliver

#endif  // QV_DELIVER_LOCKS_H_
