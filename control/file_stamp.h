// SPDX-License-Identifier: 0BSD
// control/file_stamp.h - what tells one state of a file from another.
//
// Two equal stamps mean equal contents only where the first was taken long enough after the last
// change: a change within the same tick of the file system's clock leaves no trace (git calls such
// an index entry racy).  FileStamp::settled says that it was taken late enough.
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

namespace qv {

// How old the last change of a settled file is: file systems with a two-second clock exist.
inline constexpr std::int64_t kSettleNs = 2'000'000'000;

// All zero: none was taken.  Goes over a socket as it is, so every byte belongs to a member.
struct FileStamp {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::int64_t modified_ns = 0;
  std::int64_t changed_ns = 0;
  std::int32_t errnum = 0;    // why there is no stamp; the members above are 0 then
  std::uint32_t settled = 0;  // 1: the last change was kSettleNs ago or more
};

// Nanoseconds on the wall clock (CLOCK_REALTIME), which the times of files are compared with.
using WallClock = std::int64_t (*)();
[[nodiscard]] std::int64_t wall_clock_ns();
// A wall clock by which every file has settled, for a program that reads once and never again.
[[nodiscard]] std::int64_t end_of_time_ns();

// The stamp of what stat(2) said at `now_ns`.  A change that seems to lie in the future leaves the
// stamp unsettled.
[[nodiscard]] FileStamp stamp_of(const struct stat& st, std::int64_t now_ns);
// The stamp of the file at `path`; symbolic links are followed.
[[nodiscard]] FileStamp take_stamp(const char* path);

// True: both are of the same file, whatever it contains.
[[nodiscard]] bool is_same_file(const FileStamp& a, const FileStamp& b);
// True: all but `settled` is equal.
[[nodiscard]] bool is_unchanged(const FileStamp& a, const FileStamp& b);
// True: `before` was settled and nothing has changed since, so what was read then still holds.
[[nodiscard]] bool still_holds(const FileStamp& before, const FileStamp& now);

// A file that a value was read from, as it was before it was read.
struct SourceStamp : FileStamp {
  std::string path;
  // Somebody may be writing it: it is empty, or its last line has no end.  Believed once settled.
  bool unfinished = false;
  // The reader sees changes made in place by itself: only another file under the name counts.
  bool identity_only = false;
  // The value is the file itself, mapped: once that is written to, the value as it was is gone.
  bool mapped = false;
};

// The stamp of an open file.  Errors: fstat.
[[nodiscard]] Result<SourceStamp> stamp_file(int fd, std::string path);

enum class SourceState : std::uint8_t { same, changed, unreadable };

// Looks at the name again.  unreadable: there is nothing, or it cannot be looked at, which was not
// so before.
[[nodiscard]] SourceState compare_source(const SourceStamp& stamp);

// True: the file under the name is the one that was opened, but not what it was.
[[nodiscard]] bool is_written_over(const SourceStamp& stamp);

// The contents of the regular file at `path`; `seen` gets its stamp, or the errno of opening it.
// Errors: cannot open or read it; not a regular file, longer than `limit` bytes (config); it was
// written to while it was read (retry, EAGAIN).
[[nodiscard]] Result<std::string> read_regular_file(const std::string& path, std::size_t limit,
                                                    SourceStamp& seen,
                                                    WallClock clock = wall_clock_ns);

}  // namespace qv

#endif  // QV_CONTROL_FILE_STAMP_H_
