// SPDX-License-Identifier: 0BSD
// Types that are modules: each is found beside the program, and is what it is said to be before it
// is loaded.  What is missing or of another version: tests/e2e/maps.py.
#include <gtest/gtest.h>

#include "maps/open.h"
#include "maps/registry.h"

namespace qv::maps {
namespace {

TEST(MapTypes, AllModulesOfThisBuildCanBeLoaded) {
  for (const std::string_view name : loadable_types()) {
    SCOPED_TRACE(name);
    const std::optional<Traits> before = traits_of(name);
    ASSERT_TRUE(before.has_value());
    std::string why;
    const MapType* type = find_map_type(name, &why);
    ASSERT_NE(type, nullptr) << why;
    EXPECT_EQ(why, "");
    EXPECT_EQ(type->name, name);
    EXPECT_TRUE(type->traits == *before);
    EXPECT_EQ(find_map_type(name), type) << "loaded once";
    EXPECT_NE((" " + map_type_names() + " ").find(" " + std::string(name) + " "),
              std::string::npos);
  }
}

TEST(MapTypes, WhatNobodyHasIsSaid) {
  std::string why;
  EXPECT_EQ(find_map_type("../../x", &why), nullptr);
  EXPECT_NE(why.find("there is no table type"), std::string::npos);
  EXPECT_FALSE(traits_of("nothing").has_value());
}

}  // namespace
}  // namespace qv::maps
