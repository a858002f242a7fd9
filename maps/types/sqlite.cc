// SPDX-License-Identifier: 0BSD
//@ needs: sqlite3
// sqlite:/path/to/file.cf - an SQLite database, asked with a query.
//
// Parameters: dbpath, query, timeout, and those of every table with a query.  The key is bound,
// never part of the SQL text.  Manual: qmail-map-sql(5).
#include <sqlite3.h>
#include <string.h>

#include "core/clock.h"
#include "core/fault.h"
#include "maps/registry.h"
#include "maps/types/server_map.h"

namespace qv::maps {

namespace {

constexpr int kStepsBetweenLooks = 10'000;  // of SQLite's machine, between looks at the clock

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

class SqliteMap final : public QueryMap {
 public:
  explicit SqliteMap(QueryConfig config) : QueryMap(std::move(config)) {
    hosts_.push_back(config_.required("dbpath"));
  }

  // A file, unlike a server, is opened at once: a wrong one shows when the table is opened.
  Result<void> open(std::string& detail) override {
    QV_TRY_VOID(QueryMap::open(detail));
    const Result<void> done = be_connected();
    if (!done.ok()) detail = detail_;
    return done;
  }

 private:
  Result<void> connect(const std::string& path) override {
    // SQLite itself opens nothing before the first statement, and notices changes of the contents;
    // it does not notice that another file has taken the name.
    control::SourceStamp database{control::take_stamp(path.c_str()), path};
    database.identity_only = true;
    sources_ = {config_.stamp(), database};
    if (const int code = database.errnum) {
      return fail({fault_from_errno(code), code, "open"}, strerrordesc_np(code));
    }
    sqlite3* db = nullptr;
    const int code = sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READONLY, nullptr);
    db_.reset(db);
    if (code != SQLITE_OK) return failed(code);
    sqlite3_busy_timeout(db, timeout_ms_);
    sqlite3_progress_handler(db, kStepsBetweenLooks, look_at_clock, &deadline_us_);
    set_deadline();
    sqlite3_stmt* statement = nullptr;
    const std::string& text = query_.statement();
    const int prepared = sqlite3_prepare_v3(db, text.data(), static_cast<int>(text.size()),
                                            SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    statement_.reset(statement);
    if (prepared != SQLITE_OK || statement == nullptr) return failed(prepared);
    return {};
  }
  void disconnect() override {
    statement_.reset();
    db_.reset();
  }

  Result<void> query(std::string_view key, Results& results) override {
    std::vector<std::string> values;
    if (query_.bind(key, values) == Answer::absent) return {};
    for (std::size_t i = 0; i < values.size(); ++i) {
      sqlite3_bind_text64(statement_.get(), static_cast<int>(i) + 1, values[i].data(),
                          values[i].size(), SQLITE_STATIC, SQLITE_UTF8);
    }
    set_deadline();
    Result<void> done = add_rows(results);
    sqlite3_reset(statement_.get());
    sqlite3_clear_bindings(statement_.get());
    return done;
  }

  Result<void> add_rows(Results& results) {
    for (;;) {
      const int code = sqlite3_step(statement_.get());
      if (code == SQLITE_DONE) return {};
      if (code != SQLITE_ROW) return failed(code);
      for (int i = 0; i < sqlite3_column_count(statement_.get()); ++i) {
        const auto* text = static_cast<const char*>(sqlite3_column_blob(statement_.get(), i));
        const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), i));
        if (text == nullptr) continue;  // NULL, or empty
        QV_TRY_VOID(results.add({text, size}));
      }
    }
  }

  Error failed(int code) {
    return fail({fault_of(code), 0, "SQLite"}, db_ ? sqlite3_errmsg(db_.get()) : "out of memory");
  }

  void set_deadline() { deadline_us_ = monotonic_us() + std::int64_t{1000} * timeout_ms_; }

  const SqlQuery query_ = SqlQuery::read(config_, {});
  const int timeout_ms_ = config_.milliseconds("timeout", 10);
  std::int64_t deadline_us_ = 0;
  std::unique_ptr<sqlite3, FreeWith<sqlite3_close_v2>> db_;
  std::unique_ptr<sqlite3_stmt, FreeWith<sqlite3_finalize>> statement_;
};

}  // namespace

// A writer may hold the database for as long as it likes, and a look-up waits: as for a server.
extern const MapType map_type_sqlite{"sqlite", kLoadableTraits,
                                     "/path.cf: a query to an SQLite database",
                                     open_query_map<SqliteMap>};

}  // namespace qv::maps
