// SPDX-License-Identifier: 0BSD
// Queries and table names: the SQL scanner, the templates, the list of tables.
// No statement may hold a byte of the key.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "maps/spec.h"
#include "maps/types/query.h"

namespace {

void require(bool condition) {
  if (!condition) abort();
}

void try_sql(std::string_view text, const qv::maps::SqlDialect& dialect) {
  qv::maps::SqlQuery query;
  std::string wrong;
  if (!qv::maps::SqlQuery::parse(text, dialect, query, wrong)) {
    require(!wrong.empty());
    return;
  }
  const std::string before = query.statement();
  std::vector<std::string> values;
  const qv::maps::Answer bound = query.bind("lo'cal@do.ma.in", values);
  require(bound == qv::maps::Answer::absent || values.size() == query.parameters());
  require(query.statement() == before);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try_sql(text, {});
  try_sql(text, {.numbered = true});
  try_sql(text, {.backslash_escapes = true, .double_quoted_string = true});
  std::vector<std::string_view> elements;
  if (qv::maps::split_list(text, elements)) {
    for (const std::string_view element : elements) require(!element.empty());
  }
  std::string detail;
  auto config = qv::maps::QueryConfig::parse(text, "fuzz", detail);
  if (config.ok()) {
    const qv::maps::QueryRules rules(config.value());
    static_cast<void>(rules.wants(text));
  }
  return 0;
}
