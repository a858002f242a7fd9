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

#include <algorithm>

#include "core/text.h"
#include "maps/registry.h"
#include "maps/types/server_map.h"

namespace qv::maps {

namespace {

constexpr unsigned kFirstClientError = 2000;  // up to 2999: trouble of the connection
constexpr std::size_t kMaxColumn = std::size_t{1} << 20;

const char* or_null(const std::string& s) { return s.empty() ? nullptr : s.c_str(); }

// Syntax, no such table, column, database, right: the operator's.
constexpr unsigned kConfigErrors[] = {1044, 1045, 1049, 1054, 1064, 1142, 1146, 1305, 1370};

Fault fault_of(unsigned code) {
  const bool config = std::find(std::begin(kConfigErrors), std::end(kConfigErrors), code) !=
                      std::end(kConfigErrors);
  return config ? Fault::config : Fault::retry;
}

class MysqlMap final : public QueryMap {
 public:
  explicit MysqlMap(QueryConfig config) : QueryMap(std::move(config)) {
    hosts_ = config_.list("hosts", "localhost");
  }

 private:
  Result<void> connect(const std::string& host) override {
    connection_.reset(mysql_init(nullptr));
    if (!connection_) return Error{Fault::retry, 0, "out of memory"};
    set_options();
    ServerHost at = parse_server_host(host);
    if (!at.path.empty()) at.name = "localhost";
    std::uint64_t port = 0;
    static_cast<void>(parse_decimal(at.port, 65535, port));
    if (mysql_real_connect(connection_.get(), or_null(at.name), or_null(user_), or_null(password_),
                           or_null(dbname_), static_cast<unsigned>(port), or_null(at.path),
                           CLIENT_MULTI_RESULTS) == nullptr) {
      return refused(mysql_errno(connection_.get()), mysql_error(connection_.get()));
    }
    statement_.reset(mysql_stmt_init(connection_.get()));
    if (!statement_) return Error{Fault::retry, 0, "out of memory"};
    const std::string& text = query_.statement();
    if (mysql_stmt_prepare(statement_.get(), text.data(), text.size()) != 0) {
      return refused(mysql_stmt_errno(statement_.get()), mysql_stmt_error(statement_.get()));
    }
    if (mysql_stmt_param_count(statement_.get()) != query_.parameters()) {
      return fail({Fault::config, 0, "MariaDB query"}, "the query has a ? of its own");
    }
    return {};
  }
  void disconnect() override {
    statement_.reset();
    connection_.reset();
  }

