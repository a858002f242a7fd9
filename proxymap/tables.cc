// SPDX-License-Identifier: 0BSD
#include "proxymap/tables.h"

#include <utility>

#include "core/text.h"

namespace qv::proxymap {

Table::Table(std::string_view name, const MapKind& kind) : name_(name), kind_(kind) {}

std::string_view Table::type() const {
  std::string_view rest = name_;
  return take_until(rest, ':');
}

std::uint32_t Table::own() const {
  bool pattern = kind_.pattern;
  for (const std::unique_ptr<Map>& map : maps_) {
    if (map) pattern = map->is_pattern();
  }
  // Of a type that is not there every key gives the same, so one look-up per address is enough.
  return own_flags(type(), pattern || !kind_.built_in);
}

Tables::Tables(Open open, bool for_update) : open_(std::move(open)), for_update_(for_update) {}

Table* Tables::find(std::string_view name) {
  const auto at = tables_.find(name);
  return at == tables_.end() ? nullptr : &at->second;
}

Table& Tables::add(std::string_view name) {
  if (Table* table = find(name)) return *table;
  return tables_.try_emplace(std::string(name), name, kind_of(name)).first->second;
}

MapOptions Tables::options(const Table& table, bool no_substitution) const {
  MapOptions out;
  out.no_substitution = no_substitution;
  const std::optional<Traits> traits = traits_of(table.type());
  out.for_update = for_update_ && traits && traits->writable;
  return out;
}

Map& Tables::map(Table& table, bool no_substitution) {
  std::unique_ptr<Map>& map = table.maps_[no_substitution ? 1 : 0];
  if (!map) map = open_(table.name(), options(table, no_substitution));
  return *map;
}

std::unique_ptr<Map> Tables::private_map(const Table& table) {
  MapOptions reading = options(table, false);
  reading.for_update = false;
  return open_(table.name(), reading);
}

std::size_t Tables::close_idle(std::int64_t before_us) {
  return std::erase_if(
      tables_, [before_us](const auto& entry) { return entry.second.last_used_us < before_us; });
}

void Tables::drop(const Table& table) {
  const auto at = tables_.find(table.name());
  if (at != tables_.end()) tables_.erase(at);
}

}  // namespace qv::proxymap
