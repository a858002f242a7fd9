// SPDX-License-Identifier: 0BSD
#include "deliver/mbox.h"

#include <fcntl.h>

#include <algorithm>
#include <optional>

#include "core/fault.h"
#include "core/fd.h"
#include "deliver/directories.h"

namespace qv {

namespace {

// Why a mailbox is not written to: an Outcome, or nothing.
using Stop = std::optional<Outcome>;

bool is_busy(int errnum) { return errnum == EAGAIN || errnum == EACCES || errnum == EWOULDBLOCK; }

// The directory is somebody else's.
bool is_not_allowed(int errnum) { return errnum == EACCES || errnum == EPERM || errnum == EROFS; }

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
  Stop check_mailbox(const struct stat& st) const;
  Stop lock_mailbox();
  Stop lock_with(FileLock kind);
  Stop recover();
  Stop prepare(const Envelope& envelope);
  Result<void> write(const Envelope& envelope, const MessageSource& message);
  Outcome finish();
  Outcome take_back(Outcome why);

  Files& files_;
  const MboxTarget& target_;
  DotLock lock_;
  bool has_lock_file_ = false;
  Fd file_;
  struct stat st_ {};  // of the mailbox, when it was opened
  std::string begin_;  // what the message begins with
  std::uint64_t written_ = 0;
};

Stop Appending::take_lock_file() {
  const bool must = target_.locks.style.dotlock;
  // Nobody else has a use for the file of that name: one that is not ours is none that is held.
  const unsigned int stale = must ? target_.locks.stale : 0;
  Attempts attempts(files_, target_.locks);
  bool made_directories = false;
  while (attempts.next()) {
    Result<LockTaken> taken = lock_.take(stale);
    if (!taken.ok() && taken.error().errnum == ENOENT && !made_directories) {
      made_directories = true;
      const Result<void> made =
          make_directories(files_, target_.path.substr(0, target_.path.rfind('/') + 1));
      if (!made.ok()) return outcome_from(made.error());
      taken = lock_.take(stale);
    }
    if (!taken.ok() && !must && is_not_allowed(taken.error().errnum)) return {};
    if (!taken.ok()) return outcome_from(taken.error());
    has_lock_file_ = taken.value() == LockTaken::yes;
    if (has_lock_file_) return {};
  }
  // It is the other locks that keep others away then.
  if (!must) return {};
  return retry("4.2.0", "mailbox is locked");
}

Stop Appending::open_mailbox() {
  const auto open = [this](int more) {
    return retry_eintr([&] {
      return files_.open(target_.path.c_str(), O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | more,
                         0600);
    });
  };
  file_.reset(open(0));
  if (!file_.valid() && errno == ENOENT) {
    file_.reset(open(O_CREAT));
    if (!file_.valid() && errno == ENOENT) {
      const Result<void> made =
          make_directories(files_, target_.path.substr(0, target_.path.rfind('/') + 1));
      if (!made.ok()) return outcome_from(made.error());
      file_.reset(open(O_CREAT));
    }
    if (file_.valid()) {
      const Result<void> synced = fsync_parent(files_, target_.path);
      if (!synced.ok()) return outcome_from(synced.error());
    }
  }
  if (!file_.valid()) return outcome_from_errno(errno, "open the mailbox");
  if (files_.fstat(file_.get(), st_) != 0) return outcome_from_errno(errno, "fstat");
  return check_mailbox(st_);
}

Stop Appending::check_mailbox(const struct stat& st) const {
  if (!S_ISREG(st.st_mode)) return retry("4.3.5", "mailbox is not a regular file");
  if (st.st_nlink > 1) return retry("4.3.5", "mailbox has more than one name");
  if (target_.strict_ownership && st.st_uid != target_.owner) {
    return retry("4.3.5", "mailbox is not owned by the recipient");
  }
  return {};
}

Stop Appending::lock_with(FileLock kind) {
  Attempts attempts(files_, target_.locks);
  while (attempts.next()) {
    const int locked = retry_eintr([&] { return files_.lock_file(file_.get(), kind); });
    if (locked == 0) return {};
    if (!is_busy(errno)) return outcome_from_errno(errno, "lock the mailbox");
  }
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
  if (files_.lstat(target_.path.c_str(), named) != 0) {
    return outcome_from_errno(errno, "look at the mailbox");
  }
  if (files_.fstat(file_.get(), st_) != 0) return outcome_from_errno(errno, "fstat");
  if (named.st_dev != st_.st_dev || named.st_ino != st_.st_ino) {
    return retry("4.2.0", "mailbox was replaced");
  }
  return check_mailbox(st_);
}

Stop Appending::recover() {
  if (!lock_.torn()) return {};
  const Result<void> cut = cut_torn_tail(files_, file_.get(), *lock_.torn());
  if (!cut.ok()) return outcome_from(cut.error());
  lock_.tail_is_cut();
  if (files_.fstat(file_.get(), st_) != 0) return outcome_from_errno(errno, "fstat");
  return {};
}

Stop Appending::prepare(const Envelope& envelope) {
  const auto length = static_cast<std::uint64_t>(st_.st_size);
  if (target_.size_limit != 0 && length >= target_.size_limit) {
    return refuse("5.2.2", "mailbox is full");
  }
  begin_.clear();
  if (length > 0) {
    char last = '\n';
    if (retry_eintr([&] { return files_.pread(file_.get(), &last, 1, st_.st_size - 1); }) < 0) {
      return outcome_from_errno(errno, "read the mailbox");
    }
    // Somebody else's torn line must not swallow our From_ line.
    if (last != '\n') begin_ = "\n\n";
  }
  begin_ += from_line(envelope.sender, files_.now().tv_sec);
  if (!has_lock_file_) return {};
  const Result<void> recorded = lock_.record(
      {length, st_.st_dev, st_.st_ino, begin_.substr(0, std::min(begin_.size(), kMaxBegins))});
  if (!recorded.ok()) return outcome_from(recorded.error());
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
  if (retry_eintr([this] { return files_.fsync(file_.get()); }) != 0) return errno_error("fsync");
  return {};
}

Outcome Appending::finish() {
  if (!has_lock_file_) return done(written_);
  const Result<void> crossed_out = lock_.cross_out();
  // With the record still standing the next delivery would cut this message as torn.
  if (!crossed_out.ok()) return take_back(outcome_from(crossed_out.error()));
  return done(written_);
}

// Cuts the file back.  Where that cannot be done the lock stays, and with it the record.
Outcome Appending::take_back(Outcome why) {
  const bool cut = retry_eintr([this] { return files_.ftruncate(file_.get(), st_.st_size); }) == 0;
  if (!cut || retry_eintr([this] { return files_.fsync(file_.get()); }) != 0) {
    lock_.leave_record();
    return why;
  }
  // Nothing is left to cut: a record that came back after a power loss would only be in the way.
  if (has_lock_file_) static_cast<void>(lock_.cross_out());
  return why;
}

Outcome Appending::run(const Envelope& envelope, const MessageSource& message) {
  if (Stop stop = take_lock_file()) return *stop;
  if (Stop stop = open_mailbox()) return *stop;
  if (Stop stop = lock_mailbox()) return *stop;
  if (Stop stop = recover()) return *stop;
  if (Stop stop = prepare(envelope)) return *stop;
  const Result<void> written = write(envelope, message);
  if (!written.ok()) return take_back(outcome_from(written.error()));
  return finish();
}

}  // namespace

Outcome deliver_mbox(Files& files, const MboxTarget& target, const Envelope& envelope,
                     const MessageSource& message) {
  return Appending(files, target).run(envelope, message);
}

}  // namespace qv
