// SPDX-License-Identifier: 0BSD
// maps/types/query_config.h - the file that describes a table on a server, `name = value` on each
// line.
//
// Postfix's parameter names and logical lines.  A parameter that the type does not read is most
// likely misspelt: problems() says so.
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

namespace qv::maps {

class QueryConfig {
 public:
  // Reads the file.  Errors, with file and line in `detail`: cannot read it, not `name = value`, a
  // name twice (config).
  [[nodiscard]] static Result<QueryConfig> read(const std::string& path, std::string& detail);
  // The same for text in memory; `where` names it in messages.
  [[nodiscard]] static Result<QueryConfig> parse(std::string_view text, std::string_view where,
                                                 std::string& detail);

  // The value of a parameter, or the fallback.  A value that the functions below cannot use is a
  // problem.
  [[nodiscard]] std::string text(const std::string& name, std::string_view fallback = {});
  // The value of a parameter that must be there.
  [[nodiscard]] std::string required(const std::string& name);
  [[nodiscard]] bool has(const std::string& name) const { return values_.count(name) != 0; }
  // A decimal number from min to max.
  [[nodiscard]] std::uint64_t number(const std::string& name, std::uint64_t fallback,
                                     std::uint64_t min, std::uint64_t max);
  // Seconds, or with the suffix s or m; in milliseconds.  1 s to 1 h.
  [[nodiscard]] int milliseconds(const std::string& name, std::uint64_t fallback_seconds);
  // yes or no.
  [[nodiscard]] bool yes(const std::string& name, bool fallback);
  // Elements separated by commas or white space.
  [[nodiscard]] std::vector<std::string> list(const std::string& name,
                                              std::string_view fallback = {});

  // All problems, one per line; empty where there is none: those that were added, and parameters
  // that the type does not read.
  [[nodiscard]] std::string problems() const;
  void add_problem(const std::string& problem);

  [[nodiscard]] const control::SourceStamp& stamp() const { return stamp_; }

 private:
  std::string where_;
  control::SourceStamp stamp_;
  std::map<std::string, std::string, std::less<>> values_;
  std::set<std::string, std::less<>> read_;
  std::vector<std::string> problems_;
};

// A host as tables on servers write it: `unix:/path`, `inet:host:port`, `host:port`, `host`.
struct ServerHost {
  std::string path;  // of a Unix socket; empty: there is none
  std::string name;  // without the brackets of an IPv6 address
  std::string port;  // empty: none is given
};
[[nodiscard]] ServerHost parse_server_host(std::string_view text);

}  // namespace qv::maps

#endif  // QV_MAPS_TYPES_QUERY_CONFIG_H_
