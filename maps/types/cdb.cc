// SPDX-License-Identifier: 0BSD
// cdb:/path - a constant database, /path.cdb, made by qmail-map, postmap, cdb or any other builder.
//
// Keys are looked up as they are, then with a NUL behind them, as some builders wrote them; the
// value then loses its NUL, too.  Manual: qmail-map-cdb(5).
#include <array>

#include "maps/atomic_file.h"
#include "maps/cdb_file.h"
#include "maps/spec.h"
#include "maps/types/cdb_table.h"
#include "maps/types/cdb_writer.h"

namespace qv {

namespace {

class CdbMap final : public CdbBasedMap {
 public:
  // Either all keys of a table end in a NUL or none does: the first record shows which, and saves
  // most look-ups a second search.
  explicit CdbMap(CdbTable table)
      : CdbBasedMap(std::move(table)),
        without_nul_(first_key_ && (first_key_->empty() || first_key_->back() != '\0')) {}

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
    if (plain == Answer::found || without_nul_) return plain;
    with_nul_.assign(key);
    with_nul_ += '\0';
    QV_TRY(const Answer ended, file().find(with_nul_, found));
    if (ended == Answer::found && !found.empty() && found.back() == '\0') found.remove_suffix(1);
    return ended;
  }

  bool without_nul_;
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
  std::uint64_t records() const override { return writer_.records(); }

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

extern const MapType map_type_cdb;
const MapType map_type_cdb{
    "cdb",  {.listable = true}, "/path: the constant database /path.cdb", open_cdb,
    ".cdb", begin_cdb};

}  // namespace qv
