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
#include "maps/spec.h"
#include "maps/types/server_map.h"
#include "maps/types/sql_query.h"
#include "maps/types/stream_client.h"

namespace qv {

namespace {

// The server is told the time limit; it should be the one to end the query.
constexpr int kGraceMs = 500;

struct Finish {
  void operator()(PGconn* c) const { PQfinish(c); }
};
struct Clear {
  void operator()(PGresult* r) const { PQclear(r); }
};
using Connection = std::unique_ptr<PGconn, Finish>;
using Rows = std::unique_ptr<PGresult, Clear>;

std::string one_line(const char* text) {
  std::string out(text == nullptr ? "" : text);
  while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.pop_back();
  for (char& c : out) c = c == '\n' ? ' ' : c;
  return out.empty() ? "connection lost" : out;
}

struct Settings {
  std::string user;
  std::string password;
  std::string dbname;
  std::string encoding;
  int connect_timeout_ms = 0;
  int timeout_ms = 0;
};

// SQLSTATE: classes 42 (syntax, no such table, no right) and 28, 3D (who may do what) are the
// operator's.
Fault fault_of(const char* sqlstate) {
  const std::string_view state(sqlstate == nullptr ? "" : sqlstate);
  const std::string_view klass = first_bytes(state, 2);
  return klass == "42" || klass == "28" || klass == "3D" ? Fault::config : Fault::retry;
}

class PgsqlServer final : public Server {
 public:
  PgsqlServer(QueryRules rules, SqlQuery query, Settings settings)
      : rules_(std::move(rules)), query_(std::move(query)), settings_(std::move(settings)) {}

  Result<void> connect(const std::string& host, std::string& detail) override {
    std::vector<std::pair<const char*, std::string>> words;
    if (starts_with(host, "postgresql://") || starts_with(host, "postgres://")) {
      words.emplace_back("dbname", host);
    } else {
      add_host(host, words);
      words.emplace_back("dbname", settings_.dbname);
    }
    if (!settings_.user.empty()) words.emplace_back("user", settings_.user);
    if (!settings_.password.empty()) words.emplace_back("password", settings_.password);
    // libpq takes less than two seconds for two.
    words.emplace_back("connect_timeout",
                       std::to_string((settings_.connect_timeout_ms + 999) / 1000));
    words.emplace_back("client_encoding", settings_.encoding);
    words.emplace_back("application_name", "qmail-map");
    std::vector<const char*> names;
    std::vector<const char*> values;
    for (const auto& [name, value] : words) {
      names.push_back(name);
      values.push_back(value.c_str());
    }
    names.push_back(nullptr);
    values.push_back(nullptr);
    connection_.reset(PQconnectdbParams(names.data(), values.data(), 1));
    if (PQstatus(connection_.get()) != CONNECTION_OK) return refused(detail);
    PQsetnonblocking(connection_.get(), 1);
    return set_time_limit(detail);
  }
  void disconnect() override { connection_.reset(); }

  Result<Answer> ask(std::string_view key, std::string& value, bool& broken,
                     std::string& detail) override {
    std::vector<std::string> values;
    if (!rules_.wants(key) || query_.bind(key, values) == Answer::absent) return Answer::absent;
    std::vector<const char*> pointers;
    for (const std::string& v : values) pointers.push_back(v.c_str());
    const int sent = PQsendQueryParams(connection_.get(), query_.statement().c_str(),
                                       static_cast<int>(pointers.size()), nullptr, pointers.data(),
                                       nullptr, nullptr, 0);
    if (sent == 0) return lost(broken, detail);
    return read_answer(key, value, broken, detail);
  }

 private:
  static void add_host(const std::string& host,
                       std::vector<std::pair<const char*, std::string>>& words) {
    ServerHost at = parse_server_host(host);
    // Both the directory and the socket in it are in use as names.
    constexpr std::string_view kSocket = "/.s.PGSQL.";
    const std::size_t socket = at.path.find(kSocket);
    if (socket != std::string::npos) {
      at.port = at.path.substr(socket + kSocket.size());
      at.path.resize(socket);
    }
    words.emplace_back("host", at.path.empty() ? at.name : at.path);
    if (!at.port.empty()) words.emplace_back("port", at.port);
  }

  Error refused(std::string& detail) {
    detail = one_line(PQerrorMessage(connection_.get()));
    connection_.reset();
    return {Fault::retry, 0, "connect to PostgreSQL"};
  }

  Error lost(bool& broken, std::string& detail) {
    broken = true;
    detail = one_line(PQerrorMessage(connection_.get()));
    return {Fault::retry, 0, "PostgreSQL connection lost"};
  }

  Result<void> set_time_limit(std::string& detail) {
    const std::string text = "SET statement_timeout = " + std::to_string(settings_.timeout_ms);
    if (PQsendQuery(connection_.get(), text.c_str()) == 0) return refused(detail);
    bool broken = false;
    QV_TRY(const Rows rows, next_rows(deadline(), broken, detail));
    // The end of this statement's results.
    QV_TRY(const Rows end, next_rows(deadline(), broken, detail));
    if (end || PQresultStatus(rows.get()) != PGRES_COMMAND_OK) return refused(detail);
    return {};
  }

