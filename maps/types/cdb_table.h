// SPDX-License-Identifier: 0BSD
// maps/types/cdb_table.h - a cdb and the stamp of its file: what every type on cdb shares.
#ifndef QV_MAPS_TYPES_CDB_TABLE_H_
#define QV_MAPS_TYPES_CDB_TABLE_H_

#include <string>

#include "maps/cdb_file.h"
#include "maps/map.h"

namespace qv::maps {

struct CdbTable {
  CdbFile file;
  control::SourceStamp stamp;
};

// In files up to this size open_cdb_table() checks that a look-up finds the key of each record.
inline constexpr std::uint64_t kMaxChecked = std::uint64_t{64} << 20;  // bytes

// Maps the file and guards against its being cut short; `detail` names the file on an Error.
[[nodiscard]] Result<CdbTable> open_cdb_table(const std::string& path, std::string& detail);

// A table that is one cdb.  sequence() gives the records as they stand in the file.
class CdbBasedMap : public Map {
 public:
  explicit CdbBasedMap(CdbTable table);

  Result<Answer> sequence(Step step, std::string& key, std::string& value) override;
  bool is_empty() override { return empty_; }

 protected:
  [[nodiscard]] const CdbFile& file() const { return table_.file; }

  // The first record has a key without a NUL at its end, and so has every other: either all keys of
  // a table end in one or none does.
  bool plain_keys_ = false;

 private:
  CdbTable table_;
  std::uint32_t position_ = 0;
  bool empty_ = false;
};

}  // namespace qv::maps

#endif  // QV_MAPS_TYPES_CDB_TABLE_H_
