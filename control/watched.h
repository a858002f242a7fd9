// SPDX-License-Identifier: 0BSD
// control/watched.h - has this file changed since it was last read?
//
// A stamp (existence, device, inode, size, times of change) is taken by stat, at most once per
// interval.  Take it, then read: a file that changes in between has another stamp next time.  A
// file system counts time in ticks, so a second change within the tick of the first may leave the
// stamp as it is; therefore a change is reported twice, the second time one interval later.
//
// Threads: none.  Blocking: one stat.  Tests: tests/control/watched_test.cc
#ifndef QV_CONTROL_WATCHED_H_
#define QV_CONTROL_WATCHED_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>

namespace qv {

// What stat says of a path; two stamps are equal while the file is the same and unchanged.
struct FileStamp {
  int errnum = 0;  // why there is no stat; all else is 0 then
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = 0;
  std::int64_t modified_ns = 0;
  std::int64_t changed_ns = 0;
  bool operator==(const FileStamp&) const = default;
};

// Symbolic links are followed.
[[nodiscard]] FileStamp take_stamp(const char* path);

enum class Change : std::uint8_t { none, changed };

class Watched {
 public:
  static constexpr std::int64_t kIntervalUs = 1000000;

  explicit Watched(std::string path, std::int64_t interval_us = kIntervalUs)
      : path_(std::move(path)), interval_us_(interval_us) {}

  // changed: read the file (again).  So says the first call, and the first after force().
  // `now_us` is of a clock that does not go back.
  [[nodiscard]] Change look(std::int64_t now_us);

  // The next look() stats, whatever the time, and says changed.
  void force() { forced_ = true; }

  // look() says changed once more after the next interval: for a reading that failed.
  void look_again() { report_again_ = true; }

  // The stamp that look() took last.
  [[nodiscard]] const FileStamp& stamp() const { return stamp_; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::int64_t interval_us_;
  std::int64_t next_us_ = 0;
  bool forced_ = true;
  bool report_again_ = false;
  FileStamp stamp_;
};

}  // namespace qv

#endif  // QV_CONTROL_WATCHED_H_
