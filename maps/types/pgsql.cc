// SPDX-License-Identifier: 0BSD
//@ needs: libpq
// pgsql:/path/to/file.cf - a query to a PostgreSQL server.
//
// Parameters: hosts (`unix:/dir`, `unix:/dir/.s.PGSQL.5433`, `inet:host:port`, `host:port`, `host`,
// `postgresql://...`), user, password, dbname, query, encoding, connect_timeout, timeout, and those
// of every table with a query.  The key is a parameter of the statement, never part of its text.
// Manual: qmail-map-sql(5).
#include <errno.h>
#include <poll.h>

#include <libpq-fe.h>

#include "core/clock.h"
#include "core/fault.h"
#include "core/text.h"
#include "maps/registry.h"
#include "maps/types/server_map.h"

namespace qv::maps {

namespace {

// The server knows the time limit, too, and should be the one that ends the query.
constexpr int kGraceMs = 500;

using Connection = std::unique_ptr<PGconn, FreeWith<PQfinish>>;
using Rows = std::unique_ptr<PGresult, FreeWith<PQclear>>;

std::string one_line(const char* text) {
  std::string out(text == nullptr ? "" : text);
  while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.pop_back();
  for (char& c : out) c = c == '\n' ? ' ' : c;
  return out.empty() ? "connection lost" : out;
}

// SQLSTATE: the operator must act on classes 42 (syntax, no such table, no right), 28 and 3D
// (authorization, no such database).
Fault fault_of(const char* sqlstate) {
  const std::string_view state(sqlstate == nullptr ? "" : sqlstate);
  const std::string_view klass = first_bytes(state, 2);
  return klass == "42" || klass == "28" || klass == "3D" ? Fault::config : Fault::retry;
}

class PgsqlMap final : public QueryMap {
 public:
  explicit PgsqlMap(QueryConfig config) : QueryMap(std::move(config)) {
    hosts_ = config_.list("hosts", "unix:/var/run/postgresql");
  }

 private:
  Result<void> connect(const std::string& host) override {
    ServerHost at;
    std::string database = dbname_;
    if (starts_with(host, "postgresql://") || starts_with(host, "postgres://")) {
      database = host;
    } else {
      at = parse_host(host);
    }
    // libpq treats less than two seconds as two.
    const std::string limit = std::to_string((connect_timeout_ms_ + 999) / 1000);
    std::vector<const char*> names;
    std::vector<const char*> values;
    // libpq ignores empty values.
    for (const auto& [name, value] : std::initializer_list<std::pair<const char*, const char*>>{
             {"dbname", database.c_str()},
             {"host", at.path.empty() ? at.name.c_str() : at.path.c_str()},
             {"port", at.port.c_str()},
             {"user", user_.c_str()},
             {"password", password_.c_str()},
             {"connect_timeout", limit.c_str()},
             {"client_encoding", encoding_.c_str()},
             {"application_name", "qmail-map"},
             {nullptr, nullptr}}) {
      names.push_back(name);
      values.push_back(value);
    }
    connection_.reset(PQconnectdbParams(names.data(), values.data(), 1));
    if (PQstatus(connection_.get()) != CONNECTION_OK) return refused();
    PQsetnonblocking(connection_.get(), 1);
    return set_time_limit();
  }
  void disconnect() override { connection_.reset(); }

  static ServerHost parse_host(const std::string& host) {
    ServerHost at = parse_server_host(host);
    // Both the directory and the socket in it are in use as names.
    constexpr std::string_view kSocket = "/.s.PGSQL.";
    const std::size_t socket = at.path.find(kSocket);
    if (socket != std::string::npos) {
      at.port = at.path.substr(socket + kSocket.size());
      at.path.resize(socket);
    }
    return at;
  }

  std::string server_error() const { return one_line(PQerrorMessage(connection_.get())); }
  Error refused() { return fail({Fault::retry, 0, "connect to PostgreSQL"}, server_error()); }
  Error lost() { return lose({Fault::retry, 0, "PostgreSQL connection lost"}, server_error()); }

