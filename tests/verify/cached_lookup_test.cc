// SPDX-License-Identifier: 0BSD
#include "verify/cached_lookup.h"

#include <gtest/gtest.h>

namespace qv::verify {
namespace {

struct Thing {
  int number = 0;
  bool busy = false;
  [[nodiscard]] bool is_busy() const { return busy; }
};

TEST(LruCache, DropsTheOneNotAskedForLongest) {
  LruCache<Thing> things(2);
  things.add("a").number = 1;
  things.add("b").number = 2;
  ASSERT_NE(things.find("a"), nullptr);
  things.add("c").number = 3;
  EXPECT_EQ(things.find("b"), nullptr);
  ASSERT_NE(things.find("a"), nullptr);
  EXPECT_EQ(things.find("a")->number, 1);
  EXPECT_EQ(things.find("c")->number, 3);
}

TEST(LruCache, NeverDropsABusyOne) {
  LruCache<Thing> things(2);
  Thing& a = things.add("a");
  a.busy = true;
  things.add("b");
  things.add("c");
  EXPECT_EQ(things.find("a"), &a);
  EXPECT_EQ(things.find("b"), nullptr);
  things.clear();
  EXPECT_EQ(things.size(), 1u);
  a.busy = false;
  things.clear();
  EXPECT_EQ(things.size(), 0u);
}

TEST(LruCache, HoldsMoreOnlyWhileAllAreBusy) {
  LruCache<Thing> things(1);
  things.add("a").busy = true;
  things.add("b").busy = true;
  EXPECT_EQ(things.size(), 2u);
  things.find("a")->busy = false;
  things.find("b")->busy = false;
  things.add("c");
  EXPECT_EQ(things.size(), 1u);
}

}  // namespace
}  // namespace qv::verify
