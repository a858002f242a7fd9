// SPDX-License-Identifier: 0BSD
#include <gtest/gtest.h>

#include "proxymap/tables.h"
#include "wire/proxymap.h"

namespace qv::proxymap {
namespace {

constexpr std::uint32_t kEitherNul = flag::kTryWithoutNul | flag::kTryWithNul;

TEST(Flags, OfATableAreThoseOfItsType) {
  EXPECT_EQ(own_flags("static", false), flag::kFixed);
  EXPECT_EQ(own_flags("regexp", true), flag::kPattern);
  EXPECT_EQ(own_flags("cdb", false), flag::kFixed | kEitherNul);
  EXPECT_EQ(own_flags("lmdb", false), flag::kFixed | kEitherNul | flag::kMultiWriter);
}

TEST(Flags, OpenAnswersWithWhatWasAskedForAndTheTables) {
  const std::uint32_t cdb = own_flags("cdb", false);
  EXPECT_EQ(opened_flags(cdb, 0), cdb);
  EXPECT_EQ(opened_flags(cdb, flag::kOpenLock), cdb | flag::kOpenLock);
  EXPECT_EQ(opened_flags(cdb, cdb), cdb);
}

TEST(Flags, ATableWithSeveralWritersIsLockedForEachUse) {
  const std::uint32_t lmdb = own_flags("lmdb", false);
  EXPECT_EQ(opened_flags(lmdb, 0), lmdb);
  EXPECT_EQ(opened_flags(lmdb, flag::kOpenLock), lmdb | flag::kLock);
  EXPECT_EQ(opened_flags(lmdb, flag::kLock), lmdb | flag::kLock);
}

TEST(Flags, TheFirstEntryFoundSettlesHowKeysEnd) {
  const std::uint32_t cdb = own_flags("cdb", false);
  EXPECT_EQ(settle(cdb, KeyEnding::unknown), cdb);
  EXPECT_EQ(settle(cdb, KeyEnding::without_nul), flag::kFixed | flag::kTryWithoutNul);
  EXPECT_EQ(settle(cdb, KeyEnding::with_nul), flag::kFixed | flag::kTryWithNul);
}

}  // namespace
}  // namespace qv::proxymap
