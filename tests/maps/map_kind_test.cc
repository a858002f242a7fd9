// SPDX-License-Identifier: 0BSD
#include <gtest/gtest.h>

#include "maps/open.h"

namespace qv::maps {
namespace {

TEST(MapKind, IsThatOfItsType) {
  EXPECT_TRUE(kind_of("cdb:/x").built_in);
  EXPECT_FALSE(kind_of("cdb:/x").networked);
  EXPECT_FALSE(kind_of("cdb:/x").pattern);
  EXPECT_TRUE(kind_of("regexp:/x").pattern);
  EXPECT_TRUE(kind_of("proxy:cdb:/x").networked);
  EXPECT_TRUE(kind_of("unix:passwd.byname").networked);
  EXPECT_TRUE(kind_of("sqlite:/x").networked) << "a writer may hold it";
  EXPECT_FALSE(kind_of("nonesuch:/x").built_in);
  EXPECT_FALSE(kind_of("/x").built_in);
}

TEST(MapKind, IsThatOfItsMembers) {
  EXPECT_FALSE(kind_of("unionmap:{cdb:/x, static:y}").networked);
  EXPECT_TRUE(kind_of("unionmap:{cdb:/x, unix:passwd.byname}").networked);
  EXPECT_TRUE(kind_of("pipemap:{cdb:/x, {unionmap:{socketmap:x}}}").networked);
  EXPECT_TRUE(kind_of("pipemap:{cdb:/x, {unionmap:{unix:passwd.byname}}}").networked);
  EXPECT_TRUE(kind_of("unionmap:{cdb:/x, regexp:/y}").pattern);
  EXPECT_TRUE(kind_of("pipemap:{regexp:/x, cdb:/y}").pattern);
  EXPECT_FALSE(kind_of("pipemap:{cdb:/x, regexp:/y}").pattern);
}

}  // namespace
}  // namespace qv::maps
