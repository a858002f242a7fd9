// SPDX-License-Identifier: 0BSD
// maps/types/query.h - `query` and `result_format` with their %s, %u, %d, as Postfix's tables on
// servers have them.
//
//   %s  the key                         %S %U %D  the same in a query; in a result format the key's
//   %u  its local part, or all of it              parts, while %s %u %d are the value's
//   %d  its domain                      %1 to %9  labels of the key's domain, the last is %1
//   %%  a per cent sign
//
// A key that lacks a part of the template is absent: no query is made.
// Pure.  Manual: qmail-map-sql(5).  Tests: tests/maps/query_test.cc
#ifndef QV_MAPS_TYPES_QUERY_H_
#define QV_MAPS_TYPES_QUERY_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "maps/map.h"
#include "maps/types/query_config.h"

namespace qv::maps {

// Appends `part` to `out`, escaped so that nothing in it is special.
using Quote = void (*)(std::string_view part, std::string& out);

class Template {
 public:
  // False, with the reason in `wrong`: a % with something else behind it.
  [[nodiscard]] static bool parse(std::string_view text, Template& out, std::string& wrong);
  // Parses a parameter; a mistake in it is a problem of `config`.
  [[nodiscard]] static Template read(QueryConfig& config, const std::string& name,
                                     std::string_view fallback);

  // Appends the expansion to `out`.  %s %u %d are parts of `lower`, all others of `upper`.
  // absent: a part is missing or empty, `out` is unspecified.
  [[nodiscard]] Answer expand(std::string_view lower, std::string_view upper, std::string& out,
                              Quote quote = nullptr) const;

  [[nodiscard]] bool has_expansions() const;

 private:
  struct Piece {
    std::string text;
    char spec = '\0';  // behind the text; 0: none
  };
  std::vector<Piece> pieces_;
};

struct SqlDialect {
  bool numbered = false;              // $1, $2 (PostgreSQL), not ?
  bool backslash_escapes = false;     // in string literals (MySQL)
  bool double_quoted_string = false;  // "..." is a string (MySQL), not an identifier
};

// A `query` turned into a statement with parameters.  In `SELECT x FROM t WHERE u = '%u' AND d =
// '%d'` each string literal with an expansion in it becomes a parameter of the statement, and so
// does an expansion outside quotes.  The key is never part of the SQL text: nothing needs quoting,
// and nothing can be injected.  An expansion in an identifier, a comment or a literal of another
// kind is a configuration error.
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

// What every table on a server makes of keys and values: `domain`, `result_format`,
// `expansion_limit`.
struct QueryRules {
  // Reads the three parameters.
  explicit QueryRules(QueryConfig& config);

  // False: no query is to be made, the key is absent.  Empty keys; keys without or outside
  // `domain`; where the server knows only text, keys that are not UTF-8 or hold a NUL.
  [[nodiscard]] bool wants(std::string_view key) const;

  bool text_only = true;
  Template result_format;
  std::uint64_t limit;  // 0: none
  std::vector<std::string> domains;
};

// The values that a server gives for one key, formatted and joined with commas.
class Results {
 public:
  // REQUIRES: both outlive this object.
  Results(const QueryRules& rules, std::string_view key) : rules_(rules), key_(key) {}

  // Adds one value.  An empty one adds nothing, as in Postfix.  Error: more than expansion_limit,
  // or too much altogether (retry).
  [[nodiscard]] Result<void> add(std::string_view value);

  // found: `value` is set.  absent: nothing was added.
  [[nodiscard]] Answer take(std::string& value);

 private:
  const QueryRules& rules_;
  std::string_view key_;
  std::string joined_;
  std::uint64_t count_ = 0;
};

[[nodiscard]] bool is_utf8(std::string_view s);

}  // namespace qv::maps

#endif  // QV_MAPS_TYPES_QUERY_H_
