// SPDX-License-Identifier: 0BSD
// maps/types/server_map.h - a table on a server: one connection, several hosts, and what to do when
// it breaks.
//
// The connection is made at the first look-up and kept.  When it breaks under a look-up it is made
// anew, once, and the look-up done again; hosts are tried in turn, beginning with a random one.
// When none answers, look-ups fail at once for a second: a queue of them must not wait for each
// connect time limit in turn.
//
// Threads: none.  Blocking: yes, up to the time limits of the type.
// Manual: qmail-map-sql(5).  Tests: tests/maps/contract_pgsql.cc, tests/maps/contract_mysql.cc
#ifndef QV_MAPS_TYPES_SERVER_MAP_H_
#define QV_MAPS_TYPES_SERVER_MAP_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "maps/map.h"
#include "maps/types/query_config.h"

namespace qv {

// One connection of a type.  `detail` is set on every Error: one line, without the password.
class Server {
 public:
  virtual ~Server() = default;
  Server() = default;
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Connects to `host`, written as the type's manual says.  REQUIRES: not connected.
  [[nodiscard]] virtual Result<void> connect(const std::string& host, std::string& detail) = 0;
  virtual void disconnect() = 0;

  // As Map::lookup().  `broken`: after this Error the connection is of no more use.
  [[nodiscard]] virtual Result<Answer> ask(std::string_view key, std::string& value, bool& broken,
                                           std::string& detail) = 0;
};

// A table of `hosts`, of which there is at least one.  `stamps`: the files it was configured from.
// From now on the process ignores SIGPIPE, unless it has a handler of its own.
[[nodiscard]] std::unique_ptr<Map> make_server_map(std::unique_ptr<Server> server,
                                                   std::vector<std::string> hosts,
                                                   std::vector<SourceStamp> stamps);

// The end of every open(): an Error with `detail` set where the configuration has problems.
[[nodiscard]] Result<void> check_config(const QueryConfig& config,
                                        const std::vector<std::string>& needed,
                                        std::string& detail);

}  // namespace qv

#endif  // QV_MAPS_TYPES_SERVER_MAP_H_
