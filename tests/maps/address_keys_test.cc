// SPDX-License-Identifier: 0BSD
#include "maps/address_keys.h"

#include <gtest/gtest.h>

#include "core/fault.h"
#include "maps/open.h"
#include "tests/fakes/address_keys.h"

namespace qv::maps {
namespace {

std::string keys(std::string_view address, std::string_view delimiters) {
  std::string out;
  for (const std::string& key : address_keys(address, delimiters)) out += key + " ";
  return out;
}

TEST(AddressKeys, GoFromTheWholeToTheDomain) {
  EXPECT_EQ(keys("User+Ext@Example.ORG", "+"),
            "user+ext@example.org user@example.org @example.org ");
  EXPECT_EQ(keys("user@example.org", "+"), "user@example.org @example.org ");
  EXPECT_EQ(keys("user+ext@example.org", ""), "user+ext@example.org @example.org ");
  EXPECT_EQ(keys("a-b+c-d@e", "+-"), "a-b+c-d@e a-b+c@e a-b@e a@e @e ");
  EXPECT_EQ(keys("user+ext", "+"), "user+ext user ");
}

TEST(AddressKeys, MakeNothingOfOddAddresses) {
  EXPECT_EQ(keys("", "+"), " ");
  EXPECT_EQ(keys("@example.org", "+"), "@example.org ");
  EXPECT_EQ(keys("+ext@e", "+"), "+ext@e @e ");
  EXPECT_EQ(keys("a@b@c", "+"), "a@b@c @c ");
  EXPECT_EQ(keys("a+@e", "+"), "a+@e a@e @e ");
}

TEST(AddressKeys, AreBounded) {
  const std::vector<std::string> all = address_keys("u" + std::string(800, '+') + "@e", "+");
  EXPECT_EQ(all.size(), kMaxPrefixes + 2);
  EXPECT_EQ(all[kMaxPrefixes], "u@e") << "the user itself is always asked";
}

std::string look(const std::string& table, std::string_view address) {
  std::string detail;
  const auto map = open_map(table, {}, detail);
  std::string value;
  AddressKeys keys(address, "+");
  std::string_view key;
  const Result<Answer> answer = lookup_address(*map.value(), keys, key, value);
  constexpr const char* kFaults[] = {"retry", "config", "denied", "protocol"};
  if (!answer.ok()) return kFaults[static_cast<std::size_t>(answer.error().fault)];
  return answer.value() == Answer::found ? value : "absent";
}

TEST(AddressKeys, TheFirstHitWins) {
  EXPECT_EQ(look("inline:{u@e=user,@e=all}", "U+x@E"), "user");
  EXPECT_EQ(look("inline:{u@e=user,@e=all}", "v@e"), "all");
  EXPECT_EQ(look("inline:{u@e=user}", "v@e"), "absent");
  EXPECT_EQ(look("fail:config x", "v@e"), "config");
}

TEST(AddressKeys, APatternSeesOnlyTheWholeAddress) {
  EXPECT_EQ(look("regexp:{{/^u@e$/ user} {/^@e$/ all}}", "u+x@e"), "absent");
  EXPECT_EQ(look("regexp:{{/^u@e$/ user}}", "U@E"), "user");
}

}  // namespace
}  // namespace qv::maps
