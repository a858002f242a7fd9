// SPDX-License-Identifier: 0BSD
//@ needs: lmdb
#include "maps/lmdb_env.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "core/fault.h"
#include "core/file.h"
#include "maps/lmdb_check.h"

namespace qv {

namespace {

constexpr std::size_t kFirstMap = std::size_t{16} << 20;  // bytes; grown by doubling

// A lock of the open file, not of the process: it excludes Postfix's locks as they exclude each
// other, and is not lost when somebody else in this process closes the file.
class FileLock {
 public:
  explicit FileLock(int fd) : fd_(fd) {}
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  ~FileLock() {
    if (locked_) static_cast<void>(set(F_UNLCK));
  }

  Result<void> take(LmdbMode mode) {
    int done = 0;
    do {
      done = set(mode == LmdbMode::read ? F_RDLCK : F_WRLCK);
    } while (done != 0 && errno == EINTR);
    if (done != 0) return errno_error("lock");
    locked_ = true;
    return {};
  }

 private:
  int set(short type) const {
    struct flock lock {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    return fcntl(fd_, F_OFD_SETLKW, &lock);
  }

  int fd_;
  bool locked_ = false;
};

}  // namespace

Error lmdb_error(int code, const char* what) {
  // LMDB's own codes are negative; all of them mean that the file is not what it should be.
  if (code < 0) return {Fault::retry, EPROTO, what};
  return {fault_from_errno(code), code, what};
}

int LmdbEnv::fd() const {
  int fd = -1;
  mdb_env_get_fd(env_.get(), &fd);
  return fd;
}

Result<LmdbEnv> LmdbEnv::open(const std::string& path, LmdbMode mode, std::string& detail) {
  const auto fail = [&](const Error& error, int code) {
    detail = describe_error(error, path);
    if (code < 0) detail = std::string(error.what) + " " + path + ": " + mdb_strerror(code);
    return error;
  };
  MDB_env* raw = nullptr;
  if (const int code = mdb_env_create(&raw); code != 0) return fail(lmdb_error(code, "open"), code);
  LmdbEnv env(std::unique_ptr<MDB_env, Close>(raw), mode);
  // An empty file would be taken for a database to be made.
  struct stat st {};
  if (mode != LmdbMode::create) {
    if (stat(path.c_str(), &st) != 0) return fail(errno_error("open"), 0);
    if (!S_ISREG(st.st_mode)) return fail({Fault::config, 0, "not a regular file:"}, 0);
    if (st.st_size == 0) return fail({Fault::retry, 0, "not a whole LMDB file:"}, 0);
  } else {
    mdb_env_set_mapsize(raw, kFirstMap);
  }
  const unsigned flags = MDB_NOSUBDIR | MDB_NOLOCK |
                         (mode == LmdbMode::read ? unsigned{MDB_RDONLY} : 0u) |
                         (mode == LmdbMode::create ? unsigned{MDB_NOSYNC | MDB_NOMETASYNC} : 0u);
  const int code = mdb_env_open(raw, path.c_str(), flags, 0644);
  if (code != 0) return fail(lmdb_error(code, "open"), code);
  Result<SourceStamp> stamp = stamp_file(env.fd(), path);
  if (!stamp.ok()) return fail(stamp.error(), 0);
  env.stamp_ = std::move(stamp).value();
  env.stamp_.identity_only = true;
  if (mode != LmdbMode::create) {
    FileLock lock(env.fd());
    Result<void> whole = lock.take(LmdbMode::read);
    if (whole.ok()) whole = check_lmdb(env.fd());
    if (!whole.ok()) return fail(whole.error(), 0);
  }
  // The first transaction opens the one table of the file.
  const Result<int> looked = env.run([](MDB_txn*, MDB_dbi) { return 0; });
  if (!looked.ok()) return fail(looked.error(), 0);
  return env;
}

// Is every page that is in use in the file?  Before begin(), which reads the map: such a file never
// becomes shorter than it was.  After it: the newest meta page says what is in use.
Result<void> LmdbEnv::check_size(bool begun) {
  if (mode_ == LmdbMode::create) return {};
  struct stat st {};
  if (fstat(fd(), &st) != 0) return errno_error("fstat");
  bool whole = st.st_size >= stamp_.size;
  if (begun) {
    MDB_envinfo info{};
    MDB_stat stat{};
    mdb_env_info(env_.get(), &info);
    mdb_env_stat(env_.get(), &stat);
    whole = stat.ms_psize > 0 &&
            info.me_last_pgno < static_cast<std::size_t>(st.st_size) / stat.ms_psize;
  }
  return whole ? Result<void>() : Error{Fault::retry, EPROTO, "truncated LMDB file"};
}

int LmdbEnv::begin() {
  if (mode_ == LmdbMode::read && txn_) return mdb_txn_renew(txn_.get());
  MDB_txn* txn = nullptr;
  const int code =
      mdb_txn_begin(env_.get(), nullptr, mode_ == LmdbMode::read ? unsigned{MDB_RDONLY} : 0u, &txn);
  txn_.reset(code == 0 ? txn : nullptr);
  return code;
}

// Ends the transaction; `code` is what came of the work.
int LmdbEnv::finish(int code) {
  if (mode_ == LmdbMode::read) {
    mdb_txn_reset(txn_.get());
    return code;
  }
  if (code == 0) return mdb_txn_commit(txn_.release());
  txn_.reset();
  return code;
}

Result<int> LmdbEnv::run_locked(const Work& work) {
  QV_TRY_VOID(check_size(false));
  int code = begin();
  if (code == MDB_MAP_RESIZED) {
    txn_.reset();
    code = mdb_env_set_mapsize(env_.get(), 0);
    if (code == 0) code = begin();
  }
  if (code != 0) {
    txn_.reset();
    return lmdb_error(code, "read LMDB file");
  }
  if (Result<void> whole = check_size(true); !whole.ok()) {
    txn_.reset();
    return whole.error();
  }
  if (!dbi_open_) {
    code = mdb_dbi_open(txn_.get(), nullptr, 0, &dbi_);
    dbi_open_ = code == 0;
  }
  if (code == 0) code = work(txn_.get(), dbi_);
  return finish(code);
}

Result<int> LmdbEnv::run(const Work& work) {
  FileLock lock(fd());
  QV_TRY_VOID(lock.take(mode_));
  for (;;) {
    QV_TRY(const int code, run_locked(work));
    if (code != MDB_MAP_FULL) return code;
    MDB_envinfo info{};
    mdb_env_info(env_.get(), &info);
    const int grown = mdb_env_set_mapsize(env_.get(), info.me_mapsize * 2);
    if (grown != 0) return lmdb_error(grown, "grow LMDB file");
  }
}

Result<void> LmdbEnv::sync() {
  const int code = mdb_env_sync(env_.get(), 1);
  if (code != 0) return lmdb_error(code, "sync");
  return {};
}

}  // namespace qv
