// SPDX-License-Identifier: 0BSD
// maps/map.h - a lookup table: one key, at most one value.
//
// A Map answers from memory, a file or a server.  Absence is an answer; being undecided is a Fault,
// and the two never share a return value.  Keys and values are bytes, NUL included.
//
// Threads: none.  One Map belongs to one event loop.
// Blocking: lookup() may block up to the map's own time limit where Traits::networked says so.
// Owns: the backing file or connection, for its lifetime.
// Manual: qmail-map(5).  Tests: tests/maps/contract_test.cc
#ifndef QV_MAPS_MAP_H_
#define QV_MAPS_MAP_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "maps/source.h"

namespace qv::maps {

class CdbFile;

enum class Answer : std::uint8_t { found, absent };

// Of a walk over a table: whether the first or the next entry is wanted.
enum class Step : std::uint8_t { first, next };

class Map {
 public:
  virtual ~Map() = default;
  Map() = default;
  Map(const Map&) = delete;
  Map& operator=(const Map&) = delete;

  // found: `value` is the value.  absent: the table is whole and has no such key; `value` is
  // untouched.  Error: undecided (retry, config), or not allowed (denied).
  [[nodiscard]] virtual Result<Answer> lookup(std::string_view key, std::string& value) = 0;

  // Called for each key, in order, with the result of lookup().  `value` is set where the answer is
  // found, and good until the call returns.
  using Told =
      std::function<void(std::size_t index, const Result<Answer>& answer, std::string_view value)>;
  // Looks up all the keys, which may be much faster than one at a time.
  virtual void lookup_many(std::span<const std::string_view> keys, const Told& told);

  // found: stored, a value was replaced.  absent: stored, the key is new.
  // Fault::denied unless the type can write and the map was opened for it.
  [[nodiscard]] virtual Result<Answer> update(std::string_view /*key*/,
                                              std::string_view /*value*/) {
    return Error{Fault::denied, 0, "this table cannot be written"};
  }

  // found: erased.  absent: there was none.  Fault::denied as for update().
  [[nodiscard]] virtual Result<Answer> erase(std::string_view /*key*/) {
    return Error{Fault::denied, 0, "this table cannot be written"};
  }

  // Walks the table in no particular order.  absent: there is no further entry.
  // Fault::denied where the type cannot list.
  [[nodiscard]] virtual Result<Answer> sequence(Step /*step*/, std::string& /*key*/,
                                                std::string& /*value*/) {
    return Error{Fault::denied, 0, "this table cannot be listed"};
  }

  // True: look only whole addresses up; keys are matched against patterns, or the table has a
  // search order of its own.  The trait of the type, unless the table is made of other tables.
  [[nodiscard]] virtual bool is_pattern() const { return false; }

  // True: the table is known to hold no entry at all.  False: it holds some, or that is unknown (a
  // query to a server).
  [[nodiscard]] virtual bool is_empty() { return false; }

  // The file in which lookup() searches for an unchanged key, for prefetching; null where there is
  // none.  Good until the next look-up.
  [[nodiscard]] virtual const CdbFile* cdb() const { return nullptr; }

  // The files that this table was read from, as they were then.
  [[nodiscard]] virtual const std::vector<control::SourceStamp>& sources() const {
    return sources_;
  }

  // What the operator needs to know about the last Error of this table, one line; empty where the
  // Error says it all.
  [[nodiscard]] virtual std::string detail() const { return detail_; }

 protected:
  std::vector<control::SourceStamp> sources_;
  std::string detail_;
};

// What kind of table a type is; fixed for the type, not for one table.
struct Traits {
  bool pattern = false;    // keys are matched against patterns: only whole addresses are asked
  bool networked = false;  // lookup() may wait for another process
  bool writable = false;   // update() and erase() work
  bool listable = false;   // sequence() works

  friend bool operator==(const Traits&, const Traits&) = default;
};

// How to open a table; each option can come with a request to a proxy.
struct MapOptions {
  bool for_update = false;       // update() and erase() will be called
  bool no_substitution = false;  // $1 in a pattern table's result is a configuration error
  bool fold_keys = false;        // lower-case keys (A to Z), unless they are matched with patterns
  bool refuse_empty = false;     // a table that is_empty() answers Fault::config, never absent

  friend bool operator==(const MapOptions&, const MapOptions&) = default;
};

// One table as an operator names it: "cdb:/etc/aliases".
struct MapSpec {
  std::string type;  // "cdb"
  std::string name;  // "/etc/aliases"
  MapOptions options;
};

class AtomicFile;
class TableBuilder;
enum class Duplicates : std::uint8_t;

// Called for each entry that was left out because its key was there.
using DuplicateNotice = std::function<void(std::string_view key)>;

// Begins a table in `file`; see TableBuilder::begin().
using BeginTable = Result<std::unique_ptr<TableBuilder>> (*)(AtomicFile file, Duplicates duplicates,
                                                             DuplicateNotice notice,
                                                             std::string& detail);

// One constant per type, `map_type_<type>` in maps/types/<type>.cc; the build collects them.
struct MapType {
  std::string_view name;
  Traits traits;
  std::string_view help;  // one line for `qmail-map types`
  // Opens the table.  On failure `detail` tells the operator file, line and reason; on success it
  // holds warnings, one per line, mostly none.
  Result<std::unique_ptr<Map>> (*open)(const MapSpec& spec, std::string& detail);

  // For a type whose tables are built as a whole: the end of its files' names, ".cdb", and its
  // builder (maps/table_builder.h).
  std::string_view suffix = {};
  BeginTable begin = nullptr;
};

}  // namespace qv::maps

#endif  // QV_MAPS_MAP_H_
