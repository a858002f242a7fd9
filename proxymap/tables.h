// SPDX-License-Identifier: 0BSD
// proxymap/tables.h - the tables this process has open, shared by all clients.
//
// A Table is a name with what is known about it; its maps are opened when they are first needed,
// once per set of options, and closed when nobody has needed the table for a while.  What a client
// can make of flags boils down to one option that matters to an open map.
//
// Threads: none.  Blocking: opening a table may, and so may asking a networked one: the server does
// neither itself, it leaves networked tables to its workers, which use this class too.
// Tests: tests/proxymap/tables_test.cc
#ifndef QV_PROXYMAP_TABLES_H_
#define QV_PROXYMAP_TABLES_H_

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "maps/map.h"
#include "maps/open.h"
#include "proxymap/flags.h"

namespace qv::proxymap {

class Table {
 public:
  Table(std::string_view name, const MapKind& kind);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::string_view type() const;
  [[nodiscard]] const MapKind& kind() const { return kind_; }

  // The table's own bits; of a local table that is open, as the open table says.
  [[nodiscard]] std::uint32_t own() const;

  KeyEnding ending = KeyEnding::unknown;
  std::uint32_t last_request = 0;  // request bits of the last request in the plain dialect
  bool seen_request = false;
  std::uint64_t approved_in = 0;  // generation of the allow-list that approved it
  std::int64_t last_used_us = 0;

 private:
  friend class Tables;
  std::string name_;
  MapKind kind_;
  std::array<std::unique_ptr<Map>, 2> maps_;
};

class Tables {
 public:
  // How a map is opened; open_watched_map() unless a test says otherwise.
  using Open = std::function<std::unique_ptr<Map>(std::string_view table, const MapOptions&)>;

  // `for_update`: tables of types that can be written are opened so.
  Tables(Open open, bool for_update);

  // The table of that name, or nullptr where it was not added.  Good until close_idle() or drop().
  [[nodiscard]] Table* find(std::string_view name);
  // The same, made if there is none.
  [[nodiscard]] Table& add(std::string_view name);

  // Its open map.  Opens it if it is not; a map that could not be opened answers with the reason.
  [[nodiscard]] Map& map(Table& table, bool no_substitution);

  // A map of the table for one user alone, for walking over it.
  [[nodiscard]] std::unique_ptr<Map> private_map(const Table& table);

  // Closes tables that nobody has used since `before_us`; returns how many.
  std::size_t close_idle(std::int64_t before_us);

  // Forgets a table: it is not approved any more.
  void drop(const Table& table);

  [[nodiscard]] std::size_t size() const { return tables_.size(); }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };
  [[nodiscard]] MapOptions options(const Table& table, bool no_substitution) const;

  Open open_;
  bool for_update_;
  std::unordered_map<std::string, Table, Hash, std::equal_to<>> tables_;
};

}  // namespace qv::proxymap

#endif  // QV_PROXYMAP_TABLES_H_
