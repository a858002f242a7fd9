// SPDX-License-Identifier: 0BSD
#include "deliver/mbox.h"

#include <fcntl.h>

#include <algorithm>
#include <optional>

#include "core/fault.h"
#include "core/fd.h"

namespace qv::deliver {

namespace {

// Why a mailbox is not written to: an Outcome, or nothing.
using Stop = std::optional<Outcome>;

// Another account's directory.
bool is_not_allowed(int errnum) { return errnum == EACCES || errnum == EPERM || errnum == EROFS; }

// Tries for a lock at once, then after pauses that double from 10 to 100 ms, until (attempts - 1)
// times delay have passed; never less often than the settings say.
template <class Try>
Result<LockTaken> try_repeatedly(Files& files, const LockPolicy& policy, Try try_once) {
  const std::uint64_t delay = std::uint64_t{1000} * policy.delay;  // milliseconds, as the others
  std::uint64_t left = policy.attempts == 0 ? 0 : (policy.attempts - 1) * delay;
  for (std::uint64_t longest = 10;; longest = std::min(longest * 2, std::uint64_t{100})) {
    QV_TRY(const LockTaken taken, try_once());
    if (taken == LockTaken::yes || left == 0) return taken;
    const std::uint64_t pause = std::min({longest, delay, left});
    files.pause(static_cast<unsigned int>(pause));
    left -= pause;
  }
}

class Appending {
 public:
  Appending(Files& files, const MboxTarget& target)
      : files_(files),
        target_(target),
        lock_(files, target.path + (target.locks.style.dotlock ? ".lock" : ".record")) {}

  Outcome run(const Envelope& envelope, const MessageSource& message);

 private:
  Stop take_lock_file();
  Stop open_mailbox();
  Stop check_mailbox();
  Stop lock_mailbox();
  Stop lock_with(FileLock kind);
  Stop prepare(const Envelope& envelope);
  Result<void> write(const Envelope& envelope, const MessageSource& message);
  Outcome finish();
  Outcome take_back(Outcome why);

