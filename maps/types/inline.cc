// SPDX-License-Identifier: 0BSD
// inline:{ key=value, { key = text with blanks } } - a table in its own name, as Postfix's.
// Manual: qmail-map-static(5).
#include "maps/spec.h"
#include "maps/types/memory_table.h"

namespace qv {

namespace {

Result<std::unique_ptr<Map>> open_inline(const MapSpec& spec, std::string& detail) {
  const auto fail = [&](std::string reason) {
    detail = "inline:" + spec.name + ": " + std::move(reason);
    return Error{Fault::config, 0, "inline table"};
  };
  std::vector<std::string_view> elements;
  if (!is_braced(trim_white(spec.name)) || !split_list(strip_braces(spec.name), elements)) {
    return fail("write inline:{ key=value, { key = text } }");
  }
  if (elements.empty()) return fail("no entry");
  auto table = std::make_unique<MemoryTable>();
  for (const std::string_view element : elements) {
    std::string_view key;
    std::string_view value;
    if (!split_assignment(strip_braces(element), key, value)) {
      return fail("\"" + std::string(element) + "\" is not key=value");
    }
    const std::string folded = spec.options.fold_keys ? fold_key(key) : std::string(key);
    if (table->add(folded, value) == Answer::found) return fail("key twice: " + folded);
  }
  return std::unique_ptr<Map>(std::move(table));
}

}  // namespace

extern const MapType map_type_inline;
const MapType map_type_inline{
    "inline", {.listable = true}, "{ key=value, ... }: a table in its own name", open_inline};

}  // namespace qv
