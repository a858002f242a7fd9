// SPDX-License-Identifier: 0BSD
#include "maps/cdb_table.h"

#include <utility>

#include "core/file.h"

namespace qv {

Result<void> open_cdb_table(const std::string& path, CdbTable& table, std::string& detail) {
  const auto fail = [&](const Error& error) {
    detail = describe_error(error, path);
    return error;
  };
  Result<Fd> file = open_read(path.c_str());
  if (!file.ok()) return fail(file.error());
  Result<SourceStamp> stamp = stamp_file(file.value().get(), path);
  if (!stamp.ok()) return fail(stamp.error());
  Result<CdbFile> mapped = CdbFile::map(std::move(file).value());
  if (!mapped.ok()) return fail(mapped.error());
  static const int guarded = (guard_against_truncation(), 1);
  static_cast<void>(guarded);
  table.file.emplace(std::move(mapped).value());
  table.stamp = std::move(stamp).value();
  return {};
}

}  // namespace qv
