// SPDX-License-Identifier: 0BSD
#include "maps/types/cdb_table.h"

#include <endian.h>
#include <errno.h>

#include <utility>

#include "core/file.h"

namespace qv {

namespace {

Error damaged() { return {Fault::retry, EPROTO, "damaged cdb"}; }

// A damaged key or hash table hides keys, and an absent key refuses mail.
Result<void> check_records(const CdbFile& file, std::uint32_t end) {
  std::uint32_t position = 0;
  for (;;) {
    std::string_view key;
    std::string_view value;
    QV_TRY(const Answer more, file.next(position, key, value));
    if (more == Answer::absent) break;
    QV_TRY(const Answer answer, file.find(key, value));
    if (answer == Answer::absent) return damaged();
  }
  // 0: there was no record at all.
  if (position != end && position != 0) return damaged();
  return {};
}

Result<CdbTable> open_checked(const std::string& path) {
  QV_TRY(Fd file, open_read(path.c_str()));
  QV_TRY(SourceStamp stamp, stamp_file(file.get(), path));
  stamp.mapped = true;
  // The file begins with the position of the first hash table, where the records end.
  std::uint32_t end = 0;
  QV_TRY(const std::size_t size, read_full(file.get(), reinterpret_cast<char*>(&end), sizeof end));
  if (size != sizeof end) return damaged();
  static const int guarded = (guard_against_truncation(), 1);
  static_cast<void>(guarded);
  QV_TRY(CdbFile mapped, CdbFile::map(std::move(file)));
  if (mapped.size() <= kMaxChecked) QV_TRY_VOID(check_records(mapped, le32toh(end)));
  return CdbTable{std::move(mapped), std::move(stamp)};
}

}  // namespace

Result<CdbTable> open_cdb_table(const std::string& path, std::string& detail) {
  Result<CdbTable> table = open_checked(path);
  if (!table.ok()) detail = describe_error(table.error(), path);
  return table;
}

CdbBasedMap::CdbBasedMap(CdbTable table) : table_(std::move(table)) {
  std::uint32_t position = 0;
  std::string_view key;
  std::string_view value;
  const Result<Answer> first = file().next(position, key, value);
  empty_ = first.ok() && first.value() == Answer::absent;
  if (first.ok() && first.value() == Answer::found) first_key_ = key;
}

Result<Answer> CdbBasedMap::sequence(Step step, std::string& key, std::string& value) {
  if (step == Step::first) position_ = 0;
  std::string_view found_key;
  std::string_view found_value;
  QV_TRY(const Answer more, file().next(position_, found_key, found_value));
  if (more == Answer::absent) return more;
  key = found_key;
  value = found_value;
  return more;
}

}  // namespace qv
