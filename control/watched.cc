// SPDX-License-Identifier: 0BSD
#include "control/watched.h"

#include <sys/stat.h>

#include <cerrno>
#include <utility>

namespace qv {

namespace {

std::int64_t nanoseconds(const timespec& t) {
  return static_cast<std::int64_t>(t.tv_sec) * 1000000000 + t.tv_nsec;
}

}  // namespace

FileStamp take_stamp(const char* path) {
  FileStamp stamp;
  struct stat st {};
  if (stat(path, &st) != 0) {
    stamp.errnum = errno;
    return stamp;
  }
  stamp.device = st.st_dev;
  stamp.inode = st.st_ino;
  stamp.size = st.st_size;
  stamp.modified_ns = nanoseconds(st.st_mtim);
  stamp.changed_ns = nanoseconds(st.st_ctim);
  return stamp;
}

Change Watched::look(std::int64_t now_us) {
  if (!forced_ && now_us < next_us_) return Change::none;
  next_us_ = now_us + interval_us_;
  const FileStamp stamp = take_stamp(path_.c_str());
  const bool differs = forced_ || !(stamp == stamp_);
  forced_ = false;
  stamp_ = stamp;
  const bool again = std::exchange(report_again_, differs);
  return differs || again ? Change::changed : Change::none;
}

}  // namespace qv
