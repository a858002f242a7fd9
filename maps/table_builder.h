// SPDX-License-Identifier: 0BSD
// maps/table_builder.h - makes a whole new table in the place of another: what `qmail-map build`,
// `convert` and `assign` write to.
//
// The new table is visible when it is whole and on disk; until then, and after any Error, the old
// one is.
// Threads: none.  Manual: qmail-map(1).  Tests: tests/e2e/maps.py
#ifndef QV_MAPS_TABLE_BUILDER_H_
#define QV_MAPS_TABLE_BUILDER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"
#include "maps/atomic_file.h"
#include "maps/map.h"

namespace qv::maps {

// Which of several entries with one key stays.
enum class Duplicates : std::uint8_t { keep_first, keep_last, keep_all };

class TableBuilder {
 public:
  virtual ~TableBuilder() = default;
  TableBuilder() = default;
  TableBuilder(const TableBuilder&) = delete;
  TableBuilder& operator=(const TableBuilder&) = delete;

  // Begins a table `type:name`, cdb or lmdb.  `duplicates`: which of several entries with one key
  // stays; `notice` is called for each of the others.  Errors: another type (config), and those of
  // AtomicFile::create(); `detail` says why, on success it may hold a warning.
  [[nodiscard]] static Result<std::unique_ptr<TableBuilder>> begin(
      std::string_view target, const std::optional<FileOwner>& source, Duplicates duplicates,
      DuplicateNotice notice, std::string& detail);

  [[nodiscard]] virtual Result<void> add(std::string_view key, std::string_view value) = 0;

  // Puts the table in its place.  After it, no other call is allowed.
  [[nodiscard]] virtual Result<void> finish(std::string& detail) = 0;
};

}  // namespace qv::maps

#endif  // QV_MAPS_TABLE_BUILDER_H_
