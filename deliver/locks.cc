// SPDX-License-Identifier: 0BSD
#include "deliver/locks.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "core/fault.h"
#include "core/text.h"
#include "deliver/directories.h"

namespace qv {

namespace {

// The whole of a lock file: one write, within one sector, so that it is there or not.
constexpr std::size_t kLockFileSize = 512;
constexpr std::string_view kMark = "qmail-virtual 1";

std::string padded(std::uint64_t n, std::size_t width) {
  std::string digits = std::to_string(n);
  return digits.size() < width ? std::string(width - digits.size(), '0') + digits : digits;
}

bool same_file(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

bool is_busy(int errnum) { return errnum == EAGAIN || errnum == EACCES || errnum == EWOULDBLOCK; }

Result<std::string> read_start(Files& files, int fd, std::size_t size, std::uint64_t offset) {
  std::string text(size, '\0');
  std::size_t used = 0;
  while (used < size) {
    const ssize_t n = retry_eintr([&] {
      return files.pread(fd, text.data() + used, size - used, static_cast<off_t>(offset + used));
    });
    if (n < 0) return errno_error("read");
    if (n == 0) break;
    used += static_cast<std::size_t>(n);
  }
  return text.substr(0, used);
}

bool matches(std::string_view found, std::string_view begins) {
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (found[i] != begins[i] && found[i] != '\0') return false;
  }
  return true;
}

}  // namespace

std::string encode_lock(pid_t holder, const std::optional<WriteRecord>& record) {
  std::string text = padded(static_cast<std::uint64_t>(holder), 10) + "\n";
  text += std::string(kMark) + "\n";
  if (!record) {
    text += "idle\n";
  } else {
    text += "write " + std::to_string(record->length) + " " + std::to_string(record->dev) + " " +
            std::to_string(record->inode) + " " + std::to_string(record->begins.size()) + "\n";
    text += record->begins;
  }
  text.resize(kLockFileSize, '\n');
  return text;
}

bool is_our_lock(std::string_view text) {
  if (text.size() > kLockFileSize) return false;
  static_cast<void>(take_until(text, '\n'));
  return text.size() > kMark.size() && take_until(text, '\n') == kMark;
}

std::optional<WriteRecord> parse_lock_record(std::string_view text) {
  static_cast<void>(take_until(text, '\n'));
  static_cast<void>(take_until(text, '\n'));
  std::string_view line = take_until(text, '\n');
  if (take_until(line, ' ') != "write") return std::nullopt;
  WriteRecord record;
  std::uint64_t size = 0;
  if (!parse_decimal(take_until(line, ' '), INT64_MAX, record.length)) return std::nullopt;
  if (!parse_decimal(take_until(line, ' '), UINT64_MAX, record.dev)) return std::nullopt;
  if (!parse_decimal(take_until(line, ' '), UINT64_MAX, record.inode)) return std::nullopt;
  if (!parse_decimal(line, kMaxBegins, size) || size > text.size()) return std::nullopt;
  record.begins = std::string(first_bytes(text, size));
  return record;
}

bool parse_lock_style(std::string_view text, LockStyle& style) {
  LockStyle parsed;
  bool any = false;
  while (!text.empty()) {
    std::size_t end = 0;
    while (end < text.size() && !is_blank(text[end]) && text[end] != ',') ++end;
    const std::string_view word = first_bytes(text, end);
    text = after_bytes(text, end + 1);
    if (word.empty()) continue;
    if (word != "fcntl" && word != "flock" && word != "dotlock") return false;
    (word == "fcntl" ? parsed.fcntl : word == "flock" ? parsed.flock : parsed.dotlock) = true;
    any = true;
  }
  if (any) style = parsed;
  return any;
}

Attempts::Attempts(Files& files, const LockPolicy& policy)
    : files_(files),
      left_(policy.attempts == 0 ? 0 : (policy.attempts - 1) * std::uint64_t{1000} * policy.delay),
      longest_(std::min<std::uint64_t>(100, std::uint64_t{1000} * policy.delay)) {}

bool Attempts::next() {
  if (pause_ == 0) {
    pause_ = 10;
    return true;
  }
  if (left_ == 0) return false;
  const std::uint64_t pause = std::min({pause_, longest_, left_});
  files_.pause(static_cast<unsigned int>(pause));
  left_ -= pause;
  pause_ *= 2;
  return true;
}

DotLock::DotLock(Files& files, std::string path) : files_(files), path_(std::move(path)) {}

DotLock::~DotLock() {
  if (file_.valid() && !keep_) static_cast<void>(files_.unlink(path_.c_str()));
}

std::string DotLock::unique(std::string_view purpose) {
  static unsigned long count = 0;
  const timespec now = files_.now();
  return path_ + "." + std::string(purpose) + "." + std::to_string(now.tv_sec) + "." +
         std::to_string(now.tv_nsec) + "." + std::to_string(getpid()) + "." +
         std::to_string(++count);
}

Result<LockTaken> DotLock::take(unsigned int stale_seconds) {
  // Twice: the lock that was in the way may be gone when it is looked at.
  for (int i = 0; i < 2; ++i) {
    QV_TRY(const LockTaken created, create());
    if (created == LockTaken::yes) return LockTaken::yes;
    QV_TRY(const LockTaken examined, examine(stale_seconds));
    if (examined == LockTaken::yes && file_.valid()) return LockTaken::yes;
    if (examined == LockTaken::busy) return LockTaken::busy;
  }
  return LockTaken::busy;
}

Result<LockTaken> DotLock::create() {
  const std::string aside = unique("new");
  Fd file(retry_eintr(
      [&] { return files_.open(aside.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600); }));
  if (!file.valid()) return errno_error("make the lock file");
  file_ = std::move(file);
  Result<void> ready = write_text(std::nullopt);
  if (ready.ok() && files_.lock_file(file_.get(), FileLock::flock_write) != 0) {
    ready = errno_error("lock the lock file");
  }
  const int linked =
      ready.ok() ? retry_eintr([&] { return files_.link(aside.c_str(), path_.c_str()); }) : -1;
  const Error failed = errno_error("link the lock file");
  static_cast<void>(files_.unlink(aside.c_str()));
  if (linked == 0) return LockTaken::yes;
  file_.reset();
  if (!ready.ok()) return ready.error();
  if (failed.errnum == EEXIST) return LockTaken::busy;
  return failed;
}

// yes without a held file: the way is free now, try again.
Result<LockTaken> DotLock::examine(unsigned int stale_seconds) {
  Fd file(retry_eintr([&] { return files_.open(path_.c_str(), O_RDWR | O_NOFOLLOW, 0); }));
  if (!file.valid() && errno == ENOENT) return LockTaken::yes;
  struct stat st {};
  if (!file.valid()) {
    if (files_.lstat(path_.c_str(), st) != 0) return LockTaken::busy;
  } else {
    if (files_.fstat(file.get(), st) != 0) return errno_error("look at the lock file");
    QV_TRY(const std::string text, read_start(files_, file.get(), kLockFileSize, 0));
    const bool is_ours = is_our_lock(text) && st.st_uid == geteuid();
    if (is_ours) return take_over(std::move(file), st, text);
  }
  const time_t age = files_.now().tv_sec - st.st_mtime;
  if (age <= static_cast<time_t>(stale_seconds)) return LockTaken::busy;
  return break_foreign(st);
}

Result<LockTaken> DotLock::take_over(Fd file, const struct stat& st, std::string_view text) {
  if (files_.lock_file(file.get(), FileLock::flock_write) != 0) {
    if (is_busy(errno)) return LockTaken::busy;
    return errno_error("lock the lock file");
  }
  // It may have been given up, or taken over, between our looking and our locking.
  struct stat now {};
  if (files_.lstat(path_.c_str(), now) != 0 || !same_file(st, now)) return LockTaken::busy;
  QV_TRY(const std::string latest, read_start(files_, file.get(), kLockFileSize, 0));
  if (latest != text) return LockTaken::busy;
  torn_ = parse_lock_record(latest);
  file_ = std::move(file);
  // Until what is torn has been cut the record must survive us, too.
  keep_ = torn_.has_value();
  return LockTaken::yes;
}

// Another program's lock, too old.  It is moved away and looked at again, so that two who find it
// old at the same time do not remove the lock that the faster one has made since.
Result<LockTaken> DotLock::break_foreign(const struct stat& st) {
  const std::string aside = unique("stale");
  if (retry_eintr([&] { return files_.rename(path_.c_str(), aside.c_str()); }) != 0) {
    if (errno == ENOENT) return LockTaken::yes;
    return errno_error("remove a stale lock file");
  }
  struct stat moved {};
  const bool same = files_.lstat(aside.c_str(), moved) == 0 && same_file(st, moved);
  if (!same) static_cast<void>(files_.link(aside.c_str(), path_.c_str()));
  static_cast<void>(files_.unlink(aside.c_str()));
  return same ? LockTaken::yes : LockTaken::busy;
}

Result<void> DotLock::write_text(const std::optional<WriteRecord>& record) {
  const std::string text = encode_lock(getpid(), record);
  const ssize_t n =
      retry_eintr([&] { return files_.pwrite(file_.get(), text.data(), text.size(), 0); });
  if (n < 0) return errno_error("write the lock file");
  if (n != static_cast<ssize_t>(text.size()))
    return Error{Fault::retry, ENOSPC, "write the lock file"};
  return {};
}

void DotLock::tail_is_cut() {
  torn_.reset();
  keep_ = false;
}

Result<void> DotLock::record(const WriteRecord& record) {
  // From here on a failure may have left a record on disk; it names bytes that were not written,
  // and cutting those does nothing.
  QV_TRY_VOID(write_text(record));
  if (retry_eintr([this] { return files_.fsync(file_.get()); }) != 0) {
    return errno_error("fsync the lock file");
  }
  return fsync_parent(files_, path_);
}

Result<void> DotLock::cross_out() {
  QV_TRY_VOID(write_text(std::nullopt));
  if (retry_eintr([this] { return files_.fsync(file_.get()); }) != 0) {
    return errno_error("fsync the lock file");
  }
  keep_ = false;
  return {};
}

Result<void> cut_torn_tail(Files& files, int fd, const WriteRecord& record) {
  struct stat st {};
  if (files.fstat(fd, st) != 0) return errno_error("look at the mailbox");
  if (static_cast<std::uint64_t>(st.st_dev) != record.dev) return {};
  if (static_cast<std::uint64_t>(st.st_ino) != record.inode) return {};
  if (static_cast<std::uint64_t>(st.st_size) <= record.length) return {};
  QV_TRY(const std::string found, read_start(files, fd, record.begins.size(), record.length));
  if (!matches(found, record.begins)) return {};
  if (retry_eintr([&] { return files.ftruncate(fd, static_cast<off_t>(record.length)); }) != 0) {
    return errno_error("cut the mailbox");
  }
  if (retry_eintr([&] { return files.fsync(fd); }) != 0) return errno_error("fsync the mailbox");
  return {};
}

}  // namespace qv
