// SPDX-License-Identifier: 0BSD
#include "cache/lmdb_file.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/fault.h"
#include "core/fd.h"
#include "core/file.h"

namespace qv {

struct LmdbFile::State {
  Fd lock;  // of somebody else's file
  MDB_env* env = nullptr;
  MDB_txn* reader = nullptr;  // reset between uses
  MDB_dbi dbi = 0;
};

void LmdbFile::Close::operator()(State* state) const {
  if (state->reader != nullptr) mdb_txn_abort(state->reader);
  if (state->env != nullptr) mdb_env_close(state->env);
  delete state;
}

namespace {

constexpr mode_t kFileMode = 0640;

Error lmdb_error(int code, const char* what) {
  switch (code) {
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_PANIC:
    case MDB_INCOMPATIBLE:
    case MDB_CURSOR_FULL:
    case MDB_PAGE_FULL:
      return {Fault::protocol, 0, what};
    case MDB_MAP_FULL:
      return {Fault::retry, ENOSPC, what};
    default:
      break;
  }
  // LMDB's own codes are negative; what is left is an errno.
  return code > 0 ? Error{fault_from_errno(code), code, what} : Error{Fault::retry, 0, what};
}

MDB_val to_val(std::string_view s) { return {s.size(), const_cast<char*>(s.data())}; }
std::string_view to_view(const MDB_val& v) {
  return {static_cast<const char*>(v.mv_data), v.mv_size};
}

// Waits for the writer, if there is one, and keeps others from writing until it is closed.  The
// lock belongs to the open file, not to the process: LMDB's own descriptors may come and go.
Result<void> take_shared_lock(const std::string& path, Fd& fd) {
  QV_TRY(fd, open_read(path.c_str()));
  struct flock lock {};
  lock.l_type = F_RDLCK;
  lock.l_whence = SEEK_SET;
  if (fcntl(fd.get(), F_OFD_SETLKW, &lock) != 0) return errno_error("lock");
  return {};
}

// A read transaction for the time of one call: renewed, and reset at the end.
class Reading {
 public:
  explicit Reading(MDB_txn* txn) : txn_(txn), code_(mdb_txn_renew(txn)) {}
  ~Reading() {
    if (code_ == 0) mdb_txn_reset(txn_);
  }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;
  [[nodiscard]] int code() const { return code_; }

 private:
  MDB_txn* txn_;
  int code_;
};

class Cursor {
 public:
  Cursor(MDB_txn* txn, MDB_dbi dbi) : code_(mdb_cursor_open(txn, dbi, &cursor_)) {}
  ~Cursor() {
    if (cursor_ != nullptr) mdb_cursor_close(cursor_);
  }
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;
  [[nodiscard]] int code() const { return code_; }
  [[nodiscard]] int get(MDB_val& key, MDB_val& value, MDB_cursor_op op) {
    return mdb_cursor_get(cursor_, &key, &value, op);
  }

 private:
  MDB_cursor* cursor_ = nullptr;
  int code_;
};

int apply(MDB_txn* txn, MDB_dbi dbi, const LmdbFile::Change& change) {
  MDB_val key = to_val(change.key);
  if (!change.value) {
    const int code = mdb_del(txn, dbi, &key, nullptr);
    return code == MDB_NOTFOUND ? 0 : code;
  }
  MDB_val value = to_val(*change.value);
  return mdb_put(txn, dbi, &key, &value, 0);
}

int commit_once(MDB_env* env, MDB_dbi dbi, std::span<const LmdbFile::Change> changes) {
  MDB_txn* txn = nullptr;
  if (const int code = mdb_txn_begin(env, nullptr, 0, &txn); code != 0) return code;
  for (const LmdbFile::Change& change : changes) {
    if (const int code = apply(txn, dbi, change); code != 0) {
      mdb_txn_abort(txn);
      return code;
    }
  }
  return mdb_txn_commit(txn);
}

// Touches every page that is in use: those of the table, then those of the list of free pages.
int read_everything(MDB_txn* txn, MDB_dbi dbi) {
  constexpr MDB_dbi kFreeList = 0;
  volatile unsigned char sum = 0;
  for (const MDB_dbi table : {dbi, kFreeList}) {
    Cursor cursor(txn, table);
    if (cursor.code() != 0) return cursor.code();
    MDB_val key{};
    MDB_val value{};
    int code = cursor.get(key, value, MDB_FIRST);
    for (; code == 0; code = cursor.get(key, value, MDB_NEXT)) {
      for (const char c : to_view(key)) sum = static_cast<unsigned char>(sum + c);
      for (const char c : to_view(value)) sum = static_cast<unsigned char>(sum + c);
    }
    if (code != MDB_NOTFOUND) return code;
  }
  return 0;
}

[[noreturn]] void check_as_child(const std::string& path, LmdbFile::Access access,
                                 unsigned seconds) {
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  for (const int number : {SIGBUS, SIGSEGV, SIGABRT, SIGALRM, SIGFPE}) signal(number, SIG_DFL);
  // Those that a daemon takes are for the daemon: its handlers would run here.
  for (const int number : {SIGHUP, SIGUSR1}) signal(number, SIG_IGN);
  alarm(seconds);
  const bool foreign = access == LmdbFile::Access::read_only;
  const unsigned flags = MDB_NOSUBDIR | MDB_RDONLY | (foreign ? unsigned{MDB_NOLOCK} : 0u);
  MDB_env* env = nullptr;
  MDB_txn* txn = nullptr;
  MDB_dbi dbi = 0;
  int code = mdb_env_create(&env);
  if (code == 0) code = mdb_env_open(env, path.c_str(), flags, kFileMode);
  if (code == 0) code = mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn);
  if (code == 0) code = mdb_dbi_open(txn, nullptr, 0, &dbi);
  if (code == 0) code = read_everything(txn, dbi);
  if (txn != nullptr) mdb_txn_abort(txn);
  if (env != nullptr) mdb_env_close(env);
  _exit(code == 0 ? 0 : 1);
}

}  // namespace

