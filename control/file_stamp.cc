// SPDX-License-Identifier: 0BSD
#include "control/file_stamp.h"

#include <errno.h>
#include <time.h>

#include <algorithm>
#include <utility>

#include "core/fault.h"
#include "core/file.h"

namespace qv::control {

namespace {

std::int64_t to_ns(const timespec& t) {
  return static_cast<std::int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

}  // namespace

std::int64_t wall_clock_ns() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return to_ns(now);
}

std::int64_t end_of_time_ns() { return INT64_MAX; }

FileStamp stamp_of(const struct stat& st, std::int64_t now_ns) {
  FileStamp stamp;
  stamp.device = st.st_dev;
  stamp.inode = st.st_ino;
  stamp.size = static_cast<std::uint64_t>(st.st_size);
  stamp.modified_ns = to_ns(st.st_mtim);
  stamp.changed_ns = to_ns(st.st_ctim);
  stamp.settled = std::max(stamp.modified_ns, stamp.changed_ns) < now_ns - kSettleNs ? 1 : 0;
  return stamp;
}

FileStamp take_stamp(const char* path) {
  struct stat st {};
  if (stat(path, &st) == 0) return stamp_of(st, wall_clock_ns());
  FileStamp stamp;
  stamp.errnum = errno;
  return stamp;
}

bool is_same_file(const FileStamp& a, const FileStamp& b) {
  return a.device == b.device && a.inode == b.inode && a.errnum == b.errnum;
}

bool is_unchanged(const FileStamp& a, const FileStamp& b) {
  return is_same_file(a, b) && a.size == b.size && a.modified_ns == b.modified_ns &&
         a.changed_ns == b.changed_ns;
}

bool still_holds(const FileStamp& before, const FileStamp& now) {
  return before.settled == 1 && is_unchanged(before, now);
}

Result<SourceStamp> stamp_file(int fd, std::string path) {
  struct stat st {};
  if (fstat(fd, &st) != 0) return errno_error("fstat");
  return SourceStamp{stamp_of(st, wall_clock_ns()), std::move(path)};
}

SourceState compare_source(const SourceStamp& stamp) {
  const FileStamp now = take_stamp(stamp.path.c_str());
  if (now.errnum != 0 && stamp.errnum == 0) return SourceState::unreadable;
  const bool same = stamp.identity_only ? is_same_file(stamp, now) : is_unchanged(stamp, now);
  return same ? SourceState::same : SourceState::changed;
}

bool is_written_over(const SourceStamp& stamp) {
  const FileStamp now = take_stamp(stamp.path.c_str());
  return is_same_file(stamp, now) &&
         (now.size != stamp.size || now.modified_ns != stamp.modified_ns);
}

Result<std::string> read_regular_file(const std::string& path, std::size_t limit, SourceStamp& seen,
                                      WallClock clock) {
  seen = {};
  seen.path = path;
  Result<Fd> file = open_read(path.c_str());
  if (!file.ok()) {
    seen.errnum = file.error().errnum;
    return file.error();
  }
  const int fd = file.value().get();
  struct stat st {};
  if (fstat(fd, &st) != 0) return errno_error("fstat");
  if (!S_ISREG(st.st_mode)) return Error{Fault::config, 0, "not a regular file"};
  static_cast<FileStamp&>(seen) = stamp_of(st, clock());
  if (seen.size > limit) return Error{Fault::config, EFBIG, "read"};

  // One byte more, to notice a file that grows.
  std::string text(static_cast<std::size_t>(seen.size) + 1, '\0');
  QV_TRY(const std::size_t got, read_full(fd, text.data(), text.size()));
  text.resize(got);
  if (fstat(fd, &st) != 0) return errno_error("fstat");
  if (got != seen.size || !is_unchanged(seen, stamp_of(st, 0))) {
    return Error{Fault::retry, EAGAIN, "written to while it was read"};
  }
  seen.unfinished = text.empty() || text.back() != '\n';
  return text;
}

}  // namespace qv::control
