// SPDX-License-Identifier: 0BSD
//@ needs: sqlite3
// sqlite:/path/to/file.cf - an SQLite database, asked with a query.
//
// Parameters: dbpath, query, timeout, and those of every table with a query.  The key is bound,
// never part of the SQL text.  Manual: qmail-map-sql(5).
#include <errno.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "core/fault.h"
#include "maps/spec.h"
#include "maps/types/server_map.h"
#include "maps/types/sql_query.h"

namespace qv {

namespace {

constexpr int kStepsBetweenLooks = 10'000;  // of SQLite's machine, between looks at the clock

struct CloseDatabase {
  void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
};
struct FinalizeStatement {
  void operator()(sqlite3_stmt* s) const { sqlite3_finalize(s); }
};

Fault fault_of(int code) {
  switch (code & 0xff) {
    case SQLITE_ERROR:  // no such table, syntax
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return Fault::config;
    default:
      return Fault::retry;
  }
}

extern "C" int look_at_clock(void* deadline_us) {
  return monotonic_us() > *static_cast<const std::int64_t*>(deadline_us) ? 1 : 0;
}

class SqliteMap final : public Map {
 public:
  SqliteMap(QueryRules rules, SqlQuery query, int timeout_ms)
      : rules_(std::move(rules)), query_(std::move(query)), timeout_ms_(timeout_ms) {}

  Result<void> open(const std::string& path, std::string& detail) {
    path_ = path;
    // SQLite itself opens nothing before the first statement.
    struct stat st {};
    if (stat(path.c_str(), &st) != 0) {
      const Error error = errno_error("open");
      detail = describe_error(error, path);
      return error;
    }
    sqlite3* db = nullptr;
    const int code = sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READONLY, nullptr);
    db_.reset(db);
    if (code != SQLITE_OK) return fail(code, detail);
    sqlite3_busy_timeout(db, timeout_ms_);
    sqlite3_progress_handler(db, kStepsBetweenLooks, look_at_clock, &deadline_us_);
    deadline_us_ = monotonic_us() + std::int64_t{1000} * timeout_ms_;
    sqlite3_stmt* statement = nullptr;
    const std::string& text = query_.statement();
    const int prepared = sqlite3_prepare_v3(db, text.data(), static_cast<int>(text.size()),
                                            SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    statement_.reset(statement);
    if (prepared != SQLITE_OK || statement == nullptr) return fail(prepared, detail);
    return {};
  }
  void add_source(SourceStamp stamp) { stamps_.push_back(std::move(stamp)); }

  Result<Answer> lookup(std::string_view key, std::string& value) override {
    std::vector<std::string> values;
    if (!rules_.wants(key) || query_.bind(key, values) == Answer::absent) return Answer::absent;
    for (std::size_t i = 0; i < values.size(); ++i) {
      sqlite3_bind_text64(statement_.get(), static_cast<int>(i) + 1, values[i].data(),
                          values[i].size(), SQLITE_STATIC, SQLITE_UTF8);
    }
    deadline_us_ = monotonic_us() + std::int64_t{1000} * timeout_ms_;
    Result<Answer> answer = collect(key, value);
    sqlite3_reset(statement_.get());
    sqlite3_clear_bindings(statement_.get());
    return answer;
  }
  void sources(std::vector<SourceStamp>& out) const override {
    out.insert(out.end(), stamps_.begin(), stamps_.end());
  }
  std::string detail() const override { return detail_; }

 private:
  Error fail(int code, std::string& detail) const {
    detail = path_ + ": " + (db_ ? sqlite3_errmsg(db_.get()) : "out of memory");
    return {fault_of(code), 0, "SQLite"};
  }

  Result<Answer> collect(std::string_view key, std::string& value) {
    std::string joined;
    std::uint64_t count = 0;
    for (;;) {
      const int code = sqlite3_step(statement_.get());
      if (code == SQLITE_DONE) break;
      if (code != SQLITE_ROW) return fail(code, detail_);
      for (int i = 0; i < sqlite3_column_count(statement_.get()); ++i) {
        const auto* text = static_cast<const char*>(sqlite3_column_blob(statement_.get(), i));
        const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), i));
        if (text == nullptr) continue;  // NULL, or empty
        QV_TRY_VOID(rules_.add(key, {text, size}, joined, count));
      }
    }
    if (count == 0) return Answer::absent;
    value = std::move(joined);
    return Answer::found;
  }

  QueryRules rules_;
  SqlQuery query_;
  int timeout_ms_;
  std::string path_;
  std::int64_t deadline_us_ = 0;
  std::unique_ptr<sqlite3, CloseDatabase> db_;
  std::unique_ptr<sqlite3_stmt, FinalizeStatement> statement_;
  std::vector<SourceStamp> stamps_;
  std::string detail_;
};

Result<std::unique_ptr<Map>> open_sqlite(const MapSpec& spec, std::string& detail) {
  QV_TRY(QueryConfig config, QueryConfig::read(std::string(strip_braces(spec.name)), detail));
  QueryRules rules(config);
  SqlQuery query;
  std::string wrong;
  if (!SqlQuery::parse(config.text("query"), {}, query, wrong)) config.note("query: " + wrong);
  const std::string dbpath = config.text("dbpath");
  const int timeout_ms = config.milliseconds("timeout", 10);
  QV_TRY_VOID(check_config(config, {"dbpath", "query"}, detail));
  auto map = std::make_unique<SqliteMap>(std::move(rules), std::move(query), timeout_ms);
  QV_TRY_VOID(map->open(dbpath, detail));
  map->add_source(config.stamp());
  // Changes of its contents are seen by SQLite; only another file under the name is not.
  SourceStamp database{take_stamp(dbpath.c_str()), dbpath};
  database.identity_only = true;
  if (database.errnum == 0) map->add_source(std::move(database));
  return std::unique_ptr<Map>(std::move(map));
}

}  // namespace

extern const MapType map_type_sqlite;
// A writer may hold the database for as long as it likes, and who asks waits: as for a server.
const MapType map_type_sqlite{
    "sqlite", {.networked = true}, "/path.cf: a query to an SQLite database", open_sqlite};

}  // namespace qv
