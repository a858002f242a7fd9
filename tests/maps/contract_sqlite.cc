// SPDX-License-Identifier: 0BSD
#include "tests/maps/contract.h"
#include "tests/maps/servers.h"

namespace qv::maps {
namespace {

bool run_sql(const std::string& path, const std::string& text, const std::string& log) {
  return run_command({"/usr/bin/sqlite3", path}, text, log);
}

class Table final : public FileContract {
 public:
  Table() : FileContract("sqlite", "t.cf", "t.cf") {
    std::string rows;
    for (int i = 0; i < 2000; ++i) rows += (i ? ",('" : "('") + std::to_string(i) + "','x')";
    EXPECT_TRUE(run_sql(scratch.path("db"),
                        "CREATE TABLE users (name TEXT, box TEXT);"
                        "INSERT INTO users VALUES ('user@example.org', 'box/');"
                        "INSERT INTO users VALUES " +
                            rows + ";",
                        scratch.path("log")));
    scratch.write("t.cf", "dbpath = " + scratch.path("db") +
                              "\nquery = SELECT box FROM users WHERE name = '%s'\n");
    const std::string db = scratch.path("db");
    damages.push_back({"no database", [db] { unlink(db.c_str()); }});
    damages.push_back({"an empty database", [db] { EXPECT_EQ(truncate(db.c_str(), 0), 0); }});
    damages.push_back(
        {"a truncated database", [db] { EXPECT_EQ(truncate(db.c_str(), 10000), 0); }});
    damages.push_back({"a database truncated while open",
                       [db] { EXPECT_EQ(truncate(db.c_str(), 10000), 0); }, true});
    damages.push_back({"no database in it", [this] { scratch.write("db", "text\n"); }});
    damages.push_back({"a wrong parameter",
                       [this] { scratch.write("t.cf", "dbpath = x\nquery = y\nqueery = z\n"); }});
    slow_table =
        "sqlite:" +
        scratch.write(
            "slow.cf",
            "dbpath = " + db +
                "\ntimeout = 1\nquery = WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 "
                "FROM c) SELECT count(*) FROM c WHERE '%s' <> ''\n");
  }
};

const RegisterContract registered(
    "sqlite", [] { return std::make_unique<Table>(); },
    [] {
      return find_program({"/usr/bin/sqlite3"}).empty() ? std::string("sqlite3") : std::string();
    });

}  // namespace
}  // namespace qv::maps
