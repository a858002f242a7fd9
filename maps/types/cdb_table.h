// SPDX-License-Identifier: 0BSD
// maps/types/cdb_table.h - a cdb and the stamp of the file it is: what every type on cdb shares.
#ifndef QV_MAPS_TYPES_CDB_TABLE_H_
#define QV_MAPS_TYPES_CDB_TABLE_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "maps/cdb_file.h"
#include "maps/map.h"

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

// A table that is one cdb.  sequence() gives the records as they stand in the file.
class CdbBasedMap : public Map {
 public:
  explicit CdbBasedMap(CdbTable table);

  Result<Answer> sequence(Step step, std::string& key, std::string& value) override;
  bool is_empty() override { return empty_; }
  void sources(std::vector<SourceStamp>& out) const override { out.push_back(table_.stamp); }

 protected:
  [[nodiscard]] CdbFile& file() { return *table_.file; }
  [[nodiscard]] const CdbFile& file() const { return *table_.file; }

  // Of the first record; nullopt where there is none.
  std::optional<std::string> first_key_;

 private:
  CdbTable table_;
  std::uint32_t position_ = 0;
  bool empty_ = false;
};

// Looks `address`, lower-cased, up in `file`; as Map::lookup().
using CdbSearch = Result<Answer> (*)(const CdbFile& file, std::string_view address,
                                     std::string& value);

// Opens the file, whose name is taken as it is, as a table that looks for more than the key itself
// and asks with whole addresses only.
[[nodiscard]] Result<std::unique_ptr<Map>> open_cdb_search(std::string_view path, CdbSearch search,
                                                           std::string& detail);

// file.find() into a string.
[[nodiscard]] Result<Answer> find_in(const CdbFile& file, std::string_view key, std::string& value);

}  // namespace qv

#endif  // QV_MAPS_TYPES_CDB_TABLE_H_
