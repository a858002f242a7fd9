// SPDX-License-Identifier: 0BSD
// maps/types/cdb_search.h - a table type on a cdb that looks for more than the key itself.
//
// fastforward, recipients and validrcptto share it: they differ in the keys they try.
#ifndef QV_MAPS_TYPES_CDB_SEARCH_H_
#define QV_MAPS_TYPES_CDB_SEARCH_H_

#include <memory>
#include <string>
#include <string_view>

#include "maps/map.h"
#include "maps/types/cdb_table.h"

namespace qv {

// Looks `address`, lower-cased, up in `file`; as Map::lookup().
using CdbSearch = Result<Answer> (*)(const CdbFile& file, std::string_view address,
                                     std::string& value);

// Opens the file, whose name is taken as it is.  The table asks with whole addresses only.
[[nodiscard]] Result<std::unique_ptr<Map>> open_cdb_search(std::string_view path, CdbSearch search,
                                                           std::string& detail);

// file.find() into a string.
[[nodiscard]] Result<Answer> find_in(const CdbFile& file, std::string_view key, std::string& value);

}  // namespace qv

#endif  // QV_MAPS_TYPES_CDB_SEARCH_H_
