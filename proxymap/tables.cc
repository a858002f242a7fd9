// SPDX-License-Identifier: 0BSD
#include "proxymap/tables.h"

#include "wire/proxymap.h"

namespace qv::proxymap {

std::uint32_t own_flags(std::string_view type, bool pattern) {
  std::uint32_t flags = pattern ? wire::proxymap::flag::kPattern : wire::proxymap::flag::kFixed;
  if (type == "cdb" || type == "lmdb")
    flags |= wire::proxymap::flag::kTryWithoutNul | wire::proxymap::flag::kTryWithNul;
  if (type == "lmdb") flags |= wire::proxymap::flag::kMultiWriter;
  return flags;
}

std::uint32_t opened_flags(std::uint32_t own, std::uint32_t asked) {
  const std::uint32_t flags = own | asked;
  if ((own & wire::proxymap::flag::kMultiWriter) == 0 ||
      (asked & wire::proxymap::flag::kOpenLock) == 0)
    return flags;
  return (flags & ~wire::proxymap::flag::kOpenLock) | wire::proxymap::flag::kLock;
}

std::uint32_t settle(std::uint32_t flags, KeyEnding ending) {
  switch (ending) {
    case KeyEnding::unknown:
      return flags;
    case KeyEnding::without_nul:
      return flags & ~wire::proxymap::flag::kTryWithNul;
    case KeyEnding::with_nul:
      return flags & ~wire::proxymap::flag::kTryWithoutNul;
  }
  return flags;
}

std::uint32_t Table::own() const {
  bool pattern = kind.pattern;
  for (const std::unique_ptr<maps::Map>& map : maps) {
    if (map) pattern = map->is_pattern();
  }
  // A type that is missing answers every key alike: one look-up per address is enough.
  return own_flags(type(), pattern || !kind.built_in);
}

Table& Tables::add(std::string_view name) {
  const auto at = tables_.find(name);
  if (at != tables_.end()) return at->second;
  std::string key(name);
  return tables_.emplace(key, Table{.name = key, .kind = maps::kind_of(name)}).first->second;
}

void Tables::drop(std::string_view name) {
  const auto at = tables_.find(name);
  if (at != tables_.end()) tables_.erase(at);
}

void Tables::close_idle(std::int64_t before_us) {
  std::erase_if(tables_,
                [before_us](const auto& entry) { return entry.second.last_used_us < before_us; });
}

maps::Map& Tables::map(Table& table, bool no_substitution) {
  std::unique_ptr<maps::Map>& map = table.maps[no_substitution ? 1 : 0];
  if (map) return *map;
  const std::optional<maps::Traits> traits = maps::traits_of(table.type());
  const bool for_update = for_update_ && traits && traits->writable;
  map = open_(table.name, {.for_update = for_update, .no_substitution = no_substitution});
  return *map;
}

}  // namespace qv::proxymap
