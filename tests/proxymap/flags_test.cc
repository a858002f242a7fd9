// SPDX-License-Identifier: 0BSD
#include <gtest/gtest.h>

#include "proxymap/tables.h"
#include "wire/proxymap.h"

namespace qv::proxymap {
namespace {

constexpr std::uint32_t kEitherNul =
    wire::proxymap::flag::kTryWithoutNul | wire::proxymap::flag::kTryWithNul;

TEST(Flags, OfATableAreThoseOfItsType) {
  EXPECT_EQ(own_flags("static", false), wire::proxymap::flag::kFixed);
  EXPECT_EQ(own_flags("regexp", true), wire::proxymap::flag::kPattern);
  EXPECT_EQ(own_flags("cdb", false), wire::proxymap::flag::kFixed | kEitherNul);
  EXPECT_EQ(own_flags("lmdb", false),
            wire::proxymap::flag::kFixed | kEitherNul | wire::proxymap::flag::kMultiWriter);
}

TEST(Flags, OpenAnswersWithWhatWasAskedForAndTheTables) {
  const std::uint32_t cdb = own_flags("cdb", false);
  EXPECT_EQ(opened_flags(cdb, 0), cdb);
  EXPECT_EQ(opened_flags(cdb, wire::proxymap::flag::kOpenLock),
            cdb | wire::proxymap::flag::kOpenLock);
  EXPECT_EQ(opened_flags(cdb, cdb), cdb);
}

TEST(Flags, ATableWithSeveralWritersIsLockedForEachUse) {
  const std::uint32_t lmdb = own_flags("lmdb", false);
  EXPECT_EQ(opened_flags(lmdb, 0), lmdb);
  EXPECT_EQ(opened_flags(lmdb, wire::proxymap::flag::kOpenLock),
            lmdb | wire::proxymap::flag::kLock);
  EXPECT_EQ(opened_flags(lmdb, wire::proxymap::flag::kLock), lmdb | wire::proxymap::flag::kLock);
}

TEST(Flags, TheFirstEntryFoundSettlesHowKeysEnd) {
  const std::uint32_t cdb = own_flags("cdb", false);
  EXPECT_EQ(settle(cdb, KeyEnding::unknown), cdb);
  EXPECT_EQ(settle(cdb, KeyEnding::without_nul),
            wire::proxymap::flag::kFixed | wire::proxymap::flag::kTryWithoutNul);
  EXPECT_EQ(settle(cdb, KeyEnding::with_nul),
            wire::proxymap::flag::kFixed | wire::proxymap::flag::kTryWithNul);
}

}  // namespace
}  // namespace qv::proxymap