  Result<void> set_time_limit() {
    const std::string text = "SET statement_timeout = " + std::to_string(timeout_ms_);
    if (PQsendQuery(connection_.get(), text.c_str()) == 0) return refused();
    QV_TRY(const Rows rows, next_rows(deadline()));
    // The end of this statement's results.
    QV_TRY(const Rows end, next_rows(deadline()));
    if (end || PQresultStatus(rows.get()) != PGRES_COMMAND_OK) return refused();
    return {};
  }

  std::int64_t deadline() const {
    return monotonic_us() + std::int64_t{1000} * (timeout_ms_ + kGraceMs);
  }

  // The next result of what was sent; null when there is no more.
  Result<Rows> next_rows(std::int64_t deadline_us) {
    for (;;) {
      const int unsent = PQflush(connection_.get());
      if (unsent < 0) return lost();
      if (unsent == 0 && PQisBusy(connection_.get()) == 0) break;
      const std::int64_t left_us = deadline_us - monotonic_us();
      if (left_us <= 0) {
        return lose({Fault::retry, ETIMEDOUT, "PostgreSQL query"}, "no answer in time");
      }
      const auto events = static_cast<short>(POLLIN | (unsent > 0 ? POLLOUT : 0));
      pollfd item{PQsocket(connection_.get()), events, 0};
      if (poll(&item, 1, static_cast<int>(left_us / 1000 + 1)) < 0 && errno != EINTR) return lost();
      if (PQconsumeInput(connection_.get()) == 0) return lost();
    }
    return Rows(PQgetResult(connection_.get()));
  }

  Result<void> query(std::string_view key, Results& results) override {
    std::vector<std::string> values;
    if (query_.bind(key, values) == Answer::absent) return {};
    std::vector<const char*> pointers;
    for (const std::string& v : values) pointers.push_back(v.c_str());
    const int sent = PQsendQueryParams(connection_.get(), query_.statement().c_str(),
                                       static_cast<int>(pointers.size()), nullptr, pointers.data(),
                                       nullptr, nullptr, 0);
    if (sent == 0) return lost();
    const std::int64_t deadline_us = deadline();
    Result<void> outcome;
    bool any_result = false;
    for (;;) {
      QV_TRY(const Rows rows, next_rows(deadline_us));
      if (!rows) break;
      any_result = true;
      if (outcome.ok()) outcome = add_rows(rows.get(), results);
    }
    // Nothing at all is not an empty list of rows.
    if (outcome.ok() && !any_result) return lost();
    if (!outcome.ok() && PQstatus(connection_.get()) != CONNECTION_OK) {
      return lose(outcome.error(), detail_);
    }
    return outcome;
  }

  Result<void> add_rows(const PGresult* rows, Results& results) {
    const ExecStatusType status = PQresultStatus(rows);
    if (status == PGRES_COMMAND_OK) {
      return fail({Fault::config, 0, "PostgreSQL query"}, "the query gives no rows");
    }
    if (status != PGRES_TUPLES_OK) {
      const Fault fault = fault_of(PQresultErrorField(rows, PG_DIAG_SQLSTATE));
      return fail({fault, 0, "PostgreSQL query"}, one_line(PQresultErrorMessage(rows)));
    }
    for (int row = 0; row < PQntuples(rows); ++row) {
      for (int column = 0; column < PQnfields(rows); ++column) {
        if (PQgetisnull(rows, row, column) != 0) continue;
        QV_TRY_VOID(results.add({PQgetvalue(rows, row, column),
                                 static_cast<std::size_t>(PQgetlength(rows, row, column))}));
      }
    }
    return {};
  }

  const SqlQuery query_ = SqlQuery::read(config_, {.numbered = true});
  const std::string user_ = config_.text("user");
  const std::string password_ = config_.text("password");
  const std::string dbname_ = config_.text("dbname");
  const std::string encoding_ = config_.text("encoding", "UTF8");
  const int connect_timeout_ms_ = config_.milliseconds("connect_timeout", 5);
  const int timeout_ms_ = config_.milliseconds("timeout", 10);
  Connection connection_;
};

}  // namespace

extern const MapType map_type_pgsql{
    "pgsql", kLoadableTraits, "/path.cf: a query to a PostgreSQL server", open_query_map<PgsqlMap>};

}  // namespace qv::maps
