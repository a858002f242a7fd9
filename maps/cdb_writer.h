// SPDX-License-Identifier: 0BSD
// maps/cdb_writer.h - writes a cdb of any size, and finds keys that were added twice.
//
// libcdb's builder searches all records of a bucket for an earlier key each time, which takes hours
// for millions of them.  Here duplicates are detected at no extra cost, when the hash tables are
// made: the later key meets the earlier one on its way to its slot.  Where there are any, the
// records are written once more without the dead ones: a reader that walks the file sees no record
// that a look-up does not find.
//
// Memory: 8 bytes for each record, a hash table of one bucket, and a buffer.
// Format: cdb(5); read by every cdb reader.  Threads: none.  Tests: tests/maps/cdb_writer_test.cc
#ifndef QV_MAPS_CDB_WRITER_H_
#define QV_MAPS_CDB_WRITER_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "maps/table_builder.h"

namespace qv::maps {

class CdbWriter {
 public:
  // REQUIRES: `fd` is an empty file, open for reading and writing, and stays so.
  explicit CdbWriter(int fd);

  // Errors: write; more than 4 GiB, which is what a cdb can hold (config).
  [[nodiscard]] Result<void> add(std::string_view key, std::string_view value);

  // Writes the hash tables.  Nothing may be added afterwards; nothing is synced.  `notice` is
  // called for each entry that is dropped because of another one with its key.
  [[nodiscard]] Result<void> finish(Duplicates duplicates = Duplicates::keep_all,
                                    const DuplicateNotice& notice = {});

  [[nodiscard]] std::uint64_t records() const { return records_; }

 private:
  struct Entry {
    std::uint32_t hash;
    std::uint32_t position;
  };
  // A small table costs no allocation for most buckets; a growing bucket is 1/256 of the index.
  using Bucket = std::vector<Entry>;

  [[nodiscard]] Result<char*> room(std::size_t size);
  [[nodiscard]] Result<void> put_large(std::string_view bytes);
  [[nodiscard]] Result<void> flush();
  [[nodiscard]] Result<void> write_tables(Duplicates duplicates, const DuplicateNotice& notice);
  [[nodiscard]] Result<void> fill_table(const Bucket& bucket, std::vector<Entry>& table,
                                        Duplicates duplicates, const DuplicateNotice& notice);
  [[nodiscard]] Result<std::size_t> find_slot(const std::vector<Entry>& table, const Entry& entry,
                                              Duplicates duplicates);
  [[nodiscard]] Result<std::string> read_key(std::uint32_t position);
  [[nodiscard]] Result<void> remove_dead();
  [[nodiscard]] Result<void> write_header();

  int fd_;
  std::uint64_t position_;  // of the next byte, those in the buffer counted
  std::uint64_t records_ = 0;
  std::unique_ptr<char[]> buffer_;
  std::size_t filled_ = 0;  // of the buffer
  std::array<Bucket, 256> buckets_;
  std::array<std::array<std::uint32_t, 2>, 256> header_{};
  std::vector<std::uint32_t> dead_;  // positions of records that no table leads to
};

}  // namespace qv::maps

#endif  // QV_MAPS_CDB_WRITER_H_
