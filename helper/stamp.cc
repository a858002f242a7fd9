// SPDX-License-Identifier: 0BSD
#include "helper/stamp.h"

#include <time.h>

#include <algorithm>

namespace qv::helper {

namespace {

std::int64_t to_ns(const timespec& t) {
  return static_cast<std::int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

}  // namespace

Stamp stamp_of(const struct stat& st, std::int64_t now_ns) {
  Stamp stamp;
  stamp.dev = st.st_dev;
  stamp.ino = st.st_ino;
  stamp.size = static_cast<std::uint64_t>(st.st_size);
  stamp.mtime_ns = to_ns(st.st_mtim);
  stamp.ctime_ns = to_ns(st.st_ctim);
  const std::int64_t changed = std::max(stamp.mtime_ns, stamp.ctime_ns);
  stamp.settled = changed < now_ns - kSettleNs ? 1 : 0;
  return stamp;
}

std::int64_t wall_clock_ns() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return to_ns(now);
}

bool still_holds(const Stamp& before, const Stamp& now) {
  return before.settled == 1 && before.dev == now.dev && before.ino == now.ino &&
         before.size == now.size && before.mtime_ns == now.mtime_ns &&
         before.ctime_ns == now.ctime_ns;
}

}  // namespace qv::helper
