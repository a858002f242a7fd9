// SPDX-License-Identifier: 0BSD
#include "control/verifyprobe.h"

#include <gtest/gtest.h>

namespace qv::control {
namespace {

std::string read(const std::string& line) {
  std::string domain;
  std::string why;
  std::string_view rest;
  const ControlLine text{line, 1};
  if (!read_probed_domain(text, domain, rest, why)) return "? " + why;
  return domain + " | " + std::string(rest);
}

TEST(ProbedDomain, IsWhatStandsBeforeTheColon) {
  EXPECT_EQ(read("x.example:127.0.0.1:25"), "x.example | 127.0.0.1:25");
  EXPECT_EQ(read(" X.Example\t: mx backup-mx"), "x.example |  mx backup-mx");
  EXPECT_EQ(read(".x.example:"), ".x.example | ");
  EXPECT_EQ(read("my_host:[::1]"), "my_host | [::1]");
}

TEST(ProbedDomain, IsADomainAndNotAll) {
  EXPECT_EQ(read("x.example"), "? DOMAIN:NEXTHOP expected");
  for (const char* line : {":mx", ".:mx", "..x:mx", "*:mx", "a@x.example:mx", "-x:mx", "x y:mx"}) {
    EXPECT_EQ(read(line).substr(0, 14), "? not a domain") << line;
  }
  EXPECT_EQ(read(std::string(255, 'a') + ":").substr(0, 3), "aaa");
  EXPECT_EQ(read(std::string(256, 'a') + ":").substr(0, 3), "? n");
}

}  // namespace
}  // namespace qv::control