  std::int64_t deadline() const {
    return monotonic_us() + std::int64_t{1000} * (settings_.timeout_ms + kGraceMs);
  }

  // The next result of what was sent; null when there is no more.
  Result<Rows> next_rows(std::int64_t deadline_us, bool& broken, std::string& detail) {
    for (;;) {
      const int unsent = PQflush(connection_.get());
      if (unsent < 0) return lost(broken, detail);
      if (unsent == 0 && PQisBusy(connection_.get()) == 0) break;
      const std::int64_t left_us = deadline_us - monotonic_us();
      if (left_us <= 0) {
        broken = true;
        detail = "no answer in time";
        return Error{Fault::retry, ETIMEDOUT, "PostgreSQL query"};
      }
      const auto events = static_cast<short>(POLLIN | (unsent > 0 ? POLLOUT : 0));
      pollfd item{PQsocket(connection_.get()), events, 0};
      if (poll(&item, 1, static_cast<int>(left_us / 1000 + 1)) < 0 && errno != EINTR) {
        return lost(broken, detail);
      }
      if (PQconsumeInput(connection_.get()) == 0) return lost(broken, detail);
    }
    return Rows(PQgetResult(connection_.get()));
  }

  Result<Answer> read_answer(std::string_view key, std::string& value, bool& broken,
                             std::string& detail) {
    const std::int64_t deadline_us = deadline();
    std::string joined;
    std::uint64_t count = 0;
    Result<void> outcome;
    bool any_result = false;
    for (;;) {
      QV_TRY(const Rows rows, next_rows(deadline_us, broken, detail));
      if (!rows) break;
      any_result = true;
      if (!outcome.ok()) continue;
      outcome = take_rows(key, rows.get(), joined, count, detail);
    }
    if (!outcome.ok()) {
      if (PQstatus(connection_.get()) != CONNECTION_OK) broken = true;
      return outcome.error();
    }
    // Nothing at all is not an empty list of rows.
    if (!any_result) return lost(broken, detail);
    if (count == 0) return Answer::absent;
    value = std::move(joined);
    return Answer::found;
  }

  Result<void> take_rows(std::string_view key, const PGresult* rows, std::string& joined,
                         std::uint64_t& count, std::string& detail) const {
    const ExecStatusType status = PQresultStatus(rows);
    if (status == PGRES_COMMAND_OK) {
      detail = "the query gives no rows";
      return Error{Fault::config, 0, "PostgreSQL query"};
    }
    if (status != PGRES_TUPLES_OK) {
      detail = one_line(PQresultErrorMessage(rows));
      return Error{fault_of(PQresultErrorField(rows, PG_DIAG_SQLSTATE)), 0, "PostgreSQL query"};
    }
    for (int row = 0; row < PQntuples(rows); ++row) {
      for (int column = 0; column < PQnfields(rows); ++column) {
        if (PQgetisnull(rows, row, column) != 0) continue;
        const std::string_view text(PQgetvalue(rows, row, column),
                                    static_cast<std::size_t>(PQgetlength(rows, row, column)));
        const Result<void> added = rules_.add(key, text, joined, count);
        if (!added.ok()) detail = added.error().what;
        QV_TRY_VOID(added);
      }
    }
    return {};
  }

  QueryRules rules_;
  SqlQuery query_;
  Settings settings_;
  Connection connection_;
};

Result<std::unique_ptr<Map>> open_pgsql(const MapSpec& spec, std::string& detail) {
  QV_TRY(QueryConfig config, QueryConfig::read(std::string(strip_braces(spec.name)), detail));
  QueryRules rules(config);
  SqlQuery query;
  std::string wrong;
  if (!SqlQuery::parse(config.text("query"), {.numbered = true}, query, wrong)) {
    config.note("query: " + wrong);
  }
  Settings settings{.user = config.text("user"),
                    .password = config.text("password"),
                    .dbname = config.text("dbname"),
                    .encoding = config.text("encoding", "UTF8"),
                    .connect_timeout_ms = config.milliseconds("connect_timeout", 5),
                    .timeout_ms = config.milliseconds("timeout", 10)};
  std::vector<std::string> hosts = config.list("hosts", "unix:/var/run/postgresql");
  if (hosts.empty()) config.note("hosts: no host");
  QV_TRY_VOID(check_config(config, {"query"}, detail));
  if (config.has("password")) detail = warn_if_exposed(config.stamp());
  return make_server_map(
      std::make_unique<PgsqlServer>(std::move(rules), std::move(query), std::move(settings)),
      std::move(hosts), {config.stamp()});
}

}  // namespace

extern const MapType map_type_pgsql;
const MapType map_type_pgsql{
    "pgsql", {.networked = true}, "/path.cf: a query to a PostgreSQL server", open_pgsql};

}  // namespace qv
