// SPDX-License-Identifier: 0BSD
#include "helper/stamp.h"

#include <gtest/gtest.h>

namespace qv::helper {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

struct stat changed_at(std::int64_t mtime_ns, std::int64_t ctime_ns) {
  struct stat st {};
  st.st_dev = 1;
  st.st_ino = 2;
  st.st_size = 3;
  st.st_mtim = {mtime_ns / kSecond, mtime_ns % kSecond};
  st.st_ctim = {ctime_ns / kSecond, ctime_ns % kSecond};
  return st;
}

TEST(Stamp, AnOldOneHoldsUntilSomethingChanges) {
  const Stamp before = stamp_of(changed_at(10 * kSecond, 11 * kSecond), 100 * kSecond);
  EXPECT_EQ(before.settled, 1U);
  EXPECT_TRUE(still_holds(before, before));
  Stamp now = before;
  now.settled = 0;
  EXPECT_TRUE(still_holds(before, now));

  std::uint64_t Stamp::*const counts[] = {&Stamp::dev, &Stamp::ino, &Stamp::size};
  for (const auto member : counts) {
    now = before;
    now.*member += 1;
    EXPECT_FALSE(still_holds(before, now));
  }
  std::int64_t Stamp::*const moments[] = {&Stamp::mtime_ns, &Stamp::ctime_ns};
  for (const auto member : moments) {
    now = before;
    now.*member += 1;
    EXPECT_FALSE(still_holds(before, now));
  }
}

// A change in the same tick of the file system's clock leaves the same stamp.
TEST(Stamp, AFreshOneNeverHolds) {
  const Stamp by_mtime = stamp_of(changed_at(99 * kSecond, 1 * kSecond), 100 * kSecond);
  EXPECT_FALSE(still_holds(by_mtime, by_mtime));
  const Stamp by_ctime = stamp_of(changed_at(1 * kSecond, 99 * kSecond), 100 * kSecond);
  EXPECT_FALSE(still_holds(by_ctime, by_ctime));
  const Stamp in_the_future = stamp_of(changed_at(500 * kSecond, 1 * kSecond), 100 * kSecond);
  EXPECT_FALSE(still_holds(in_the_future, in_the_future));
}

TEST(Stamp, NoneHoldsForNothing) { EXPECT_FALSE(still_holds(Stamp{}, Stamp{})); }

}  // namespace
}  // namespace qv::helper
