// SPDX-License-Identifier: 0BSD
#include "tests/maps/contract.h"
#include "tests/maps/servers.h"

namespace qv::maps {
namespace {

// What was not flushed is lost when it is killed.
bool fill() {
  return mariadb_server().start() &&
         mariadb_server().feed(
             "CREATE DATABASE IF NOT EXISTS mail; USE mail; DROP TABLE IF EXISTS users;"
             "CREATE TABLE users (name varchar(255) PRIMARY KEY, box varchar(255)) "
             "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;"
             "INSERT INTO users VALUES ('user@example.org', 'box/');");
}

class Table final : public FileContract {
 public:
  Table() : FileContract("mysql", "t.cf", "t.cf") {
    TestServer& server = mariadb_server();
    EXPECT_TRUE(fill());
    const std::string where = "hosts = " + server.host() + "\nuser = mail\ndbname = mail\n";
    scratch.write("t.cf", where + "query = SELECT box FROM users WHERE name = '%s'\n");
    slow_table = "mysql:" +
                 scratch.write(
                     "slow.cf",
                     where + "timeout = 1\nquery = SELECT sleep(60) FROM users WHERE '%s' <> ''\n");
    damages.push_back(
        {"no table", [] { EXPECT_TRUE(mariadb_server().feed("DROP TABLE mail.users;")); }, true});
    damages.push_back({"no server", [this] {
                         scratch.write("t.cf",
                                       "hosts = unix:/nowhere/s\ndbname = x\nquery = SELECT 1\n");
                       }});
    damages.push_back({"no such database", [this] {
                         scratch.write("t.cf", "hosts = " + mariadb_server().host() +
                                                   "\ndbname = none\nquery = SELECT '%s'\n");
                       }});
    kill = [] { mariadb_server().kill(); };
    revive = fill;
  }
};

const RegisterContract registered(
    "mysql", [] { return std::make_unique<Table>(); }, [] { return mariadb_server().missing(); });

}  // namespace
}  // namespace qv::maps
