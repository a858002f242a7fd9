// SPDX-License-Identifier: 0BSD
// cache/lmdb_file.h - one LMDB file with one table in it, as Postfix's lmdb: makes them.
//
// A change is on disk when commit() has returned, whole or not at all, whatever ends the process or
// the power (LMDB syncs data before it writes the page that names them).  Several processes may
// have the file open at once; each sees what the others have committed.
//
// Somebody else's file, such as Postfix's, is opened read_only: no lock file is made beside it, and
// Postfix's own lock, fcntl(2) on the file, is held shared as long as it is open.
//
// LMDB believes its file: a damaged one can end the process that reads it.  check_in_child() lets a
// child do the reading first.
//
// Threads: none.  Blocking: commit() waits for the disk, and for another process's commit().
// Tests: tests/cache/lmdb_store_test.cc
#ifndef QV_CACHE_LMDB_FILE_H_
#define QV_CACHE_LMDB_FILE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/result.h"
#include "maps/map.h"

namespace qv {

class LmdbFile {
 public:
  enum class Access : std::uint8_t { read_only, read_write };
  enum class Walk : std::uint8_t { go_on, stop };
  using Visitor = std::function<Walk(std::string_view key, std::string_view value)>;

  static constexpr std::size_t kMaxKey = 511;  // bytes, LMDB's own limit

  struct Change {
    std::string_view key;
    std::optional<std::string_view> value;  // nullopt: erase the key
  };

  // Opens the file; read_write makes it (0640) where there is none.  `map_bytes` is the size it may
  // grow to at first.  Errors, of this and of all that follows: damaged or no LMDB file
  // (Fault::protocol); everything else as errno says.
  [[nodiscard]] static Result<LmdbFile> open(const std::string& path, Access access,
                                             std::size_t map_bytes);

  // Reads the whole file in a child process, at most `seconds` long, locked as `access` says.
  // Fault::protocol: the child found it damaged, died of it, or did not come to an end.
  [[nodiscard]] static Result<void> check_in_child(const std::string& path, Access access,
                                                   unsigned seconds);

  // found: `value` is set.  absent: `value` is untouched.
  [[nodiscard]] Result<Answer> get(std::string_view key, std::string& value);

  // Makes all changes, or none.  Grows the map where it is full.
  [[nodiscard]] Result<void> commit(std::span<const Change> changes);

  // Visits, in the order of keys, the entries after `after` (empty: all).  The views are valid
  // during the call.  REQUIRES: the visitor calls nothing of this object.
  [[nodiscard]] Result<void> walk(std::string_view after, const Visitor& visitor);

  // Number of entries.
  [[nodiscard]] Result<std::size_t> entries();

 private:
  struct State;
  struct Close {
    void operator()(State* state) const;
  };
  explicit LmdbFile(std::unique_ptr<State, Close> state) : state_(std::move(state)) {}

  std::unique_ptr<State, Close> state_;
};

}  // namespace qv

#endif  // QV_CACHE_LMDB_FILE_H_
