// SPDX-License-Identifier: 0BSD
// maps/cdb_file.h - a constant database, mapped into memory; and how one is written.
//
// The only room with libcdb's header.  What is mapped is shared with the page cache: a table of any
// size costs the process no private memory.  open() looks at the header and at the place of each of
// the 256 hash tables, so a truncated file is refused; lookups check every offset again.  A file
// that is cut short while it is mapped would raise SIGBUS: guard_against_truncation() turns that
// into a Fault for the lookup it hit.
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

struct cdb;
struct cdb_make;

namespace qv {

class CdbFile {
 public:
  // Maps the file.  Errors: cannot open it, not a regular file (config); not a whole cdb (retry:
  // somebody may be writing it).  The descriptor is not kept.
  [[nodiscard]] static Result<CdbFile> open(const char* path);
  [[nodiscard]] static Result<CdbFile> map(const Fd& file);

  // found: `value` points into the mapping, valid as long as this object.  absent.  Error: the
  // table is damaged where the key would be (retry).
  [[nodiscard]] Result<Answer> find(std::string_view key, std::string_view& value) const;

  // Walks all records; `position` is 0 before the first.
  [[nodiscard]] Result<Answer> next(std::uint32_t& position, std::string_view& key,
                                    std::string_view& value) const;

  // Bytes of the file.
  [[nodiscard]] std::uint64_t size() const;

 private:
  struct Unmap {
    void operator()(struct cdb* c) const;
  };
  explicit CdbFile(std::unique_ptr<struct cdb, Unmap> c) : cdb_(std::move(c)) {}
  std::unique_ptr<struct cdb, Unmap> cdb_;
};

// Installs the SIGBUS handler, once per process.  Without it a mapped file that is truncated in
// place ends the process.
void guard_against_truncation();

// Writes a cdb to an open, empty, seekable descriptor (a temporary file, a memfd).
class CdbBuilder {
 public:
  [[nodiscard]] static Result<CdbBuilder> start(int fd);
  // Adds a record, without looking whether the key is there already.
  [[nodiscard]] Result<void> add(std::string_view key, std::string_view value);
  // found: there was one, and it was left (`replace` false) or replaced.  absent: added.
  [[nodiscard]] Result<Answer> put(std::string_view key, std::string_view value, bool replace);
  // Writes the hash tables.  Nothing may be added afterwards; the descriptor is not closed.
  [[nodiscard]] Result<void> finish();

 private:
  struct Free {
    void operator()(struct cdb_make* maker) const;
  };
  explicit CdbBuilder(std::unique_ptr<struct cdb_make, Free> maker) : maker_(std::move(maker)) {}
  std::unique_ptr<struct cdb_make, Free> maker_;
};

}  // namespace qv

#endif  // QV_MAPS_CDB_FILE_H_
