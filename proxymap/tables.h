// SPDX-License-Identifier: 0BSD
// proxymap/tables.h - the tables that this process has open, shared by all clients; and their
// flags as clients see them, in both dialects.
//
// A table's maps are opened when they are first needed, and closed when the table has not been used
// for a while.  Of all flags of a client one matters to an open map.
//
// A table has flags of its own: keys are strings or patterns, several may write, and, for file
// formats in which some programs end keys with a NUL and others do not, "try without" and "try
// with".  The latter two are both set until the first entry is found, which settles it.
//
// Since 3.11 Postfix's client carries the flags: the reply to open is what it asked for with the
// table's own flags, every further reply is what it sent with what has been settled meanwhile.
// Before, only open is answered with flags, and shows what the request before had asked for.
//
// Threads: none.  Blocking: opening a table may, and so may asking a networked one.  The server
// does neither to networked tables; it leaves those to its workers, which use this class too.
// Tests: tests/proxymap/tables_test.cc, tests/proxymap/golden_test.cc
#ifndef QV_PROXYMAP_TABLES_H_
#define QV_PROXYMAP_TABLES_H_

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "maps/map.h"
#include "maps/open.h"

namespace qv::proxymap {

enum class KeyEnding : std::uint8_t { unknown, without_nul, with_nul };

// The flags of a table of this type; `pattern` as the type or the open table says.
[[nodiscard]] std::uint32_t own_flags(std::string_view type, bool pattern);

// The answer to open: the table's own flags and those that were asked for.  A client may ask for a
// lock that lasts as long as the table is open; a table with several writers is locked for each use
// instead.
[[nodiscard]] std::uint32_t opened_flags(std::uint32_t own, std::uint32_t asked);

// `flags` without the ending that the table does not have.
[[nodiscard]] std::uint32_t settle(std::uint32_t flags, KeyEnding ending);

struct Table {
  std::string name;  // type:name
  maps::MapKind kind;
  KeyEnding ending = KeyEnding::unknown;
  // The flags of the last request in the plain dialect that can differ from request to request.
  std::optional<std::uint32_t> last_request = {};
  std::int64_t last_used_us = 0;
  std::array<std::unique_ptr<maps::Map>, 2> maps = {};  // with substitution, and without

  [[nodiscard]] std::string_view type() const {
    return std::string_view(name).substr(0, name.find(':'));
  }
  // The table's own flags; of a local table that is open, as the open table says.
  [[nodiscard]] std::uint32_t own() const;
};

class Tables {
 public:
  // Opens a map: open_watched_map(), or a test's.
  using Open =
      std::function<std::unique_ptr<maps::Map>(std::string_view table, const maps::MapOptions&)>;

  // `for_update`: tables of types that can be written are opened so.
  Tables(Open open, bool for_update) : open_(std::move(open)), for_update_(for_update) {}

  // The table of that name, added if it is not there.  Good until close_idle() or drop().
  [[nodiscard]] Table& add(std::string_view name);
  // Closes and forgets a table, if it is there.
  void drop(std::string_view name);
  // Does so with all that were last used before `before_us`.
  void close_idle(std::int64_t before_us);

  // The table's map, opened if it is not; a map that could not be opened answers with the reason.
  [[nodiscard]] maps::Map& map(Table& table, bool no_substitution);

  // A map of its own for one walk over the table.
  [[nodiscard]] std::unique_ptr<maps::Map> private_map(const Table& table) const {
    return open_(table.name, {});
  }

  [[nodiscard]] std::size_t size() const { return tables_.size(); }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };

  Open open_;
  bool for_update_;
  std::unordered_map<std::string, Table, Hash, std::equal_to<>> tables_;
};

}  // namespace qv::proxymap

#endif  // QV_PROXYMAP_TABLES_H_
