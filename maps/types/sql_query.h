// SPDX-License-Identifier: 0BSD
// maps/types/sql_query.h - a Postfix `query` turned into a statement with parameters.
//
// In `SELECT x FROM t WHERE u = '%u' AND d = '%d'` each string literal with an expansion in it
// becomes a parameter of the statement, and so does an expansion outside quotes.  The key is never
// part of the SQL text: nothing needs quoting, and nothing can be injected.  An expansion in an
// identifier, a comment or a literal of another kind is a configuration error.
// Pure.  Manual: qmail-map-sql(5).  Tests: tests/maps/query_test.cc
#ifndef QV_MAPS_TYPES_SQL_QUERY_H_
#define QV_MAPS_TYPES_SQL_QUERY_H_

#include <string>
#include <string_view>
#include <vector>

#include "maps/types/query_template.h"

namespace qv {

struct SqlDialect {
  bool numbered = false;              // $1, $2 (PostgreSQL), not ?
  bool backslash_escapes = false;     // in string literals (MySQL)
  bool double_quoted_string = false;  // "..." is a string (MySQL), not an identifier
};

class SqlQuery {
 public:
  // False, with the reason in `wrong`.
  [[nodiscard]] static bool parse(std::string_view query, const SqlDialect& dialect, SqlQuery& out,
                                  std::string& wrong);
  // Parses the parameter `query`; a mistake in it is a problem of `config`.
  [[nodiscard]] static SqlQuery read(QueryConfig& config, const SqlDialect& dialect);

  [[nodiscard]] const std::string& statement() const { return statement_; }
  [[nodiscard]] std::size_t parameters() const { return parameters_.size(); }

  // Sets the values of the parameters for `key`.  absent: the key lacks a part of the query.
  [[nodiscard]] Answer bind(std::string_view key, std::vector<std::string>& values) const;

 private:
  std::string statement_;
  std::vector<Template> parameters_;
};

}  // namespace qv

#endif  // QV_MAPS_TYPES_SQL_QUERY_H_
