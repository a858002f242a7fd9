// SPDX-License-Identifier: 0BSD
#include "tests/maps/contract.h"
#include "tests/maps/servers.h"

namespace qv::maps {
namespace {

class Table final : public FileContract {
 public:
  Table() : FileContract("pgsql", "t.cf", "t.cf") {
    TestServer& server = postgres_server();
    EXPECT_TRUE(server.start());
    EXPECT_TRUE(
        server.feed("DROP TABLE IF EXISTS users;"
                    "CREATE TABLE users (name text PRIMARY KEY, box text);"
                    "INSERT INTO users VALUES ('user@example.org', 'box/');"));
    const std::string where = "hosts = " + server.host() + "\nuser = mail\ndbname = postgres\n";
    scratch.write("t.cf", where + "query = SELECT box FROM users WHERE name = '%s'\n");
    slow_table =
        "pgsql:" +
        scratch.write("slow.cf",
                      where + "timeout = 1\nquery = SELECT pg_sleep(60)::text WHERE '%s' <> ''\n");
    damages.push_back(
        {"no table", [] { EXPECT_TRUE(postgres_server().feed("DROP TABLE users;")); }, true});
    damages.push_back({"no server", [this] {
                         scratch.write("t.cf",
                                       "hosts = unix:/nowhere\ndbname = x\nquery = SELECT 1\n");
                       }});
    damages.push_back({"no such database", [this, where] {
                         scratch.write("t.cf",
                                       "hosts = " + postgres_server().host() +
                                           "\nuser = mail\ndbname = none\nquery = SELECT '%s'\n");
                       }});
    kill = [] { postgres_server().kill(); };
    revive = [] { return postgres_server().start(); };
  }
};

const RegisterContract registered(
    "pgsql", [] { return std::make_unique<Table>(); }, [] { return postgres_server().missing(); });

}  // namespace
}  // namespace qv::maps
