// SPDX-License-Identifier: 0BSD
// maps/map.h - a lookup table: one key, at most one value.
//
// A Map answers from memory, a file or a server.  Absence is an answer; being unable to say is a
// Fault, and the two never share a return value.  Keys and values are bytes, NUL included.
//
// Threads: none.  One Map belongs to one event loop.
// Blocking: lookup() may block up to the map's own time limit where Traits::networked says so.
// Owns: the backing file or connection, for its lifetime.
// Manual: qmail-map(5).  Tests: tests/maps/contract_test.cc
#ifndef QV_MAPS_MAP_H_
#define QV_MAPS_MAP_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/result.h"

namespace qv {

enum class Answer : std::uint8_t { found, absent };

// Where a walk over a table stands; says whether the first or the next entry is wanted.
enum class Step : std::uint8_t { first, next };

class Map {
 public:
  virtual ~Map() = default;
  Map() = default;
  Map(const Map&) = delete;
  Map& operator=(const Map&) = delete;

  // found: `value` is the value.  absent: the table is whole and has no such key; `value` is
  // untouched.  Error: cannot say (retry, config), or must not (denied).
  [[nodiscard]] virtual Result<Answer> lookup(std::string_view key, std::string& value) = 0;

  // found: stored, a value was replaced.  absent: stored, the key is new.
  // Fault::denied unless the type can write and the map was opened for it.
  [[nodiscard]] virtual Result<Answer> update(std::string_view key, std::string_view value);

  // found: it is gone.  absent: there was none.  Fault::denied as for update().
  [[nodiscard]] virtual Result<Answer> erase(std::string_view key);

  // Walks the table in no particular order.  absent: there is no further entry.
  // Fault::denied where the type cannot list.
  [[nodiscard]] virtual Result<Answer> sequence(Step step, std::string& key, std::string& value);
};

// What kind of table a type is; fixed for the type, not for one table.
struct Traits {
  bool pattern = false;    // keys are matched against patterns: only whole addresses are asked
  bool networked = false;  // lookup() may wait for another process
  bool writable = false;   // update() and erase() work
  bool listable = false;   // sequence() works
};

// One table as an operator names it: "cdb:/etc/aliases".
struct MapSpec {
  std::string type;         // "cdb"
  std::string name;         // "/etc/aliases"
  bool for_update = false;  // update() and erase() will be called
};

// One constant per type, `map_type_<type>` in maps/<type>.cc; the build collects them.
struct MapType {
  std::string_view name;
  Traits traits;
  std::string_view help;  // one line for `qmail-map types`
  // Opens the table.  On failure `detail` says what the operator needs to know: file, line, reason.
  Result<std::unique_ptr<Map>> (*open)(const MapSpec& spec, std::string& detail);
};

}  // namespace qv

#endif  // QV_MAPS_MAP_H_
