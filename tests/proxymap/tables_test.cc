// SPDX-License-Identifier: 0BSD
#include "proxymap/tables.h"

#include <gtest/gtest.h>

#include "tests/proxymap/fixture.h"
#include "wire/proxymap.h"

namespace qv::proxymap {
namespace {

TEST(OwnFlags, AreThoseOfTheType) {
  EXPECT_EQ(own_flags("cdb", false), 28u);
  EXPECT_EQ(own_flags("lmdb", false), 28u | wire::proxymap::flag::kMultiWriter);
  EXPECT_EQ(own_flags("regexp", true), 32u);
  EXPECT_EQ(own_flags("unix", false), 16u);
}

TEST(OpenedFlags, ALockForLifeBecomesALockForEachUse) {
  EXPECT_EQ(opened_flags(own_flags("lmdb", false), wire::proxymap::flag::kOpenLock), 262236u);
  EXPECT_EQ(opened_flags(own_flags("cdb", false), wire::proxymap::flag::kOpenLock),
            28u | wire::proxymap::flag::kOpenLock);
}

class TablesTest : public testing::Test {
 protected:
  Tables tables{[this](std::string_view table,
                       const maps::MapOptions& options) -> std::unique_ptr<maps::Map> {
                  ++opened;
                  last = options;
                  return std::make_unique<FakeMap>(data[std::string(table)]);
                },
                true};
  std::map<std::string, FakeData> data;
  int opened = 0;
  maps::MapOptions last;
};

TEST_F(TablesTest, OpenATableOncePerNameAndOptions) {
  Table& table = tables.add("cdb:/x");
  maps::Map& first = tables.map(table, false);
  EXPECT_EQ(&tables.map(tables.add("cdb:/x"), false), &first);
  EXPECT_EQ(opened, 1);
  EXPECT_NE(&tables.map(table, true), &first);
  EXPECT_TRUE(last.no_substitution);
  EXPECT_EQ(opened, 2);
}

TEST_F(TablesTest, OnlyTypesThatCanBeWrittenAreOpenedForIt) {
  static_cast<void>(tables.map(tables.add("cdb:/x"), false));
  EXPECT_FALSE(last.for_update);
  static_cast<void>(tables.map(tables.add("lmdb:/x"), false));
  EXPECT_TRUE(last.for_update);
  static_cast<void>(tables.private_map(tables.add("lmdb:/x")));
  EXPECT_FALSE(last.for_update);
}

TEST_F(TablesTest, CloseWhatNobodyUses) {
  tables.add("cdb:/old").last_used_us = 10;
  tables.add("cdb:/new").last_used_us = 20;
  tables.close_idle(20);
  EXPECT_EQ(tables.size(), 1u);
  EXPECT_EQ(tables.add("cdb:/new").last_used_us, 20);
}

TEST_F(TablesTest, AskAnOpenTableWhetherItIsAPattern) {
  data["unionmap:{static:x}"].pattern = true;
  Table& table = tables.add("unionmap:{static:x}");
  EXPECT_EQ(table.own(), 16u);
  static_cast<void>(tables.map(table, false));
  EXPECT_EQ(table.own(), 32u);
}

}  // namespace
}  // namespace qv::proxymap
