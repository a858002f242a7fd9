// SPDX-License-Identifier: 0BSD
// control/file_stamp.h - whether a file has changed.
//
// Two equal stamps mean equal contents only if the first was taken long enough after the last
// change: a further change within one tick of the file system's clock leaves no trace (git calls
// such an index entry racy).  FileStamp::settled: it was taken late enough.
//
// Threads: none.  Blocking: one stat, or the reading of one file.
// Tests: tests/control/file_stamp_test.cc
#ifndef QV_CONTROL_FILE_STAMP_H_
#define QV_CONTROL_FILE_STAMP_H_

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/result.h"

namespace qv::control {

// Minimum age of the last change of a settled file: file systems with a two-second clock exist.
inline constexpr std::int64_t kSettleNs = 2'000'000'000;

// All zero: none was taken.  Sent over sockets as it is, so it has no padding.
struct FileStamp {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::int64_t modified_ns = 0;
  std::int64_t changed_ns = 0;
  std::int32_t errnum = 0;    // why there is no stamp; the members above are 0 then
  std::uint32_t settled = 0;  // 1: the last change was kSettleNs ago or more
};

// Nanoseconds on the wall clock (CLOCK_REALTIME), for comparison with the times of files.
using WallClock = std::int64_t (*)();
[[nodiscard]] std::int64_t wall_clock_ns();
// A wall clock by which every file has settled, for a program that reads only once.
[[nodiscard]] std::int64_t end_of_time_ns();

// The stamp of a result of stat(2) at `now_ns`.  A change in the future leaves it unsettled.
[[nodiscard]] FileStamp stamp_of(const struct stat& st, std::int64_t now_ns);
// The stamp of the file at `path`; follows symbolic links.
[[nodiscard]] FileStamp take_stamp(const char* path);

// True if both are of the same file, whatever it contains.
[[nodiscard]] bool is_same_file(const FileStamp& a, const FileStamp& b);
// True if everything but `settled` is equal.
[[nodiscard]] bool is_unchanged(const FileStamp& a, const FileStamp& b);
// True if `before` was settled and nothing has changed since: what was read then is still valid.
[[nodiscard]] bool still_holds(const FileStamp& before, const FileStamp& now);

// The stamp of a file, from before a value was read from it.
struct SourceStamp : FileStamp {
  std::string path;
  // It is empty, or its last line has no end: it may be half written.  Accepted once settled.
  bool unfinished = false;
  // The reader itself sees changes in place: only another file under the name matters.
  bool identity_only = false;
  // The value is the mapped file itself: writing to the file destroys the old value.
  bool mapped = false;
};

// The stamp of an open file.  Errors: fstat.
[[nodiscard]] Result<SourceStamp> stamp_file(int fd, std::string path);

enum class SourceState : std::uint8_t { same, changed, unreadable };

// Compares with the current file under the name.  unreadable: there is none now, or stat fails, but
// not before.
[[nodiscard]] SourceState compare_source(const SourceStamp& stamp);

// True if the file under the name is still the one that was opened, but was written to.
[[nodiscard]] bool is_written_over(const SourceStamp& stamp);

// The contents of the regular file at `path`; `seen` gets its stamp, or the errno of open.  Errors:
// those of open and read; not a regular file, longer than `limit` bytes (config); written to during
// the reading (retry, EAGAIN).
[[nodiscard]] Result<std::string> read_regular_file(const std::string& path, std::size_t limit,
                                                    SourceStamp& seen,
                                                    WallClock clock = wall_clock_ns);

}  // namespace qv::control

#endif  // QV_CONTROL_FILE_STAMP_H_
