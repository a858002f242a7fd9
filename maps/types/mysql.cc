// SPDX-License-Identifier: 0BSD
//@ needs: libmariadb
// mysql:/path/to/file.cf - a query to a MariaDB or MySQL server.
//
// Parameters: hosts (`unix:/path`, `inet:host:port`, `host:port`, `host`), user, password, dbname,
// query, charset, option_file, option_group, tls_cert_file, tls_key_file, tls_CAfile, tls_CApath,
// tls_verify_cert, require_result_set, connect_timeout, timeout, and those of every table with a
// query.  The query is a prepared statement and the key a parameter of it, never part of its text.
// Manual: qmail-map-sql(5).
#include <mysql.h>

#include "core/text.h"
#include "maps/spec.h"
#include "maps/types/server_map.h"
#include "maps/types/sql_query.h"
#include "maps/types/stream_client.h"

namespace qv {

namespace {

constexpr unsigned kFirstClientError = 2000;  // up to 2999: trouble of the connection
constexpr std::size_t kMaxColumn = std::size_t{1} << 20;

struct CloseConnection {
  void operator()(MYSQL* c) const { mysql_close(c); }
};
struct CloseStatement {
  void operator()(MYSQL_STMT* s) const { mysql_stmt_close(s); }
};
struct FreeMetadata {
  void operator()(MYSQL_RES* r) const { mysql_free_result(r); }
};

struct Settings {
  std::string user;
  std::string password;
  std::string dbname;
  std::string charset;
  std::string option_file;
  std::string option_group;
  std::string tls_cert_file;
  std::string tls_key_file;
  std::string tls_CAfile;
  std::string tls_CApath;
  bool tls_verify_cert = false;
  bool require_result_set = true;
  unsigned connect_seconds = 0;
  unsigned seconds = 0;
};

const char* or_null(const std::string& s) { return s.empty() ? nullptr : s.c_str(); }

// Syntax, no such table, column, database, right: the operator's.
Fault fault_of(unsigned code) {
  switch (code) {
    case 1044:
    case 1045:
    case 1049:
    case 1054:
    case 1064:
    case 1142:
    case 1146:
    case 1305:
    case 1370:
      return Fault::config;
    default:
      return Fault::retry;
  }
}

class MysqlServer final : public Server {
 public:
  MysqlServer(QueryRules rules, SqlQuery query, Settings settings)
      : rules_(std::move(rules)), query_(std::move(query)), settings_(std::move(settings)) {}

  Result<void> connect(const std::string& host, std::string& detail) override {
    connection_.reset(mysql_init(nullptr));
    if (!connection_) return Error{Fault::retry, 0, "out of memory"};
    set_options();
    ServerHost at = parse_server_host(host);
    if (!at.path.empty()) at.name = "localhost";
    std::uint64_t port = 0;
    static_cast<void>(parse_decimal(at.port, 65535, port));
    if (mysql_real_connect(connection_.get(), or_null(at.name), or_null(settings_.user),
                           or_null(settings_.password), or_null(settings_.dbname),
                           static_cast<unsigned>(port), or_null(at.path),
                           CLIENT_MULTI_RESULTS) == nullptr) {
      return refused(detail);
    }
    statement_.reset(mysql_stmt_init(connection_.get()));
    const std::string& text = query_.statement();
    if (!statement_ || mysql_stmt_prepare(statement_.get(), text.data(), text.size()) != 0) {
      return refused(detail);
    }
    if (mysql_stmt_param_count(statement_.get()) != query_.parameters()) {
      detail = "the query has a ? of its own";
      disconnect();
      return Error{Fault::config, 0, "MariaDB query"};
    }
    return {};
  }

  void disconnect() override {
    statement_.reset();
    connection_.reset();
  }

