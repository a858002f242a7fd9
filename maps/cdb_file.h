// SPDX-License-Identifier: 0BSD
// maps/cdb_file.h - a constant database, mapped into memory.
//
// Mapped pages are shared with the page cache: a table of any size costs the process no private
// memory.  open() requires the 256 hash tables to end where the file ends, so it refuses a
// truncated or half-written file; look-ups check every offset again.  A file that is cut short
// while it is mapped would raise SIGBUS: with guard_against_truncation() that table answers Fault
// from then on.
//
// Threads: none.  Format: cdb(5).  Tests: tests/maps/cdb_file_test.cc
#ifndef QV_MAPS_CDB_FILE_H_
#define QV_MAPS_CDB_FILE_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string_view>

#include "core/fd.h"
#include "core/result.h"
#include "maps/map.h"

namespace qv::maps {

class CdbFile {
 public:
  // Maps the file.  Errors: cannot open it, not a regular file (config); not a whole cdb (retry: it
  // may be being written).  The descriptor is closed.
  [[nodiscard]] static Result<CdbFile> open(const char* path);
  [[nodiscard]] static Result<CdbFile> map(Fd file);

  // found: `value` points into the mapping, valid as long as this object.  absent.  Error: the
  // table is damaged where the key would be (retry).
  [[nodiscard]] Result<Answer> find(std::string_view key, std::string_view& value) const;

  // Error: the file has been cut short under the mapping, and what find() gave may be zeros.
  [[nodiscard]] Result<void> still_whole() const;

  // The hash of a key, built byte by byte: a caller that asks about every prefix of a long key
  // hashes each byte once.
  static constexpr std::uint32_t kHashOfNothing = 5381;
  static constexpr std::uint32_t hash_on(std::uint32_t hash, char c) {
    return (hash * 33u) ^ static_cast<unsigned char>(c);
  }

  // absent: no key with this hash is in the table.  found: there may be one, ask find().
  // Error: as find().
  [[nodiscard]] Result<Answer> may_hold(std::uint32_t hash) const;

  [[nodiscard]] static std::uint32_t hash_of(std::string_view key);
  // find() with hash_of(key), for a caller that knows it.
  [[nodiscard]] Result<Answer> find(std::string_view key, std::uint32_t hash,
                                    std::string_view& value) const;

  // Asks the processor for the memory that find() of a key with this hash will look at first: the
  // slot in its hash table, or, a while later, the record that the slot leads to.
  enum class Ahead : std::uint8_t { slot, record };
  void prefetch(std::uint32_t hash, Ahead what) const;

  // Walks all records; `position` is 0 before the first.
  [[nodiscard]] Result<Answer> next(std::uint32_t& position, std::string_view& key,
                                    std::string_view& value) const;

  // Bytes of the file.
  [[nodiscard]] std::uint64_t size() const;

 private:
  struct Table {
    const unsigned char* slots = nullptr;
    std::uint32_t count = 0;
  };
  [[nodiscard]] Result<Table> table_of(std::uint32_t hash) const;

  struct Mapping;
  struct Unmap {
    void operator()(Mapping* mapping) const;
  };
  explicit CdbFile(std::unique_ptr<Mapping, Unmap> mapping) : mapping_(std::move(mapping)) {}

  friend void guard_against_truncation();
  static void on_sigbus(int signal_number, void* address);

  std::unique_ptr<Mapping, Unmap> mapping_;
};

// Installs the SIGBUS handler, once per process and before the first open().  Without it a mapped
// file that is truncated in place ends the process.
void guard_against_truncation();

}  // namespace qv::maps

#endif  // QV_MAPS_CDB_FILE_H_
