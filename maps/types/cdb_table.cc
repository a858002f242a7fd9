// SPDX-License-Identifier: 0BSD
#include "maps/types/cdb_table.h"

#include <errno.h>
#include <unistd.h>

#include <utility>

#include "core/fault.h"
#include "core/file.h"
#include "maps/types/memory_table.h"

namespace qv {

namespace {

// Where the records end: the position of the first hash table, which begins the file.
Result<std::uint32_t> end_of_records(int fd) {
  unsigned char bytes[4];
  ssize_t n = 0;
  do {
    n = pread(fd, bytes, sizeof bytes, 0);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return errno_error("read");
  if (n != sizeof bytes) return Error{Fault::retry, EPROTO, "not a whole cdb"};
  return static_cast<std::uint32_t>(bytes[0]) | static_cast<std::uint32_t>(bytes[1]) << 8 |
         static_cast<std::uint32_t>(bytes[2]) << 16 | static_cast<std::uint32_t>(bytes[3]) << 24;
}

// A damaged key or hash table hides keys, and an absent key refuses mail.
Result<void> look_through(const CdbFile& file, std::uint32_t end) {
  std::uint32_t position = 0;
  for (;;) {
    std::string_view key;
    std::string_view value;
    QV_TRY(const Answer more, file.next(position, key, value));
    if (more == Answer::absent) break;
    std::string_view found;
    QV_TRY(const Answer answer, file.find(key, found));
    if (answer == Answer::absent) return Error{Fault::retry, EPROTO, "damaged cdb"};
  }
  // 0: there was no record at all.
  if (position != end && position != 0) return Error{Fault::retry, EPROTO, "damaged cdb"};
  return {};
}

class CdbSearchMap final : public CdbBasedMap {
 public:
  CdbSearchMap(CdbTable table, CdbSearch search) : CdbBasedMap(std::move(table)), search_(search) {}

  Result<Answer> lookup(std::string_view key, std::string& value) override {
    return search_(file(), fold_key(key), value);
  }
  bool is_pattern() const override { return true; }

 private:
  CdbSearch search_;
};

}  // namespace

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

Result<std::unique_ptr<Map>> open_cdb_search(std::string_view path, CdbSearch search,
                                             std::string& detail) {
  CdbTable table;
  QV_TRY_VOID(open_cdb_table(std::string(path), table, detail));
  return std::unique_ptr<Map>(std::make_unique<CdbSearchMap>(std::move(table), search));
}

Result<Answer> find_in(const CdbFile& file, std::string_view key, std::string& value) {
  std::string_view found;
  QV_TRY(const Answer answer, file.find(key, found));
  if (answer == Answer::found) value = found;
  return answer;
}

Result<void> open_cdb_table(const std::string& path, CdbTable& table, std::string& detail) {
  const auto fail = [&](const Error& error) {
    detail = describe_error(error, path);
    return error;
  };
  Result<Fd> file = open_read(path.c_str());
  if (!file.ok()) return fail(file.error());
  Result<SourceStamp> stamp = stamp_file(file.value().get(), path);
  if (!stamp.ok()) return fail(stamp.error());
  Result<std::uint32_t> end = end_of_records(file.value().get());
  if (!end.ok()) return fail(end.error());
  static const int guarded = (guard_against_truncation(), 1);
  static_cast<void>(guarded);
  Result<CdbFile> mapped = CdbFile::map(std::move(file).value());
  if (!mapped.ok()) return fail(mapped.error());
  if (mapped.value().size() <= kMaxLookedThrough) {
    const Result<void> whole = look_through(mapped.value(), end.value());
    if (!whole.ok()) return fail(whole.error());
  }
  table.file.emplace(std::move(mapped).value());
  table.stamp = std::move(stamp).value();
  table.stamp.mapped = true;
  return {};
}

}  // namespace qv
