// SPDX-License-Identifier: 0BSD
#include "maps/table_builder.h"

#include <utility>

#include "maps/registry.h"
#include "maps/spec.h"

namespace qv::maps {

Result<std::unique_ptr<TableBuilder>> TableBuilder::begin(std::string_view target,
                                                          const std::optional<FileOwner>& source,
                                                          Duplicates duplicates,
                                                          DuplicateNotice notice,
                                                          std::string& detail) {
  std::string_view type_name;
  std::string_view name;
  const bool good = split_type(strip_braces(target), type_name, name) && !name.empty();
  // No module can build a table, so none is loaded.
  const MapType* type = nullptr;
  std::string buildable;
  for (const MapType* each : built_in_types()) {
    if (each->begin == nullptr) continue;
    buildable += " " + std::string(each->name);
    if (good && each->name == type_name) type = each;
  }
  if (type == nullptr) {
    detail = std::string(target) +
             ": a table that can be built is type:name, with a type out of:" + buildable;
    return Error{Fault::config, 0, "table to build"};
  }
  const std::string path = with_suffix(strip_braces(name), type->suffix);
  QV_TRY(AtomicFile file, AtomicFile::create(path, source, detail));
  return type->begin(std::move(file), duplicates, std::move(notice), detail);
}

}  // namespace qv::maps
