// SPDX-License-Identifier: 0BSD
#include "control/watched.h"

#include <gtest/gtest.h>

#include "tests/fakes/test_tree.h"

namespace qv {
namespace {

class WatchedTest : public testing::Test {
 protected:
  // One look, `seconds` after the beginning.
  bool changed_at(double seconds) {
    return watched_.look(static_cast<std::int64_t>(seconds * 1e6)) == Change::changed;
  }
  // As after a first reading that has settled.
  void settle() {
    EXPECT_TRUE(changed_at(0));
    EXPECT_TRUE(changed_at(1));
    EXPECT_FALSE(changed_at(2));
  }

  TestTree tree_;
  Watched watched_{tree_.path("file")};
};

TEST_F(WatchedTest, SaysChangedAtFirstAndOnceMore) {
  tree_.write("file", "a");
  settle();
  EXPECT_FALSE(changed_at(3));
}

TEST_F(WatchedTest, AMissingFileIsAStateLikeAnyOther) {
  settle();
  tree_.write("file", "a");
  EXPECT_TRUE(changed_at(3));
  EXPECT_TRUE(changed_at(4));
  EXPECT_FALSE(changed_at(5));
  tree_.remove("file");
  EXPECT_TRUE(changed_at(6));
  EXPECT_EQ(watched_.stamp().errnum, ENOENT);
}

TEST_F(WatchedTest, LooksOncePerInterval) {
  tree_.write("file", "a");
  settle();
  tree_.write("file", "longer");
  EXPECT_FALSE(changed_at(2.5));
  EXPECT_FALSE(changed_at(2.999999));
  EXPECT_TRUE(changed_at(3));
}

TEST_F(WatchedTest, NoticesReplacementByAFileOfTheSameSize) {
  tree_.write("file", "a");
  settle();
  tree_.replace("file", "b");
  EXPECT_TRUE(changed_at(3));
}

TEST_F(WatchedTest, NoticesAFileThatIsRewritten) {
  tree_.write("file", "a");
  settle();
  tree_.write("file", "bb");
  EXPECT_TRUE(changed_at(3));
}

TEST_F(WatchedTest, NoticesAChangeOfMode) {
  tree_.write("file", "a");
  settle();
  const std::int64_t before = watched_.stamp().changed_ns;
  for (mode_t mode = 0; take_stamp(tree_.path("file").c_str()).changed_ns == before;) {
    ASSERT_EQ(chmod(tree_.path("file").c_str(), 0600 | (mode ^= 1)), 0);
  }
  EXPECT_TRUE(changed_at(3));
}

TEST_F(WatchedTest, ForcedSaysChangedWhateverTheTime) {
  tree_.write("file", "a");
  settle();
  watched_.force();
  EXPECT_TRUE(changed_at(2.1));
  EXPECT_FALSE(changed_at(2.2));
}

TEST_F(WatchedTest, LooksAgainWhenAskedTo) {
  tree_.write("file", "a");
  settle();
  watched_.look_again();
  EXPECT_FALSE(changed_at(2.5));
  EXPECT_TRUE(changed_at(3));
  EXPECT_FALSE(changed_at(4));
}

}  // namespace
}  // namespace qv
