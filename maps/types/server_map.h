// SPDX-License-Identifier: 0BSD
// maps/types/server_map.h - a table on a server: one connection, several hosts, and what happens
// when the connection breaks.
//
// A type derives from ServerMap and says how to connect, ask and disconnect.  The first look-up
// connects, and later ones use the same connection.  When that breaks under a look-up the table
// connects once more and asks again: a server may close an idle connection.  Hosts are tried in
// turn, beginning with a random one.  After none could be reached look-ups fail at once for a
// second, so that a queue of them does not wait for one connect time limit after the other.
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
#include "maps/spec.h"
#include "maps/types/query.h"

namespace qv::maps {

class ServerMap : public Map {
 public:
  Result<Answer> lookup(std::string_view key, std::string& value) override;

 protected:
  // From now on the process ignores SIGPIPE, unless it has a handler of its own.
  ServerMap();

  // Connects to `host`, written as the manual of the type says.  After an Error, disconnect() is
  // called.  REQUIRES: not connected.
  [[nodiscard]] virtual Result<void> connect(const std::string& host) = 0;
  virtual void disconnect() = 0;
  // As Map::lookup(), over the connection.
  [[nodiscard]] virtual Result<Answer> ask(std::string_view key, std::string& value) = 0;

  // Connects, if there is no connection.  Error: no host can be reached.
  [[nodiscard]] Result<void> be_connected();

  // Connects and calls `ask`; once more where an old connection broke and `repeat` allows it.
  using Ask = std::function<Result<Answer>()>;
  [[nodiscard]] Result<Answer> with_connection(const Ask& ask, bool repeat = true);

  // An Error with its detail(): one line, without the password.
  [[nodiscard]] Error fail(const Error& error, std::string detail);
  // The same from ask(), and the connection is of no more use.
  [[nodiscard]] Error lose(const Error& error, std::string detail);

  std::vector<std::string> hosts_;  // at least one, when the first look-up comes

 private:
  [[nodiscard]] Result<Answer> ask_once(const Ask& ask);

  std::size_t next_host_;
  bool connected_ = false;
  bool broken_ = false;
  std::int64_t hold_off_until_us_ = 0;
  Error last_failure_;
};

// A table on a server that a file describes, with a query in it.  Members of a type are initialised
// with the parameters that they read from config_.
class QueryMap : public ServerMap {
 public:
  // Completes the construction.  Error, with `detail` set: the configuration has problems.  On
  // success `detail` may hold a warning.
  [[nodiscard]] virtual Result<void> open(std::string& detail);

 protected:
  explicit QueryMap(QueryConfig config) : config_(std::move(config)) {
    sources_ = {config_.stamp()};
  }

  // Asks for a key that is wanted and adds the values to `results`.
  [[nodiscard]] virtual Result<void> query(std::string_view key, Results& results) = 0;

  QueryConfig config_;
  QueryRules rules_{config_};

 private:
  Result<Answer> ask(std::string_view key, std::string& value) final;
};

// The deleter of what a client library frees with a function of its own.
template <auto kFree>
struct FreeWith {
  template <class T>
  void operator()(T* owned) const {
    kFree(owned);
  }
};

// MapType::open of a type that derives from QueryMap.
template <class Type>
Result<std::unique_ptr<Map>> open_query_map(const MapSpec& spec, std::string& detail) {
  QV_TRY(QueryConfig config, QueryConfig::read(std::string(strip_braces(spec.name)), detail));
  auto map = std::make_unique<Type>(std::move(config));
  QV_TRY_VOID(map->open(detail));
  return std::unique_ptr<Map>(std::move(map));
}

}  // namespace qv::maps

#endif  // QV_MAPS_TYPES_SERVER_MAP_H_
