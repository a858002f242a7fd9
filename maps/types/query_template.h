// SPDX-License-Identifier: 0BSD
// maps/types/query_template.h - `query` and `result_format` with their %s, %u, %d, as Postfix's
// tables on servers have them.
//
//   %s  the key                         %S %U %D  the same in a query; in a result format the key's
//   %u  its local part, or all of it              parts, while %s %u %d are the value's
//   %d  its domain                      %1 to %9  labels of the key's domain, the last is %1
//   %%  a per cent sign
//
// A key that lacks a part that is asked for gives no query, and so no result: it is absent.
// Pure.  Manual: qmail-map-sql(5).  Tests: tests/maps/query_test.cc
#ifndef QV_MAPS_TYPES_QUERY_TEMPLATE_H_
#define QV_MAPS_TYPES_QUERY_TEMPLATE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "maps/map.h"
#include "maps/types/query_config.h"

namespace qv {

// Adds `part` to `out` so that it cannot be taken for anything but itself.
using Quote = void (*)(std::string_view part, std::string& out);

void quote_nothing(std::string_view part, std::string& out);

class Template {
 public:
  // False, with the reason in `wrong`: a % with something else behind it.
  [[nodiscard]] static bool parse(std::string_view text, Template& out, std::string& wrong);

  // Appends the expansion to `out`.  `lower` is what %s %u %d stand for, `upper` what the others
  // do.  absent: a part is missing or empty, `out` is unspecified.
  [[nodiscard]] Answer expand(std::string_view lower, std::string_view upper, Quote quote,
                              std::string& out) const;

  [[nodiscard]] bool has_expansions() const;

 private:
  struct Piece {
    std::string text;
    char spec = '\0';  // behind the text; 0: none
  };
  std::vector<Piece> pieces_;
};

// What every table on a server makes of keys and values: `domain`, `result_format`,
// `expansion_limit`.
class QueryRules {
 public:
  // Reads the three parameters; mistakes are noted in `config`.
  explicit QueryRules(QueryConfig& config);

  // False: no query is to be made, the key is absent.  Empty keys; keys without or outside
  // `domain`; where the server knows only text, keys that are not UTF-8 or hold a NUL.
  [[nodiscard]] bool wants(std::string_view key, bool text_only = true) const;

  // Adds one value of the answer to `joined`.  An empty one adds nothing, as in Postfix.
  // Error: more than expansion_limit (retry), or too much altogether.
  [[nodiscard]] Result<void> add(std::string_view key, std::string_view value, std::string& joined,
                                 std::uint64_t& count) const;

 private:
  Template result_format_;
  std::vector<std::string> domains_;
  std::uint64_t limit_ = 0;  // 0: none
};

[[nodiscard]] bool is_utf8(std::string_view s);

}  // namespace qv

#endif  // QV_MAPS_TYPES_QUERY_TEMPLATE_H_