  void set_options() {
    MYSQL* c = connection_.get();
    mysql_options(c, MYSQL_OPT_CONNECT_TIMEOUT, &connect_seconds_);
    mysql_options(c, MYSQL_OPT_READ_TIMEOUT, &seconds_);
    mysql_options(c, MYSQL_OPT_WRITE_TIMEOUT, &seconds_);
    mysql_options(c, MYSQL_SET_CHARSET_NAME, charset_.c_str());
    if (!option_file_.empty()) mysql_options(c, MYSQL_READ_DEFAULT_FILE, option_file_.c_str());
    if (!option_group_.empty()) mysql_options(c, MYSQL_READ_DEFAULT_GROUP, option_group_.c_str());
    if (!tls_CAfile_.empty() || !tls_CApath_.empty() || !tls_cert_file_.empty()) {
      mysql_ssl_set(c, or_null(tls_key_file_), or_null(tls_cert_file_), or_null(tls_CAfile_),
                    or_null(tls_CApath_), nullptr);
    }
    const my_bool verify = 1;
    if (tls_verify_cert_) mysql_options(c, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
  }

  Error refused(unsigned code, const char* text) {
    return fail({fault_of(code), 0, "connect to MariaDB"}, text);
  }

  Error trouble() {
    const unsigned code = mysql_stmt_errno(statement_.get());
    const Error error{fault_of(code), 0, "MariaDB query"};
    // 1053: shutting down.  1243: the statement is gone.  1927: connection killed.
    const bool broken = (code >= kFirstClientError && code < kFirstClientError + 1000) ||
                        code == 1053 || code == 1243 || code == 1927;
    const char* text = mysql_stmt_error(statement_.get());
    return broken ? lose(error, text) : fail(error, text);
  }

  Result<void> query(std::string_view key, Results& results) override {
    std::vector<std::string> values;
    if (query_.bind(key, values) == Answer::absent) return {};
    if (!execute(values)) return trouble();
    bool any_result = false;
    Result<void> outcome;
    int next = 0;
    // A stored procedure gives several results, the last of them its status.  All must be fetched
    // before the next query.
    for (; next == 0; next = mysql_stmt_next_result(statement_.get())) {
      if (mysql_stmt_field_count(statement_.get()) == 0) continue;
      any_result = true;
      if (outcome.ok()) outcome = add_rows(results);
      mysql_stmt_free_result(statement_.get());
    }
    if (outcome.ok() && next > 0) return trouble();
    if (outcome.ok() && !any_result && require_result_set_) {
      return fail({Fault::retry, 0, "MariaDB query"}, "the query gave no result set");
    }
    return outcome;
  }

  bool execute(std::vector<std::string>& values) {
    std::vector<MYSQL_BIND> binds;
    for (std::string& value : values) binds.push_back(bind_string(value, nullptr, nullptr));
    if (!binds.empty() && mysql_stmt_bind_param(statement_.get(), binds.data()) != 0) return false;
    return mysql_stmt_execute(statement_.get()) == 0;
  }

  Result<void> add_rows(Results& results) {
    const unsigned columns = mysql_stmt_field_count(statement_.get());
    std::vector<unsigned long> lengths(columns);
    std::vector<my_bool> nulls(columns);
    std::vector<MYSQL_BIND> binds;
    // With no room for any column, each fetch sets the lengths.
    std::string nothing;
    for (unsigned i = 0; i < columns; ++i) {
      binds.push_back(bind_string(nothing, &lengths[i], &nulls[i]));
    }
    if (mysql_stmt_bind_result(statement_.get(), binds.data()) != 0) return trouble();
    for (;;) {
      const int code = mysql_stmt_fetch(statement_.get());
      if (code == MYSQL_NO_DATA) return {};
      if (code != 0 && code != MYSQL_DATA_TRUNCATED) return trouble();
      for (unsigned i = 0; i < columns; ++i) {
        if (nulls[i] == 0) QV_TRY_VOID(add_column(i, lengths[i], results));
      }
    }
  }

  Result<void> add_column(unsigned column, std::size_t length, Results& results) {
    if (length > kMaxColumn) {
      return fail({Fault::retry, 0, "MariaDB query"}, "a column is too long");
    }
    std::string text(length, '\0');
    unsigned long got = 0;
    my_bool null = 0;
    MYSQL_BIND bind = bind_string(text, &got, &null);
    if (length > 0 && mysql_stmt_fetch_column(statement_.get(), &bind, column, 0) != 0) {
      return trouble();
    }
    return results.add(text);
  }

  static MYSQL_BIND bind_string(std::string& text, unsigned long* length, my_bool* null) {
    MYSQL_BIND bind{};
    bind.buffer_type = MYSQL_TYPE_STRING;
    bind.buffer = text.data();
    bind.buffer_length = text.size();
    bind.length = length;
    bind.is_null = null;
    return bind;
  }

  const SqlQuery query_ =
      SqlQuery::read(config_, {.backslash_escapes = true, .double_quoted_string = true});
  const std::string user_ = config_.text("user");
  const std::string password_ = config_.text("password");
  const std::string dbname_ = config_.required("dbname");
  const std::string charset_ = config_.text("charset", "utf8mb4");
  const std::string option_file_ = config_.text("option_file");
  const std::string option_group_ = config_.text("option_group", "client");
  const std::string tls_cert_file_ = config_.text("tls_cert_file");
  const std::string tls_key_file_ = config_.text("tls_key_file");
  const std::string tls_CAfile_ = config_.text("tls_CAfile");
  const std::string tls_CApath_ = config_.text("tls_CApath");
  const bool tls_verify_cert_ = config_.yes("tls_verify_cert", false);
  const bool require_result_set_ = config_.yes("require_result_set", true);
  const int connect_seconds_ = config_.milliseconds("connect_timeout", 5) / 1000;
  const int seconds_ = config_.milliseconds("timeout", 10) / 1000;
  std::unique_ptr<MYSQL, FreeWith<mysql_close>> connection_;
  std::unique_ptr<MYSQL_STMT, FreeWith<mysql_stmt_close>> statement_;
};

}  // namespace

extern const MapType map_type_mysql{"mysql", kLoadableTraits,
                                    "/path.cf: a query to a MariaDB or MySQL server",
                                    open_query_map<MysqlMap>};

}  // namespace qv::maps
