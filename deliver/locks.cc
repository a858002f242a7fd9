// SPDX-License-Identifier: 0BSD
#include "deliver/locks.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "core/text.h"
#include "maps/spec.h"

namespace qv::deliver {

namespace {

// One write within one sector: the text is there as a whole or not at all.
constexpr std::size_t kLockFileSize = 512;
constexpr std::string_view kMark = "qmail-virtual 1";

bool is_same_file(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

}  // namespace

std::string encode_lock(pid_t holder, const std::optional<WriteRecord>& record) {
  char pid[32];
  snprintf(pid, sizeof pid, "%010ld\n", static_cast<long>(holder));
  std::string text = pid + std::string(kMark) + "\n";
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
  record.begins = first_bytes(text, size);
  return record;
}

bool parse_lock_style(std::string_view text, LockStyle& style) {
  std::vector<std::string_view> words;
  if (!maps::split_list(text, words) || words.empty()) return false;
  LockStyle parsed;
  for (const std::string_view word : words) {
    if (word != "fcntl" && word != "flock" && word != "dotlock") return false;
    (word == "fcntl" ? parsed.fcntl : word == "flock" ? parsed.flock : parsed.dotlock) = true;
  }
  style = parsed;
  return true;
}

DotLock::DotLock(Files& files, std::string path) : files_(files), path_(std::move(path)) {}

DotLock::~DotLock() {
  if (file_.valid() && !stays_) files_.unlink(path_);
}

Result<LockTaken> DotLock::take(unsigned int stale_seconds) {
  // Twice: the lock in the way may have gone when it is examined.
  for (int i = 0; i < 2; ++i) {
    QV_TRY(const LockTaken created, create());
    if (created == LockTaken::yes) return created;
    QV_TRY(const InTheWay other, examine(stale_seconds));
    if (other == InTheWay::ours_now) return LockTaken::yes;
    if (other == InTheWay::busy) return LockTaken::busy;
  }
  return LockTaken::busy;
}

Result<LockTaken> DotLock::create() {
  const std::string aside = path_ + ".new." + files_.unique_name();
  QV_TRY(file_,
         files_.open_file(aside, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, "make the lock file"));
  const Result<void> linked = link_from(aside);
  files_.unlink(aside);
  if (linked.ok()) return LockTaken::yes;
  file_.reset();
  if (linked.error().errnum == EEXIST) return LockTaken::busy;
  return linked.error();
}

Result<void> DotLock::link_from(const std::string& aside) {
  QV_TRY_VOID(write_text(std::nullopt));
  QV_TRY_VOID(checked("lock the lock file",
                      [&] { return files_.lock_file(file_.get(), FileLock::flock_write); }));
  return checked("link the lock file", [&] { return files_.link(aside, path_); });
}

Result<DotLock::InTheWay> DotLock::examine(unsigned int stale_seconds) {
  Result<Fd> file = files_.open_file(path_, O_RDWR | O_NOFOLLOW, "open the lock file");
  struct stat st {};
  if (file.ok()) {
    QV_TRY(st, files_.status(file.value().get(), "look at the lock file"));
    QV_TRY(const std::string text,
           files_.read_at(file.value().get(), kLockFileSize, 0, "read the lock file"));
    const bool is_ours = is_our_lock(text) && st.st_uid == geteuid();
    if (is_ours) return take_over(std::move(file).value(), st, text);
  } else {
    if (file.error().errnum == ENOENT) return InTheWay::gone;
    if (files_.lstat(path_, st) != 0) return InTheWay::busy;
  }
  const time_t age = files_.now().tv_sec - st.st_mtime;
  if (age <= static_cast<time_t>(stale_seconds)) return InTheWay::busy;
  return break_foreign(st);
}

Result<DotLock::InTheWay> DotLock::take_over(Fd file, const struct stat& st,
                                             std::string_view text) {
  QV_TRY(const LockTaken locked,
         files_.try_lock(file.get(), FileLock::flock_write, "lock the lock file"));
  if (locked == LockTaken::busy) return InTheWay::busy;
  // Its holder may have removed it, or another process taken it over, before we locked it.
  struct stat now {};
  if (files_.lstat(path_, now) != 0 || !is_same_file(st, now)) return InTheWay::busy;
  QV_TRY(const std::string latest,
         files_.read_at(file.get(), kLockFileSize, 0, "read the lock file"));
  if (latest != text) return InTheWay::busy;
  torn_ = parse_lock_record(latest);
  file_ = std::move(file);
  stays_ = torn_.has_value();
  return InTheWay::ours_now;
}

// Another program's lock, too old.  It is moved aside and looked at again: of two processes that
// find it old at the same time, the slower one must not remove the lock that the other has made.
Result<DotLock::InTheWay> DotLock::break_foreign(const struct stat& st) {
  const std::string aside = path_ + ".stale." + files_.unique_name();
  const Result<void> moved =
      checked("remove a stale lock file", [&] { return files_.rename(path_, aside); });
  if (!moved.ok() && moved.error().errnum == ENOENT) return InTheWay::gone;
  if (!moved.ok()) return moved.error();
  struct stat found {};
  const bool is_stale = files_.lstat(aside, found) == 0 && is_same_file(st, found);
  if (!is_stale) files_.link(aside, path_);
  files_.unlink(aside);
  return is_stale ? InTheWay::gone : InTheWay::busy;
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

Result<void> DotLock::record(const WriteRecord& record) {
  // A failure from here on may leave a record on disk.  It names bytes that were not written, so
  // cutting them off does nothing.
  QV_TRY_VOID(write_text(record));
  QV_TRY_VOID(files_.sync(file_.get(), "fsync the lock file"));
  return files_.sync_parent(path_);
}

Result<void> DotLock::erase_record() {
  QV_TRY_VOID(write_text(std::nullopt));
  QV_TRY_VOID(files_.sync(file_.get(), "fsync the lock file"));
  stays_ = false;
  return {};
}

Result<void> DotLock::cut_torn_tail(int mailbox) {
  if (!torn_) return {};
  QV_TRY(const struct stat st, files_.status(mailbox, "look at the mailbox"));
  QV_TRY(const std::string tail,
         files_.read_at(mailbox, torn_->begins.size(), torn_->length, "read the mailbox"));
  const bool is_torn = st.st_dev == torn_->dev && st.st_ino == torn_->inode && !tail.empty() &&
                       std::equal(tail.begin(), tail.end(), torn_->begins.begin(),
                                  [](char is, char was) { return is == was || is == '\0'; });
  if (is_torn) {
    const auto length = static_cast<off_t>(torn_->length);
    QV_TRY_VOID(checked("cut the mailbox", [&] { return files_.ftruncate(mailbox, length); }));
    QV_TRY_VOID(files_.sync(mailbox, "fsync the mailbox"));
  }
  torn_.reset();
  stays_ = false;
  return {};
}

}  // namespace qv::deliver
