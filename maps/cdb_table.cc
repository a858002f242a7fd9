// SPDX-License-Identifier: 0BSD
#include "maps/cdb_table.h"

#include <errno.h>

#include <utility>

#include "core/file.h"

namespace qv {

namespace {

// A damaged key or hash table hides keys, and an absent key refuses mail.
Result<void> look_through(const CdbFile& file) {
  std::uint32_t position = 0;
  for (;;) {
    std::string_view key;
    std::string_view value;
    QV_TRY(const Answer more, file.next(position, key, value));
    if (more == Answer::absent) return {};
    std::string_view found;
    QV_TRY(const Answer answer, file.find(key, found));
    if (answer == Answer::absent) return Error{Fault::retry, EPROTO, "damaged cdb"};
  }
}

}  // namespace

Result<void> open_cdb_table(const std::string& path, CdbTable& table, std::string& detail) {
  const auto fail = [&](const Error& error) {
    detail = describe_error(error, path);
    return error;
  };
  Result<Fd> file = open_read(path.c_str());
  if (!file.ok()) return fail(file.error());
  Result<SourceStamp> stamp = stamp_file(file.value().get(), path);
  if (!stamp.ok()) return fail(stamp.error());
  static const int guarded = (guard_against_truncation(), 1);
  static_cast<void>(guarded);
  Result<CdbFile> mapped = CdbFile::map(std::move(file).value());
  if (!mapped.ok()) return fail(mapped.error());
  if (mapped.value().size() <= kMaxLookedThrough) {
    const Result<void> whole = look_through(mapped.value());
    if (!whole.ok()) return fail(whole.error());
  }
  table.file.emplace(std::move(mapped).value());
  table.stamp = std::move(stamp).value();
  return {};
}

}  // namespace qv
