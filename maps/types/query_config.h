// SPDX-License-Identifier: 0BSD
// maps/types/query_config.h - the file that describes a table on a server, `name = value` on each
// line.
//
// Postfix's parameter names and logical lines.  A parameter that no part of the type asks for is
// most likely misspelt: problems() says so.
// Threads: none.  Manual: qmail-map-sql(5).  Tests: tests/maps/query_test.cc
#ifndef QV_MAPS_TYPES_QUERY_CONFIG_H_
#define QV_MAPS_TYPES_QUERY_CONFIG_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "maps/source.h"

namespace qv {

class QueryConfig {
 public:
  // Reads the file.  Errors, with file and line in `detail`: cannot read it, not `name = value`, a
  // name twice (config).
  [[nodiscard]] static Result<QueryConfig> read(const std::string& path, std::string& detail);
  // The same for text in memory; `where` names it in messages.
  [[nodiscard]] static Result<QueryConfig> parse(std::string_view text, std::string_view where,
                                                 std::string& detail);

  // The value of a parameter, or the fallback.
  [[nodiscard]] std::string text(const std::string& name, std::string_view fallback = {});
  [[nodiscard]] bool has(const std::string& name) const { return values_.count(name) != 0; }
  // Decimal, min to max; a problem is noted otherwise.
  [[nodiscard]] std::uint64_t number(const std::string& name, std::uint64_t fallback,
                                     std::uint64_t min, std::uint64_t max);
  // Seconds, or with the suffix s or m; in milliseconds.  1 s to 1 h.
  [[nodiscard]] int milliseconds(const std::string& name, std::uint64_t fallback_seconds);
  // yes or no.
  [[nodiscard]] bool yes(const std::string& name, bool fallback);
  // Elements separated by commas or white space.
  [[nodiscard]] std::vector<std::string> list(const std::string& name,
                                              std::string_view fallback = {});

  // Everything wrong, one per line, empty where nothing is: what was noted, `needed` parameters
  // that are missing, names that nobody asked for.
  [[nodiscard]] std::string problems(const std::vector<std::string>& needed) const;
  void note(const std::string& problem);

  [[nodiscard]] const std::string& where() const { return where_; }
  [[nodiscard]] const SourceStamp& stamp() const { return stamp_; }

 private:
  std::string where_;
  SourceStamp stamp_;
  std::map<std::string, std::string, std::less<>> values_;
  std::set<std::string, std::less<>> asked_;
  std::vector<std::string> noted_;
};

}  // namespace qv

#endif  // QV_MAPS_TYPES_QUERY_CONFIG_H_
