// SPDX-License-Identifier: 0BSD
// cdb:/path - a constant database, /path.cdb, made by qmail-map, postmap, cdb or any other builder.
//
// Keys are looked up as they are, then with a NUL behind them, as some builders wrote them; the
// value then loses its NUL, too.  Manual: qmail-map-cdb(5).
#include "maps/types/cdb_table.h"

#include <endian.h>
#include <errno.h>

#include <array>
#include <utility>

#include "core/file.h"
#include "maps/atomic_file.h"
#include "maps/cdb_writer.h"
#include "maps/spec.h"

namespace qv::maps {

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
  QV_TRY(control::SourceStamp stamp, control::stamp_file(file.get(), path));
  stamp.mapped = true;
  // The file begins with the position of the first hash table, where the records end.
  std::uint32_t end = 0;
  QV_TRY(const std::size_t size, read_full(file.get(), reinterpret_cast<char*>(&end), sizeof end));
  if (size != sizeof end) return damaged();
  guard_against_truncation();  // at each opening: a child of fork(2) may have reset its signals
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
  sources_ = {table_.stamp};
  std::uint32_t position = 0;
  std::string_view key;
  std::string_view value;
  const Result<Answer> first = file().next(position, key, value);
  empty_ = first.ok() && first.value() == Answer::absent;
  plain_keys_ = first.ok() && !empty_ && (key.empty() || key.back() != '\0');
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

namespace {

class CdbMap final : public CdbBasedMap {
 public:
  using CdbBasedMap::CdbBasedMap;

  Result<Answer> lookup(std::string_view key, std::string& value) override {
    std::string_view found;
    QV_TRY(const Answer answer, find(key, CdbFile::hash_of(key), found));
    if (answer == Answer::found) value = found;
    return answer;
  }

  // Slots are fetched kAhead keys before they are needed, records half of that.
  void lookup_many(std::span<const std::string_view> keys, const Told& told) override {
    std::array<std::uint32_t, kAhead> hashes{};  // of the keys between the two
    for (std::size_t i = 0; i < keys.size() + kAhead; ++i) {
      if (i >= kAhead) {
        const std::size_t now = i - kAhead;
        std::string_view found;
        const Result<Answer> answer = find(keys[now], hashes[now % kAhead], found);
        told(now, answer, found);
      }
      if (i < keys.size()) {
        hashes[i % kAhead] = CdbFile::hash_of(keys[i]);
        file().prefetch(hashes[i % kAhead], CdbFile::Ahead::slot);
      }
      const std::size_t half = i - kAhead / 2;
      if (i >= kAhead / 2 && half < keys.size()) {
        file().prefetch(hashes[half % kAhead], CdbFile::Ahead::record);
      }
    }
  }

  const CdbFile* cdb() const override { return &file(); }

 private:
  static constexpr std::size_t kAhead = 16;

  Result<Answer> find(std::string_view key, std::uint32_t hash, std::string_view& found) {
    QV_TRY(const Answer plain, file().find(key, hash, found));
    if (plain == Answer::found || plain_keys_) return plain;
    with_nul_.assign(key);
    with_nul_ += '\0';
    QV_TRY(const Answer ended, file().find(with_nul_, found));
    if (ended == Answer::found && !found.empty() && found.back() == '\0') found.remove_suffix(1);
    return ended;
  }

  std::string with_nul_;
};

class CdbTableBuilder final : public TableBuilder {
 public:
  CdbTableBuilder(AtomicFile file, Duplicates duplicates, DuplicateNotice notice)
      : file_(std::move(file)),
        writer_(file_.fd()),
        duplicates_(duplicates),
        notice_(std::move(notice)) {}

  Result<void> add(std::string_view key, std::string_view value) override {
    return writer_.add(key, value);
  }
  Result<void> finish(std::string& detail) override {
    QV_TRY_VOID(writer_.finish(duplicates_, notice_));
    return file_.commit(detail);
  }

 private:
  AtomicFile file_;
  CdbWriter writer_;
  Duplicates duplicates_;
  DuplicateNotice notice_;
};

Result<std::unique_ptr<TableBuilder>> begin_cdb(AtomicFile file, Duplicates duplicates,
                                                DuplicateNotice notice, std::string& /*detail*/) {
  return std::unique_ptr<TableBuilder>(
      std::make_unique<CdbTableBuilder>(std::move(file), duplicates, std::move(notice)));
}

Result<std::unique_ptr<Map>> open_cdb(const MapSpec& spec, std::string& detail) {
  QV_TRY(CdbTable table, open_cdb_table(with_suffix(strip_braces(spec.name), ".cdb"), detail));
  return std::unique_ptr<Map>(std::make_unique<CdbMap>(std::move(table)));
}

}  // namespace

extern const MapType map_type_cdb{
    "cdb",  {.listable = true}, "/path: the constant database /path.cdb", open_cdb,
    ".cdb", begin_cdb};

}  // namespace qv::maps
