// SPDX-License-Identifier: 0BSD
// maps/lmdb_env.h - an LMDB file that several processes read and one at a time writes.
//
// As Postfix does it, so that its programs can share the file: one file, no lock file beside it;
// each transaction holds an fcntl(2) lock on the file, shared to read and exclusive to write.  The
// file grows by doubling the map when it is full.  The file's size is compared with the pages in
// use before each transaction: a truncated file is a Fault, not a signal.
//
// Threads: none.  Only lmdb.cc and the builder include lmdb.h.  Tests: tests/maps/contract_lmdb.cc
#ifndef QV_MAPS_LMDB_ENV_H_
#define QV_MAPS_LMDB_ENV_H_

#include <lmdb.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/result.h"
#include "maps/map.h"
#include "maps/source.h"

namespace qv {

enum class LmdbMode : std::uint8_t { read, write, create };

class LmdbEnv {
 public:
  // Opens the file.  create: it must not exist.  Errors, with `detail` naming file and reason: as
  // open(2); not an LMDB file or a truncated one (retry).
  [[nodiscard]] static Result<LmdbEnv> open(const std::string& path, LmdbMode mode,
                                            std::string& detail);

  // What is done inside a transaction: 0 or an LMDB error code.
  using Work = std::function<int(MDB_txn*, MDB_dbi)>;

  // Runs `work` in a transaction and ends it; a writing one is committed where work gives 0 and
  // abandoned otherwise.  Waits for the lock.  Gives what work gave, but MDB_MAP_FULL never: the
  // map is grown and the work done again.  Errors: lock, damaged file (retry). What work reads from
  // the map is good until it returns.
  [[nodiscard]] Result<int> run(const Work& work);

  [[nodiscard]] const SourceStamp& stamp() const { return stamp_; }
  [[nodiscard]] int fd() const;

  // fsync() of everything written; for an environment opened with `create`, which does not sync by
  // itself.
  [[nodiscard]] Result<void> sync();

 private:
  struct Close {
    void operator()(MDB_env* env) const { mdb_env_close(env); }
  };
  struct Abort {
    void operator()(MDB_txn* txn) const { mdb_txn_abort(txn); }
  };
  LmdbEnv(std::unique_ptr<MDB_env, Close> env, LmdbMode mode) : env_(std::move(env)), mode_(mode) {}
  [[nodiscard]] Result<int> run_locked(const Work& work);
  [[nodiscard]] int begin();
  [[nodiscard]] int finish(int code);
  [[nodiscard]] Result<void> check_size(bool begun);

  std::unique_ptr<MDB_env, Close> env_;
  LmdbMode mode_;
  // Of a reader: reset between look-ups and renewed, which costs no allocation.
  std::unique_ptr<MDB_txn, Abort> txn_;
  MDB_dbi dbi_ = 0;
  bool dbi_open_ = false;
  SourceStamp stamp_;
};

// An LMDB error code as an Error of ours: what only damage explains is Fault::retry.
[[nodiscard]] Error lmdb_error(int code, const char* what);

[[nodiscard]] inline MDB_val to_lmdb(std::string_view s) {
  return {s.size(), const_cast<char*>(s.data())};
}
[[nodiscard]] inline std::string_view from_lmdb(const MDB_val& v) {
  return {static_cast<const char*>(v.mv_data), v.mv_size};
}

}  // namespace qv

#endif  // QV_MAPS_LMDB_ENV_H_
