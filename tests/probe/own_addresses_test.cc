// SPDX-License-Identifier: 0BSD
#include <gtest/gtest.h>

#include "probe/routes.h"

namespace qv::probe {
namespace {

bool is_own(const OwnAddresses& own, const std::string& text) {
  return own.contains(event::parse_stream_address(text).value());
}

TEST(OwnAddresses, AreThePortsOfOurServerOnAddressesOfThisHost) {
  OwnAddresses own({25, 2525});
  own.set_interfaces({"192.0.2.7", "2001:db8::7"});
  EXPECT_TRUE(is_own(own, "inet:192.0.2.7:25"));
  EXPECT_TRUE(is_own(own, "inet:192.0.2.7:2525"));
  EXPECT_TRUE(is_own(own, "inet:[2001:db8::7]:25"));
  EXPECT_TRUE(is_own(own, "inet:[::ffff:192.0.2.7]:25"));
  EXPECT_TRUE(is_own(own, "inet:127.0.0.1:25"));
  EXPECT_TRUE(is_own(own, "inet:127.9.9.9:25"));
  EXPECT_TRUE(is_own(own, "inet:[::1]:25"));
  EXPECT_TRUE(is_own(own, "inet:0.0.0.0:25"));
  EXPECT_TRUE(is_own(own, "inet:[::]:25"));
  EXPECT_FALSE(is_own(own, "inet:192.0.2.7:26"));
  EXPECT_FALSE(is_own(own, "inet:127.0.0.1:24"));
  EXPECT_FALSE(is_own(own, "inet:192.0.2.8:25"));
  EXPECT_FALSE(is_own(own, "inet:[2001:db8::8]:25"));
  EXPECT_FALSE(is_own(own, "unix:/tmp/x"));
}

TEST(OwnAddresses, AreAskedOfTheSystem) {
  OwnAddresses own({25});
  own.refresh();
  EXPECT_TRUE(is_own(own, "inet:127.0.0.1:25"));
}

}  // namespace
}  // namespace qv::probe
