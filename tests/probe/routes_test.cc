// SPDX-License-Identifier: 0BSD
#include "probe/routes.h"

#include <gtest/gtest.h>

namespace qv::probe {
namespace {

class RouteTable : public testing::Test {
 protected:
  Routes read(const std::string& verifyprobe, const std::string& smtproutes = "") {
    std::vector<control::ControlLine> lines;
    std::vector<control::ControlLine> relays;
    EXPECT_TRUE(control::parse_control_text(verifyprobe, lines));
    EXPECT_TRUE(control::parse_control_text(smtproutes, relays));
    problems_.clear();
    return Routes(lines, relays, problems_);
  }
  std::string hops(const Routes& routes, const std::string& domain) {
    const std::optional<Route> route = routes.find(domain);
    if (!route) return "(not probed)";
    if (route->hops.empty()) return "mx";
    std::string out;
    for (const NextHop& hop : route->hops) {
      if (!out.empty()) out += ' ';
      if (hop.lmtp) out += "lmtp:";
      out += (hop.is_address ? "<" + hop.host + ">" : hop.host) + ":" + std::to_string(hop.port);
    }
    return out;
  }

  std::vector<control::Problem> problems_;
};

TEST_F(RouteTable, ReadsEveryFormOfNextHop) {
  const Routes routes = read(
      "a.example:Mail.A.example\n"
      "b.example:192.0.2.1:2525\n"
      "c.example: [2001:DB8::1]:2525, [192.0.2.2] second.example\n"
      "d.example:lmtp:localhost\n"
      "e.example:lmtp:[::1]:2424\n"
      "f.example:mx\n"
      "h.example:lmtp:unix:/run/LMTP, second.example tls=no\n"
      "G.example:\n");
  EXPECT_TRUE(problems_.empty());
  EXPECT_EQ(hops(routes, "a.example"), "mail.a.example:25");
  EXPECT_EQ(hops(routes, "b.example"), "<192.0.2.1>:2525");
  EXPECT_EQ(hops(routes, "C.Example"), "<2001:db8::1>:2525 <192.0.2.2>:25 second.example:25");
  EXPECT_EQ(hops(routes, "d.example"), "lmtp:localhost:24");
  EXPECT_EQ(hops(routes, "e.example"), "lmtp:<::1>:2424");
  EXPECT_EQ(hops(routes, "f.example"), "mx");
  EXPECT_EQ(hops(routes, "g.example"), "mx");
  EXPECT_EQ(hops(routes, "h.example"), "lmtp:</run/LMTP>:24 second.example:25");
}

TEST_F(RouteTable, ProbesNothingThatIsNotNamed) {
  const Routes routes = read("a.example:x\n.b.example:y\n.c.b.example:z\n");
  EXPECT_EQ(hops(routes, "a.example"), "x:25");
  EXPECT_EQ(hops(routes, "sub.a.example"), "(not probed)");
  EXPECT_EQ(hops(routes, "b.example"), "(not probed)");
  EXPECT_EQ(hops(routes, "q.b.example"), "y:25");
  EXPECT_EQ(hops(routes, "r.c.b.example"), "z:25");
  EXPECT_EQ(hops(routes, ""), "(not probed)");
  EXPECT_EQ(hops(routes, "example"), "(not probed)");
}

TEST_F(RouteTable, AsksSmtproutesWhereNoHopIsNamed) {
  const Routes routes = read("a.example:\nb.example:\nc.sub.example:\nd.example:mx\n",
                             "a.example:relay.example:2525\nb.example:\n.sub.example:[::1]\n"
                             ":default.example\n");
  EXPECT_TRUE(problems_.empty());
  EXPECT_EQ(hops(routes, "a.example"), "relay.example:2525");
  EXPECT_EQ(hops(routes, "b.example"), "mx");
  EXPECT_EQ(hops(routes, "c.sub.example"), "<::1>:25");
  EXPECT_EQ(hops(routes, "d.example"), "mx");
  EXPECT_EQ(hops(read("e.example:", ":default.example"), "e.example"), "default.example:25");
}

TEST_F(RouteTable, ReadsOptions) {
  const Routes routes = read("a.example:x backup-mx tls=must\nb.example:mx tls=no\nc.example:y\n");
  EXPECT_TRUE(routes.find("a.example")->backup_mx);
  EXPECT_EQ(routes.find("a.example")->tls, TlsUse::must);
  EXPECT_EQ(routes.find("b.example")->tls, TlsUse::never);
  EXPECT_FALSE(routes.find("c.example")->backup_mx);
  EXPECT_EQ(routes.find("c.example")->tls, TlsUse::may);
  EXPECT_EQ(routes.find("c.example")->entry, "c.example");
}

TEST_F(RouteTable, SaysEveryMistakeAndLeavesTheLineOut) {
  for (const char* line :
       {"a.example", ":x", "*:x", "a b.example:x", "..a:x", ".:x", "a.example:::1", "a.example:x:0",
        "a.example:x:65536", "a.example:x:y", "a.example:[1.2.3]", "a.example:[::1",
        "a.example:mx x", "a.example:tls=perhaps", "a.example:lmtp:", "a.example:-x",
        "a.example:x/y"}) {
    const Routes routes = read(line);
    ASSERT_EQ(problems_.size(), 1u) << line;
    EXPECT_EQ(problems_[0].where, "control/verifyprobe");
    EXPECT_EQ(problems_[0].line, 1);
    EXPECT_EQ(routes.size(), 0u) << line;
  }
  const Routes routes = read("a.example:x\na.example:y\n");
  EXPECT_EQ(problems_.size(), 1u);
  EXPECT_EQ(hops(routes, "a.example"), "x:25");
  for (const char* line : {"x.example:lmtp:unix:", "x.example:lmtp:unix:run/lmtp",
                           "x.example:unix:/run/lmtp", "x.example:lmtp:/run/lmtp"}) {
    EXPECT_EQ(read(line).size(), 0u) << line;
    EXPECT_EQ(problems_.size(), 1u) << line;
  }
}

}  // namespace
}  // namespace qv::probe