Result<void> LmdbFile::check_in_child(const std::string& path, Access access, unsigned seconds) {
  Fd lock;
  if (access == Access::read_only) QV_TRY_VOID(take_shared_lock(path, lock));
  const pid_t child = fork();
  if (child < 0) return errno_error("fork");
  if (child == 0) check_as_child(path, access, seconds);
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return errno_error("waitpid");
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return Error{Fault::protocol, 0, "lmdb file"};
}

Result<LmdbFile> LmdbFile::open(const std::string& path, Access access, std::size_t map_bytes) {
  std::unique_ptr<State, Close> state(new State);
  unsigned flags = MDB_NOSUBDIR | MDB_NOTLS;
  if (access == Access::read_only) {
    flags |= MDB_RDONLY | MDB_NOLOCK;
    QV_TRY_VOID(take_shared_lock(path, state->lock));
  }
  int code = mdb_env_create(&state->env);
  if (code == 0) code = mdb_env_set_mapsize(state->env, map_bytes);
  if (code == 0) code = mdb_env_open(state->env, path.c_str(), flags, kFileMode);
  if (code != 0) return lmdb_error(code, "open lmdb");
  // Places of readers that died would keep old pages alive for ever.
  int dead = 0;
  mdb_reader_check(state->env, &dead);
  code = mdb_txn_begin(state->env, nullptr, MDB_RDONLY, &state->reader);
  if (code == 0) code = mdb_dbi_open(state->reader, nullptr, 0, &state->dbi);
  if (code != 0) return lmdb_error(code, "read lmdb");
  mdb_txn_reset(state->reader);
  return LmdbFile(std::move(state));
}

Result<Answer> LmdbFile::get(std::string_view key, std::string& value) {
  if (key.empty() || key.size() > kMaxKey) return Answer::absent;
  const Reading reading(state_->reader);
  if (reading.code() != 0) return lmdb_error(reading.code(), "read lmdb");
  MDB_val wanted = to_val(key);
  MDB_val found{};
  const int code = mdb_get(state_->reader, state_->dbi, &wanted, &found);
  if (code == MDB_NOTFOUND) return Answer::absent;
  if (code != 0) return lmdb_error(code, "read lmdb");
  value = to_view(found);
  return Answer::found;
}

Result<void> LmdbFile::commit(std::span<const Change> changes) {
  constexpr int kMaxGrowths = 8;
  int code = 0;
  for (int growth = 0; growth < kMaxGrowths; ++growth) {
    code = commit_once(state_->env, state_->dbi, changes);
    if (code == MDB_MAP_RESIZED) {
      // Another process has grown it: take its size.
      code = mdb_env_set_mapsize(state_->env, 0);
      if (code != 0) break;
      continue;
    }
    if (code != MDB_MAP_FULL) break;
    MDB_envinfo info{};
    mdb_env_info(state_->env, &info);
    if (mdb_env_set_mapsize(state_->env, info.me_mapsize * 2) != 0) break;
  }
  if (code != 0) return lmdb_error(code, "write lmdb");
  return {};
}

Result<void> LmdbFile::walk(std::string_view after, const Visitor& visitor) {
  const Reading reading(state_->reader);
  if (reading.code() != 0) return lmdb_error(reading.code(), "read lmdb");
  Cursor cursor(state_->reader, state_->dbi);
  if (cursor.code() != 0) return lmdb_error(cursor.code(), "read lmdb");
  MDB_val key = to_val(after);
  MDB_val value{};
  int code = cursor.get(key, value, after.empty() ? MDB_FIRST : MDB_SET_RANGE);
  if (code == 0 && !after.empty() && to_view(key) == after) code = cursor.get(key, value, MDB_NEXT);
  for (; code == 0; code = cursor.get(key, value, MDB_NEXT)) {
    if (visitor(to_view(key), to_view(value)) == Walk::stop) return {};
  }
  if (code != MDB_NOTFOUND) return lmdb_error(code, "read lmdb");
  return {};
}

Result<std::size_t> LmdbFile::entries() {
  const Reading reading(state_->reader);
  MDB_stat stat{};
  int code = reading.code();
  if (code == 0) code = mdb_stat(state_->reader, state_->dbi, &stat);
  if (code != 0) return lmdb_error(code, "read lmdb");
  return std::size_t{stat.ms_entries};
}

}  // namespace qv