  Result<Answer> ask(std::string_view key, std::string& value, bool& broken,
                     std::string& detail) override {
    std::vector<std::string> values;
    if (!rules_.wants(key) || query_.bind(key, values) == Answer::absent) return Answer::absent;
    if (!execute(values)) return trouble(broken, detail);
    std::string joined;
    std::uint64_t count = 0;
    bool any_result = false;
    Result<void> outcome;
    int next = 0;
    // A stored procedure gives several results, the last of them its status.
    for (; next == 0; next = mysql_stmt_next_result(statement_.get())) {
      if (mysql_stmt_field_count(statement_.get()) == 0) continue;
      any_result = true;
      if (outcome.ok()) outcome = take_rows(key, joined, count, broken, detail);
      mysql_stmt_free_result(statement_.get());
      if (broken) break;
    }
    if (outcome.ok() && next > 0) return trouble(broken, detail);
    if (!outcome.ok()) return outcome.error();
    if (!any_result && settings_.require_result_set) {
      detail = "the query gave no result set";
      return Error{Fault::retry, 0, "MariaDB query"};
    }
    if (count == 0) return Answer::absent;
    value = std::move(joined);
    return Answer::found;
  }

 private:
  void set_options() {
    MYSQL* c = connection_.get();
    mysql_options(c, MYSQL_OPT_CONNECT_TIMEOUT, &settings_.connect_seconds);
    mysql_options(c, MYSQL_OPT_READ_TIMEOUT, &settings_.seconds);
    mysql_options(c, MYSQL_OPT_WRITE_TIMEOUT, &settings_.seconds);
    mysql_options(c, MYSQL_SET_CHARSET_NAME, settings_.charset.c_str());
    if (!settings_.option_file.empty()) {
      mysql_options(c, MYSQL_READ_DEFAULT_FILE, settings_.option_file.c_str());
    }
    if (!settings_.option_group.empty()) {
      mysql_options(c, MYSQL_READ_DEFAULT_GROUP, settings_.option_group.c_str());
    }
    const std::string& s_ca = settings_.tls_CAfile;
    if (!s_ca.empty() || !settings_.tls_CApath.empty() || !settings_.tls_cert_file.empty()) {
      mysql_ssl_set(c, or_null(settings_.tls_key_file), or_null(settings_.tls_cert_file),
                    or_null(s_ca), or_null(settings_.tls_CApath), nullptr);
    }
    const my_bool verify = settings_.tls_verify_cert ? 1 : 0;
    if (verify != 0) mysql_options(c, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
  }

  Error refused(std::string& detail) {
    const bool of_statement = statement_ && mysql_stmt_errno(statement_.get()) != 0;
    const unsigned code =
        of_statement ? mysql_stmt_errno(statement_.get()) : mysql_errno(connection_.get());
    detail = of_statement ? mysql_stmt_error(statement_.get()) : mysql_error(connection_.get());
    disconnect();
    return {fault_of(code), 0, "connect to MariaDB"};
  }

  Error trouble(bool& broken, std::string& detail) {
    const unsigned code = mysql_stmt_errno(statement_.get());
    detail = mysql_stmt_error(statement_.get());
    // 1053: shutting down.  1243: the statement is gone.  1927: connection killed.
    broken = (code >= kFirstClientError && code < kFirstClientError + 1000) || code == 1053 ||
             code == 1243 || code == 1927;
    return {fault_of(code), 0, "MariaDB query"};
  }

  bool execute(std::vector<std::string>& values) {
    std::vector<MYSQL_BIND> binds(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      binds[i] = MYSQL_BIND{};
      binds[i].buffer_type = MYSQL_TYPE_STRING;
      binds[i].buffer = values[i].data();
      binds[i].buffer_length = values[i].size();
    }
    if (!binds.empty() && mysql_stmt_bind_param(statement_.get(), binds.data()) != 0) return false;
    return mysql_stmt_execute(statement_.get()) == 0;
  }

  Result<void> take_rows(std::string_view key, std::string& joined, std::uint64_t& count,
                         bool& broken, std::string& detail) {
    const unsigned columns = mysql_stmt_field_count(statement_.get());
    std::vector<unsigned long> lengths(columns);
    std::vector<my_bool> nulls(columns);
    std::vector<MYSQL_BIND> binds(columns);
    for (unsigned i = 0; i < columns; ++i) {
      binds[i] = MYSQL_BIND{};
      binds[i].buffer_type = MYSQL_TYPE_STRING;
      binds[i].length = &lengths[i];
      binds[i].is_null = &nulls[i];
    }
    // With no room for any column, each fetch tells how long they are.
    if (mysql_stmt_bind_result(statement_.get(), binds.data()) != 0) return trouble(broken, detail);
    for (;;) {
      const int code = mysql_stmt_fetch(statement_.get());
      if (code == MYSQL_NO_DATA) return {};
      if (code != 0 && code != MYSQL_DATA_TRUNCATED) return trouble(broken, detail);
      for (unsigned i = 0; i < columns; ++i) {
        if (nulls[i] != 0) continue;
        QV_TRY_VOID(take_column(key, i, lengths[i], joined, count, broken, detail));
      }
    }
  }

  Result<void> take_column(std::string_view key, unsigned column, std::size_t length,
                           std::string& joined, std::uint64_t& count, bool& broken,
                           std::string& detail) {
    if (length > kMaxColumn) {
      detail = "a column is too long";
      return Error{Fault::retry, 0, "MariaDB query"};
    }
    std::string text(length, '\0');
    MYSQL_BIND bind{};
    unsigned long got = 0;
    my_bool null = 0;
    bind.buffer_type = MYSQL_TYPE_STRING;
    bind.buffer = text.data();
    bind.buffer_length = text.size();
    bind.length = &got;
    bind.is_null = &null;
    if (length > 0 && mysql_stmt_fetch_column(statement_.get(), &bind, column, 0) != 0) {
      return trouble(broken, detail);
    }
    const Result<void> added = rules_.add(key, text, joined, count);
    if (!added.ok()) detail = added.error().what;
    return added;
  }

  QueryRules rules_;
  SqlQuery query_;
  Settings settings_;
  std::unique_ptr<MYSQL, CloseConnection> connection_;
  std::unique_ptr<MYSQL_STMT, CloseStatement> statement_;
};

Result<std::unique_ptr<Map>> open_mysql(const MapSpec& spec, std::string& detail) {
  QV_TRY(QueryConfig config, QueryConfig::read(std::string(strip_braces(spec.name)), detail));
  QueryRules rules(config);
  SqlQuery query;
  std::string wrong;
  const SqlDialect dialect{.backslash_escapes = true, .double_quoted_string = true};
  if (!SqlQuery::parse(config.text("query"), dialect, query, wrong)) {
    config.note("query: " + wrong);
  }
  Settings settings{.user = config.text("user"),
                    .password = config.text("password"),
                    .dbname = config.text("dbname"),
                    .charset = config.text("charset", "utf8mb4"),
                    .option_file = config.text("option_file"),
                    .option_group = config.text("option_group", "client"),
                    .tls_cert_file = config.text("tls_cert_file"),
                    .tls_key_file = config.text("tls_key_file"),
                    .tls_CAfile = config.text("tls_CAfile"),
                    .tls_CApath = config.text("tls_CApath"),
                    .tls_verify_cert = config.yes("tls_verify_cert", false),
                    .require_result_set = config.yes("require_result_set", true)};
  settings.connect_seconds =
      static_cast<unsigned>(config.milliseconds("connect_timeout", 5) / 1000);
  settings.seconds = static_cast<unsigned>(config.milliseconds("timeout", 10) / 1000);
  std::vector<std::string> hosts = config.list("hosts", "localhost");
  if (hosts.empty()) config.note("hosts: no host");
  QV_TRY_VOID(check_config(config, {"query", "dbname"}, detail));
  if (config.has("password")) detail = warn_if_exposed(config.stamp());
  return make_server_map(
      std::make_unique<MysqlServer>(std::move(rules), std::move(query), std::move(settings)),
      std::move(hosts), {config.stamp()});
}

}  // namespace

extern const MapType map_type_mysql;
const MapType map_type_mysql{
    "mysql", {.networked = true}, "/path.cf: a query to a MariaDB or MySQL server", open_mysql};

}  // namespace qv
