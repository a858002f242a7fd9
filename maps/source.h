// SPDX-License-Identifier: 0BSD
// maps/source.h - a file a table was read from, and whether it is still the same.
//
// Threads: none.  Tests: tests/maps/source_test.cc
#ifndef QV_MAPS_SOURCE_H_
#define QV_MAPS_SOURCE_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "core/result.h"

namespace qv {

// A file as it was when it was opened.
struct SourceStamp {
  std::string path;
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = 0;
  std::int64_t modified_ns = 0;
  std::int64_t changed_ns = 0;
  // The table sees changes made in place by itself: only another file under the name counts.
  bool identity_only = false;
  // The table is the file itself, mapped: once that is written to, the table as it was is gone.
  bool mapped = false;
  // Modified so short a time before it was read that a later change may carry the same times.
  bool recent = false;
};

// The stamp of an open file.  Errors: fstat.
[[nodiscard]] Result<SourceStamp> stamp_file(int fd, std::string path);

enum class SourceState : std::uint8_t { same, changed, unreadable };

// Looks at the name with stat().  unreadable: there is nothing, or it cannot be looked at.
[[nodiscard]] SourceState compare_source(const SourceStamp& stamp);

// True: the file under the name is the one that was opened, but not what it was.
[[nodiscard]] bool is_written_over(const SourceStamp& stamp);

inline constexpr std::size_t kMaxTextSource = std::size_t{1} << 31;  // bytes

// A text file as a whole.  Errors, with `detail` naming the file: cannot open or read it, not a
// regular file, longer than kMaxTextSource.
[[nodiscard]] Result<std::string> read_source(const std::string& path, SourceStamp& stamp,
                                              std::string& detail);

// "open /etc/x: No such file or directory".
[[nodiscard]] std::string describe_error(const Error& error, std::string_view path);

// A warning where others than owner and group may read a file that holds a password; else empty.
[[nodiscard]] std::string warn_if_exposed(const SourceStamp& stamp);

}  // namespace qv

#endif  // QV_MAPS_SOURCE_H_
