// SPDX-License-Identifier: 0BSD
// maps/types/cdb_table.h - a cdb and the stamp of the file it is: what every type on cdb opens.
#ifndef QV_MAPS_TYPES_CDB_TABLE_H_
#define QV_MAPS_TYPES_CDB_TABLE_H_

#include <optional>
#include <string>

#include "maps/cdb_file.h"
#include "maps/source.h"

namespace qv {

struct CdbTable {
  std::optional<CdbFile> file;
  SourceStamp stamp;
};

// Files up to this size are looked through when they are opened: each record must be where a
// look-up of its key finds one.
inline constexpr std::uint64_t kMaxLookedThrough = std::uint64_t{64} << 20;  // bytes

// Maps the file and guards against its being cut short; `detail` names the file on an Error.
[[nodiscard]] Result<void> open_cdb_table(const std::string& path, CdbTable& table,
                                          std::string& detail);

}  // namespace qv

#endif  // QV_MAPS_TYPES_CDB_TABLE_H_
