// SPDX-License-Identifier: 0BSD
#include "tests/maps/contract.h"
#include "tests/maps/servers.h"

namespace qv::maps {
namespace {

// Redis keeps nothing here when it is killed.
bool fill() {
  return redis_server().start() && redis_server().feed(
                                       "SET mail:user@example.org box/\nSET mail:nul \"a\\x00b\"\n"
                                       "RPUSH list 1 2\n");
}

class Table final : public FileContract {
 public:
  Table() : FileContract("redis", "t.cf", "t.cf") {
    TestServer& server = redis_server();
    EXPECT_TRUE(fill());
    nul_key = "nul";
    nul_value = std::string("a\0b", 3);
    const std::string where = "hosts = " + server.host() + "\n";
    scratch.write("t.cf", where + "query = GET mail:%s\ntimeout = 1\n");
    slow_table =
        "redis:" + scratch.write("slow.cf", where + "timeout = 1\nquery = BLPOP never%s 60\n");
    damages.push_back({"no server", [this] {
                         scratch.write("t.cf", "hosts = unix:/nowhere/s\nquery = GET %s\n");
                       }});
    damages.push_back({"a wrong password", [this, where] {
                         scratch.write("t.cf", where + "password = x\nquery = GET %s\n");
                       }});
    damages.push_back(
        {"a wrong command", [this, where] { scratch.write("t.cf", where + "query = GETT %s\n"); }});
    damages.push_back({"a key of another type",
                       [this, where] { scratch.write("t.cf", where + "query = GET list\n"); }});
    damages.push_back({"a server that does not answer", [] { redis_server().freeze(); }, true});
    kill = [] { redis_server().kill(); };
    revive = fill;
  }
  ~Table() override { redis_server().thaw(); }
};

const RegisterContract registered(
    "redis", [] { return std::make_unique<Table>(); }, [] { return redis_server().missing(); });

}  // namespace
}  // namespace qv::maps
