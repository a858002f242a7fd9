// SPDX-License-Identifier: 0BSD
// CdbFile::may_hold: what is there is never denied.
#include <gtest/gtest.h>

#include "maps/cdb_file.h"
#include "tests/fakes/test_tree.h"

namespace qv::maps {
namespace {

std::uint32_t hash_of(std::string_view key) {
  std::uint32_t hash = CdbFile::kHashOfNothing;
  for (const char c : key) hash = CdbFile::hash_on(hash, c);
  return hash;
}

TEST(CdbHash, KnowsWhatMayBeThere) {
  const TestTree tree;
  TestTree::Records records;
  for (int i = 0; i < 3000; ++i) records.emplace_back("key\xff" + std::to_string(i), "v");
  records.emplace_back("", "empty");
  tree.write_cdb("t.cdb", records);
  const auto table = CdbFile::open(tree.path("t.cdb").c_str());
  ASSERT_TRUE(table.ok());
  for (const auto& [key, value] : records) {
    const auto answer = table.value().may_hold(hash_of(key));
    ASSERT_TRUE(answer.ok());
    ASSERT_EQ(answer.value(), Answer::found) << key;
  }
  int maybe = 0;
  for (int i = 0; i < 3000; ++i) {
    const auto answer = table.value().may_hold(hash_of("other" + std::to_string(i)));
    ASSERT_TRUE(answer.ok());
    maybe += answer.value() == Answer::found ? 1 : 0;
  }
  EXPECT_LE(maybe, 3) << "only by an accident of 32 bits";
}

TEST(CdbHash, AnEmptyTableHoldsNothing) {
  const TestTree tree;
  tree.write_cdb("t.cdb", {});
  const auto table = CdbFile::open(tree.path("t.cdb").c_str());
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(table.value().may_hold(hash_of("")).value(), Answer::absent);
}

TEST(CdbHash, ATableCutShortCannotTell) {
  guard_against_truncation();
  const TestTree tree;
  tree.write_cdb("t.cdb", {{"a", "b"}});
  const auto table = CdbFile::open(tree.path("t.cdb").c_str());
  ASSERT_TRUE(table.ok());
  ASSERT_EQ(truncate(tree.path("t.cdb").c_str(), 0), 0);
  EXPECT_FALSE(table.value().may_hold(hash_of("a")).ok());
}

}  // namespace
}  // namespace qv::maps
