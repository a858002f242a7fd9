// SPDX-License-Identifier: 0BSD
// helper/stamp.h - whether a file or directory is still as it was when it was read.
//
// Two equal stamps say "the same contents" only where the first was taken long enough after the
// last change: a change within the same tick of the file system's clock leaves no trace (git calls
// such an index entry racy).  Stamp::settled says that it was.
//
// Threads: none.  Tests: tests/helper/stamp_test.cc
#ifndef QV_HELPER_STAMP_H_
#define QV_HELPER_STAMP_H_

#include <sys/stat.h>

#include <cstdint>

namespace qv::helper {

// All zero: none was taken.  Goes over a socket as it is, so every byte belongs to a member.
struct Stamp {
  std::uint64_t dev = 0;
  std::uint64_t ino = 0;
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
  std::int64_t ctime_ns = 0;
  std::uint64_t settled = 0;  // 1: older than kSettle when it was taken
};

// How old the last change must be, in nanoseconds: file systems with a two-second clock exist.
inline constexpr std::int64_t kSettleNs = 2'000'000'000;

// The stamp of what fstat(2) told, at `now_ns` on the wall clock (CLOCK_REALTIME).  A change that
// seems to lie in the future leaves the stamp unsettled.
[[nodiscard]] Stamp stamp_of(const struct stat& st, std::int64_t now_ns);

// Nanoseconds on the wall clock.
[[nodiscard]] std::int64_t wall_clock_ns();

// True where `before` was settled and nothing has changed since: what was read then still holds.
// Size counts too; that the second stamp is settled does not.
[[nodiscard]] bool still_holds(const Stamp& before, const Stamp& now);

}  // namespace qv::helper

#endif  // QV_HELPER_STAMP_H_
