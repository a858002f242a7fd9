// SPDX-License-Identifier: 0BSD
// maps/lmdb_env.h - an LMDB file that several processes read and one at a time writes.
//
// As Postfix does it, so that its programs can share the file: one file, no lock file beside it;
// each transaction holds an fcntl(2) lock on the file, shared to read and exclusive to write.  When
// change() has returned, the change is on disk, whole or not at all, whatever ends the process or
// the power (LMDB syncs data before it writes the page that names them).
//
// LMDB trusts its file: a damaged one can end the process that reads it.  So a child process reads
// the whole file first in open(), and each transaction checks whether it has become shorter: a
// damaged or truncated file is an Error, not a signal.
//
// Threads: none.  Blocking: for the lock, for the disk, and open() for the child, a minute at most.
// Tests: tests/maps/contract_lmdb.cc, lmdb_env_test.cc, tests/cache/lmdb_store_test.cc
#ifndef QV_MAPS_LMDB_ENV_H_
#define QV_MAPS_LMDB_ENV_H_

#include <lmdb.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/result.h"
#include "maps/source.h"

namespace qv::maps {

enum class LmdbMode : std::uint8_t {
  read,
  write,  // the file must exist
  make,   // write; the file is made (0640) where there is none, and an empty one is a new one
  build,  // make, but nothing is on disk before sync()
};

class LmdbEnv {
 public:
  static constexpr std::size_t kMaxKey = 511;  // bytes, LMDB's own limit

  // Opens the file.  Errors, with `detail` naming file and reason: as open(2), so a file that may
  // not be read is Fault::config; not an LMDB file, a damaged or truncated one (means_damage()).
  [[nodiscard]] static Result<LmdbEnv> open(const std::string& path, LmdbMode mode,
                                            std::string& detail);

  // The body of a transaction; returns 0 or an LMDB error code.
  using Work = std::function<int(MDB_txn*, MDB_dbi)>;

  // Runs `work` in a transaction that reads.  Returns what work returned; what it read from the map
  // is good until it returns.  Errors: lock, damaged file.
  [[nodiscard]] Result<int> read(const Work& work);

  // Runs `work` in a transaction that is committed where work returns 0 and aborted otherwise.
  // Returns what work returned, but never MDB_MAP_FULL: the map is grown and the work done again.
  // Fault::denied where the file was opened to read.
  [[nodiscard]] Result<int> change(const Work& work);

  [[nodiscard]] const control::SourceStamp& stamp() const { return stamp_; }

  // fsync() of everything written.
  [[nodiscard]] Result<void> sync();

 private:
  struct Close {
    void operator()(MDB_env* env) const { mdb_env_close(env); }
  };
  struct Abort {
    void operator()(MDB_txn* txn) const { mdb_txn_abort(txn); }
  };
  explicit LmdbEnv(LmdbMode mode) : mode_(mode) {}
  [[nodiscard]] Result<void> open_checked(const std::string& path);
  [[nodiscard]] int fd() const;
  // Begins a transaction, in `txn`; adopts the file's size where another process has grown it.
  [[nodiscard]] Result<void> begin(bool writing, MDB_txn*& txn);
  [[nodiscard]] Result<void> check_size();

  std::unique_ptr<MDB_env, Close> env_;
  LmdbMode mode_;
  // Reset between look-ups and renewed, which costs no allocation.
  std::unique_ptr<MDB_txn, Abort> reader_;
  MDB_dbi dbi_ = 0;
  control::SourceStamp stamp_;
  off_t size_ = 0;  // of the file, as it was seen last
};

// A cursor of a transaction; code() is 0, or why there is none.
class LmdbCursor {
 public:
  LmdbCursor(MDB_txn* txn, MDB_dbi dbi) : code_(mdb_cursor_open(txn, dbi, &cursor_)) {}
  ~LmdbCursor() {
    if (cursor_ != nullptr) mdb_cursor_close(cursor_);
  }
  LmdbCursor(const LmdbCursor&) = delete;
  LmdbCursor& operator=(const LmdbCursor&) = delete;

  [[nodiscard]] int get(MDB_val& key, MDB_val& value, MDB_cursor_op op) {
    return code_ != 0 ? code_ : mdb_cursor_get(cursor_, &key, &value, op);
  }
  // The first entry after `last`, or of all where that is empty.
  [[nodiscard]] int get_after(std::string_view last, MDB_val& key, MDB_val& value);

 private:
  MDB_cursor* cursor_ = nullptr;
  int code_;
};

// An LMDB error code, or an errno, as an Error of ours.
[[nodiscard]] Error lmdb_error(int code, const char* what);

// True: the Error says that the file is damaged, or no LMDB file.
[[nodiscard]] bool means_damage(const Error& error);

[[nodiscard]] inline MDB_val to_lmdb(std::string_view s) {
  return {s.size(), const_cast<char*>(s.data())};
}
[[nodiscard]] inline std::string_view from_lmdb(const MDB_val& v) {
  return {static_cast<const char*>(v.mv_data), v.mv_size};
}

}  // namespace qv::maps

#endif  // QV_MAPS_LMDB_ENV_H_