  Files& files_;
  const MboxTarget& target_;
  DotLock lock_;
  bool has_lock_file_ = false;
  Fd file_;
  struct stat st_ {};  // of the mailbox, before it is written to
  std::string begin_;  // what the message begins with
  std::uint64_t written_ = 0;
};

Stop Appending::take_lock_file() {
  const bool must = target_.locks.style.dotlock;
  // No other program uses a name that ends in .record: such a file is ours, or nobody holds it.
  const unsigned int stale = must ? target_.locks.stale : 0;
  Result<void> made;
  const auto try_once = [&]() -> Result<LockTaken> {
    const Result<LockTaken> taken = lock_.take(stale);
    if (taken.ok() || taken.error().errnum != ENOENT) return taken;
    made = files_.make_directories(target_.path.substr(0, target_.path.rfind('/') + 1));
    if (!made.ok()) return made.error();
    return lock_.take(stale);
  };
  const Result<LockTaken> taken = try_repeatedly(files_, target_.locks, try_once);
  QV_TRY_VOID(made);
  if (!taken.ok() && !must && is_not_allowed(taken.error().errnum)) return {};
  QV_TRY(const LockTaken result, taken);
  has_lock_file_ = result == LockTaken::yes;
  // Without the record, the other locks still exclude other writers.
  if (has_lock_file_ || !must) return {};
  return retry("4.2.0", "mailbox is locked");
}

Stop Appending::open_mailbox() {
  constexpr int kFlags = O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK;
  Result<Fd> opened = files_.open_file(target_.path, kFlags, "open the mailbox");
  if (!opened.ok() && opened.error().errnum == ENOENT) {
    opened = files_.open_file(target_.path, kFlags | O_CREAT, "open the mailbox");
    if (opened.ok()) QV_TRY_VOID(files_.sync_parent(target_.path));
  }
  QV_TRY(file_, std::move(opened));
  return check_mailbox();
}

Stop Appending::check_mailbox() {
  QV_TRY(st_, files_.status(file_.get(), "fstat"));
  if (!S_ISREG(st_.st_mode)) return retry("4.3.5", "mailbox is not a regular file");
  if (st_.st_nlink > 1) return retry("4.3.5", "mailbox has more than one name");
  if (target_.strict_ownership && st_.st_uid != target_.owner) {
    return retry("4.3.5", "mailbox is not owned by the recipient");
  }
  return {};
}

Stop Appending::lock_with(FileLock kind) {
  QV_TRY(const LockTaken taken, try_repeatedly(files_, target_.locks, [&] {
           return files_.try_lock(file_.get(), kind, "lock the mailbox");
         }));
  if (taken == LockTaken::yes) return {};
  return retry("4.2.0", "mailbox is locked");
}

Stop Appending::lock_mailbox() {
  if (target_.locks.style.flock) {
    if (Stop stop = lock_with(FileLock::flock_write)) return stop;
  }
  if (target_.locks.style.fcntl) {
    if (Stop stop = lock_with(FileLock::fcntl_write)) return stop;
  }
  // A reader that rewrites the mailbox may have put another file in its place while we waited.
  struct stat named {};
  QV_TRY_VOID(checked("look at the mailbox", [&] { return files_.lstat(target_.path, named); }));
  if (Stop stop = check_mailbox()) return stop;
  if (named.st_dev != st_.st_dev || named.st_ino != st_.st_ino) {
    return retry("4.2.0", "mailbox was replaced");
  }
  return {};
}

Stop Appending::prepare(const Envelope& envelope) {
  QV_TRY_VOID(lock_.cut_torn_tail(file_.get()));
  QV_TRY(st_, files_.status(file_.get(), "fstat"));
  const auto length = static_cast<std::uint64_t>(st_.st_size);
  if (target_.size_limit != 0 && length >= target_.size_limit) {
    return refuse("5.2.2", "mailbox is full");
  }
  if (length > 0) {
    QV_TRY(const std::string last, files_.read_at(file_.get(), 1, length - 1, "read the mailbox"));
    // An unfinished line of another program must not swallow our From_ line.
    if (!last.empty() && last != "\n") begin_ = "\n\n";
  }
  begin_ += from_line(envelope.sender, files_.now().tv_sec);
  if (!has_lock_file_) return {};
  QV_TRY_VOID(lock_.record({length, st_.st_dev, st_.st_ino, begin_.substr(0, kMaxBegins)}));
  return {};
}

Result<void> Appending::write(const Envelope& envelope, const MessageSource& message) {
  FileWriter out(files_, file_.get());
  QV_TRY_VOID(out.append(begin_));
  QV_TRY_VOID(out.append(header_lines(envelope)));
  QV_TRY_VOID(copy_body(files_, message, Quoting::mbox, out));
  QV_TRY_VOID(out.append("\n"));
  QV_TRY_VOID(out.flush());
  written_ = out.size();
  const std::uint64_t size = static_cast<std::uint64_t>(st_.st_size) + written_;
  if (target_.size_limit != 0 && size > target_.size_limit) {
    return Error{Fault::retry, EFBIG, "write"};
  }
  return files_.sync(file_.get(), "fsync");
}

Outcome Appending::finish() {
  if (!has_lock_file_) return done(written_);
  const Result<void> erased = lock_.erase_record();
  // With the record still standing, the next delivery would cut this message off as torn.
  if (!erased.ok()) return take_back(erased.error());
  return done(written_);
}

// Cuts the file back.  Where that cannot be done the lock file stays, and with it the record.
Outcome Appending::take_back(Outcome why) {
  const bool is_cut =
      retry_eintr([this] { return files_.ftruncate(file_.get(), st_.st_size); }) == 0 &&
      files_.sync(file_.get(), "fsync").ok();
  if (!is_cut) {
    lock_.leave_record();
  } else if (has_lock_file_) {
    // There is nothing to cut any more; a power loss must not bring the record back.
    static_cast<void>(lock_.erase_record());
  }
  return why;
}

Outcome Appending::run(const Envelope& envelope, const MessageSource& message) {
  if (Stop stop = take_lock_file()) return *stop;
  if (Stop stop = open_mailbox()) return *stop;
  if (Stop stop = lock_mailbox()) return *stop;
  if (Stop stop = prepare(envelope)) return *stop;
  const Result<void> written = write(envelope, message);
  if (!written.ok()) return take_back(written.error());
  return finish();
}

}  // namespace

Outcome deliver_mbox(Files& files, const MboxTarget& target, const Envelope& envelope,
                     const MessageSource& message) {
  return Appending(files, target).run(envelope, message);
}

}  // namespace qv::deliver
