// SPDX-License-Identifier: 0BSD
//@ needs: lmdb
#include "maps/lmdb_env.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "core/fault.h"
#include "core/fd.h"

namespace qv::maps {

namespace {

constexpr std::size_t kFirstMap = std::size_t{16} << 20;  // bytes; grown by doubling
constexpr mode_t kFileMode = 0640;

// ---- locks -------------------------------------------------------------------------------------

// A lock of the open file, not of the process: it excludes Postfix's locks as they exclude each
// other, and is not lost when this process closes another descriptor of the file.
class FileLock {
 public:
  explicit FileLock(int fd) : fd_(fd) {}
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  ~FileLock() { static_cast<void>(set(F_UNLCK)); }

  Result<void> lock(short type) const {
    if (set(type) != 0) return errno_error("lock");
    return {};
  }

 private:
  int set(short type) const {
    struct flock lock {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    int done = 0;
    do {
      done = fcntl(fd_, F_OFD_SETLKW, &lock);
    } while (done != 0 && errno == EINTR);
    return done;
  }

  int fd_;
};

// ---- the check, in a child ---------------------------------------------------------------------

constexpr unsigned kCheckSeconds = 60;
constexpr rlim_t kCheckMemory = rlim_t{64} << 20;  // bytes, above what the parent has
constexpr int kDamaged = 255;                      // exit code; others are an errno, or 0
constexpr std::size_t kPageHeader = 16;
constexpr MDB_dbi kFreeList = 0;
// Kinds of pages.
constexpr unsigned kBranch = 1;
constexpr unsigned kLeaf = 2;
constexpr unsigned kOverflow = 4;

template <class T>
T load(const char* at) {
  T out;
  memcpy(&out, at, sizeof out);
  return out;
}

// Checks what a walk does not show and a writer relies on: the place, the kind and the free part of
// each page.  A page has a header: its number, 8 bytes; kind, 2 bytes at 10; begin and end of the
// free part, or the number of pages of an overflow run, at 12.
class PageCheck {
 public:
  using Page = char[65536];  // at most

  PageCheck(int fd, std::size_t page_size, std::size_t pages)
      : fd_(fd), size_(page_size), no_branch_(pages) {}

  // Of an entry: its value stands in the page of its key, or in pages of its own.
  bool is_sound(const MDB_val& key, const MDB_val& value) {
    if (key.mv_size == 0 || key.mv_size > LmdbEnv::kMaxKey) return false;
    const auto* at = static_cast<const char*>(key.mv_data);
    const auto* data = static_cast<const char*>(value.mv_data);
    const char* page = at - reinterpret_cast<std::uintptr_t>(at) % size_;
    if (!is_leaf(page) || at < page + load<std::uint16_t>(page + 14)) return false;
    if (data > page && data < page + size_) {
      return value.mv_size <= static_cast<std::size_t>(page + size_ - data);
    }
    page = data - kPageHeader;
    if (reinterpret_cast<std::uintptr_t>(page) % size_ != 0 || kind_of(page) != kOverflow ||
        !is_in_place(page)) {
      return false;
    }
    const auto first = load<std::size_t>(page);
    const auto pages = load<std::uint32_t>(page + 12);
    if (pages > no_branch_.size() - first || value.mv_size + kPageHeader > pages * size_) {
      return false;
    }
    std::fill_n(no_branch_.begin() + static_cast<std::ptrdiff_t>(first), pages, true);
    return true;
  }

  // Of an entry of the list of free pages: a transaction's number, and how many pages it has freed
  // and which, for a writer to use again.  Their contents mean nothing.
  bool is_free_list(const MDB_val& key, const MDB_val& value, std::size_t last_page) {
    const auto entry = [&](std::size_t i) {
      return load<std::size_t>(static_cast<const char*>(value.mv_data) + i * sizeof(std::size_t));
    };
    const std::size_t entries = value.mv_size / sizeof(std::size_t);
    if (key.mv_size != sizeof(std::size_t) || entries == 0 || entry(0) >= entries) return false;
    for (std::size_t i = 1; i <= entry(0); ++i) {
      if (entry(i) < 2 || entry(i) > last_page) return false;
      // Pages at the end that were never written are not in the file.
      if (entry(i) < no_branch_.size()) no_branch_[entry(i)] = true;
    }
    return true;
  }

  // Of the two meta pages: how the list of free pages is sorted.
  bool are_metas_sound() {
    constexpr std::size_t kFlags = kPageHeader + 24 + 4;
    for (std::size_t meta = 0; meta < 2; ++meta) {
      if (!read_page(meta) || static_cast<unsigned char>(copy_[kFlags]) != MDB_INTEGERKEY) {
        return false;
      }
    }
    return true;
  }

  // Of all pages that are branches; after the walk.
  bool are_branches_sound() {
    for (std::size_t page = 2; page < no_branch_.size(); ++page) {
      if (no_branch_[page] || !read_page(page) || load<std::size_t>(copy_) != page) continue;
      const bool branch = (kind_of(copy_) & kBranch) != 0;
      if (branch && (kind_of(copy_) != kBranch || !is_layout_sound(copy_))) return false;
    }
    return true;
  }

 private:
  static unsigned kind_of(const char* page) { return load<std::uint16_t>(page + 10); }
  bool read_page(std::size_t number) {
    return pread(fd_, copy_, size_, static_cast<off_t>(number * size_)) ==
           static_cast<ssize_t>(size_);
  }
  bool is_in_place(const char* page) {
    const auto number = load<std::size_t>(page);
    return number < no_branch_.size() && read_page(number) && memcmp(copy_, page, size_) == 0;
  }
  bool is_layout_sound(const char* page) const {
    const std::size_t lower = load<std::uint16_t>(page + 12);
    const std::size_t upper = load<std::uint16_t>(page + 14);
    if (lower < kPageHeader || lower > upper || upper > size_) return false;
    for (std::size_t at = kPageHeader; at < lower; at += 2) {
      const std::size_t node = load<std::uint16_t>(page + at);
      if (node < upper || node + 8 > size_) return false;
    }
    return true;
  }
  bool is_leaf(const char* page) {
    if (page == last_leaf_) return true;
    last_leaf_ = page;
    return kind_of(page) == kLeaf && is_in_place(page) && is_layout_sound(page);
  }

  int fd_;
  std::size_t size_;
  std::vector<bool> no_branch_;  // by page: free, or part of a value's own pages
  const char* last_leaf_ = nullptr;
  Page copy_;
};

// Reads all of a table: 0, or the code of what is wrong.
int walk_table(MDB_txn* txn, MDB_dbi dbi, PageCheck& pages, std::size_t last_page) {
  MDB_stat stat{};
  unsigned flags = 0;
  int code = mdb_stat(txn, dbi, &stat);
  if (code == 0 && dbi != kFreeList) code = mdb_dbi_flags(txn, dbi, &flags);
  if (code != 0) return code;
  if (flags != 0) return MDB_INCOMPATIBLE;
  LmdbCursor cursor(txn, dbi);
  MDB_val last{};
  MDB_val key{};
  MDB_val value{};
  std::size_t entries = 0;
  for (;; ++entries, last = key) {
    code = cursor.get(key, value, MDB_NEXT);
    if (code != 0) break;
    volatile char touched = 0;
    for (const char c : from_lmdb(value)) touched = c;
    static_cast<void>(touched);
    if (!pages.is_sound(key, value) || entries >= stat.ms_entries ||
        (dbi == kFreeList && !pages.is_free_list(key, value, last_page)) ||
        (entries > 0 && mdb_cmp(txn, dbi, &last, &key) >= 0)) {
      return MDB_CORRUPTED;
    }
  }
  if (code != MDB_NOTFOUND) return code;
  return entries == stat.ms_entries ? 0 : MDB_CORRUPTED;
}

int walk_file(const char* path) {
  MDB_env* env = nullptr;
  MDB_txn* txn = nullptr;
  MDB_dbi dbi = 0;
  MDB_stat stat{};
  MDB_envinfo info{};
  int fd = -1;
  int code = mdb_env_create(&env);
  if (code != 0) return code;
  mdb_env_set_assert(env, [](MDB_env*, const char*) { _exit(kDamaged); });
  code = mdb_env_open(env, path, MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK, 0);
  // The file asks for an impossible size of the map; under a limit of memory it may be sound.
  rlimit space{};
  const bool limited = getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY;
  if (code == EINVAL || code == EOVERFLOW || (code == ENOMEM && !limited)) return MDB_CORRUPTED;
  if (code == 0) code = mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn);
  if (code == 0) code = mdb_dbi_open(txn, nullptr, 0, &dbi);
  if (code == 0) code = mdb_env_stat(env, &stat);
  if (code == 0) code = mdb_env_info(env, &info);
  if (code == 0) code = mdb_env_get_fd(env, &fd);
  if (code != 0) return code;
  const off_t bytes = lseek(fd, 0, SEEK_END);
  if (stat.ms_psize > sizeof(PageCheck::Page) || bytes < 0) return MDB_CORRUPTED;
  PageCheck pages(fd, stat.ms_psize, static_cast<std::size_t>(bytes) / stat.ms_psize);
  if (!pages.are_metas_sound()) return MDB_CORRUPTED;
  code = walk_table(txn, dbi, pages, info.me_last_pgno);
  if (code == 0) code = walk_table(txn, kFreeList, pages, info.me_last_pgno);
  return code != 0 || pages.are_branches_sound() ? code : MDB_CORRUPTED;
}

void limit(decltype(RLIMIT_CORE) what, rlim_t most) {
  const rlimit both{most, most};
  setrlimit(what, &both);
}

// The child cannot write or start anything, and has no more time and memory than it needs.
[[noreturn]] void check_as_child(const char* path) {
  // The daemon's handlers must not run here; a signal to the whole process group does not end the
  // check.
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  for (const int number : {SIGHUP, SIGINT, SIGUSR1, SIGUSR2}) signal(number, SIG_IGN);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  alarm(kCheckSeconds);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_FSIZE, 0);
  limit(RLIMIT_NPROC, 0);
  // LMDB allocates nothing by what the file says; this limit is for the case that it does.
  FILE* statm = fopen("/proc/self/statm", "re");
  rlim_t pages = 0;
  if (statm != nullptr && fscanf(statm, "%*u %*u %*u %*u %*u %lu", &pages) == 1) {
    limit(RLIMIT_DATA, pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE)) + kCheckMemory);
  }
  const int code = walk_file(path);
  _exit(code >= 0 && code < kDamaged ? code : kDamaged);
}

// The wait status of the child that checks the file.
Result<int> run_check(const char* path) {
  // While SIGCHLD is ignored, waitpid() does not report how the child has ended.
  struct sigaction old {};
  sigaction(SIGCHLD, nullptr, &old);
  const bool ignored = old.sa_handler == SIG_IGN;
  if (ignored) signal(SIGCHLD, SIG_DFL);
  const pid_t child = fork();
  if (child == 0) check_as_child(path);
  const Error no_child = errno_error("fork to check");
  int status = 0;
  pid_t ended = child;
  while (child > 0 && (ended = waitpid(child, &status, 0)) < 0 && errno == EINTR) {
  }
  const Error no_end = errno_error("wait for check of");
  if (ignored) {
    sigaction(SIGCHLD, &old, nullptr);
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
  }
  if (child < 0) return no_child;
  if (ended < 0) return no_end;
  return status;
}

Error damaged() { return {Fault::retry, EPROTO, "damaged LMDB file"}; }

Result<void> check_in_child(const char* path) {
  QV_TRY(const int status, run_check(path));
  if (WIFEXITED(status)) {
    const int code = WEXITSTATUS(status);
    if (code == 0) return {};
    return code == kDamaged ? damaged() : lmdb_error(code, "check LMDB file");
  }
  for (const int number : {SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGALRM}) {
    if (WTERMSIG(status) == number) return damaged();
  }
  return Error{Fault::retry, 0, "a signal ended the check of"};
}

}  // namespace

// ---- the environment ---------------------------------------------------------------------------

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
      return damaged();
    default:
      break;
  }
  // LMDB's own codes are negative; what is left is an errno.
  if (code < 0) return {Fault::retry, 0, what};
  return {fault_from_errno(code), code, what};
}

bool means_damage(const Error& error) { return error.errnum == EPROTO; }

int LmdbCursor::get_after(std::string_view last, MDB_val& key, MDB_val& value) {
  if (last.empty()) return get(key, value, MDB_FIRST);
  key = to_lmdb(last);
  const int code = get(key, value, MDB_SET_RANGE);
  return code == 0 && from_lmdb(key) == last ? get(key, value, MDB_NEXT) : code;
}

int LmdbEnv::fd() const {
  int fd = -1;
  mdb_env_get_fd(env_.get(), &fd);
  return fd;
}

Result<LmdbEnv> LmdbEnv::open(const std::string& path, LmdbMode mode, std::string& detail) {
  LmdbEnv env(mode);
  Result<void> opened = env.open_checked(path);
  // The first transaction sees whether the file has been replaced or cut meanwhile.
  if (opened.ok()) {
    const Result<int> looked = env.read([](MDB_txn*, MDB_dbi) { return 0; });
    if (!looked.ok()) opened = looked.error();
  }
  if (opened.ok()) return env;
  detail = describe_error(opened.error(), path);
  return opened.error();
}

Result<void> LmdbEnv::open_checked(const std::string& path) {
  const bool makes = mode_ == LmdbMode::make || mode_ == LmdbMode::build;
  const int access = mode_ == LmdbMode::read ? O_RDONLY : O_RDWR;
  const Fd file(
      ::open(path.c_str(), access | O_CLOEXEC | O_NONBLOCK | (makes ? O_CREAT : 0), kFileMode));
  if (!file.valid()) return errno_error("open");
  // No other process may make a new file meanwhile, or write to the one that is checked.
  const FileLock lock(file.get());
  QV_TRY_VOID(lock.lock(makes ? F_WRLCK : F_RDLCK));
  struct stat st {};
  if (fstat(file.get(), &st) != 0) return errno_error("fstat");
  if (!S_ISREG(st.st_mode)) return Error{Fault::config, 0, "not a regular file:"};
  // LMDB would take an empty file for a database to be made.
  if (st.st_size == 0 && !makes) return Error{Fault::retry, EPROTO, "empty LMDB file"};
  if (st.st_size > 0) QV_TRY_VOID(check_in_child(path.c_str()));
  MDB_env* raw = nullptr;
  if (const int code = mdb_env_create(&raw); code != 0) return lmdb_error(code, "open");
  env_.reset(raw);
  if (st.st_size == 0) mdb_env_set_mapsize(raw, kFirstMap);
  const unsigned flags = MDB_NOSUBDIR | MDB_NOLOCK |
                         (mode_ == LmdbMode::read ? unsigned{MDB_RDONLY} : 0u) |
                         (mode_ == LmdbMode::build ? unsigned{MDB_NOSYNC | MDB_NOMETASYNC} : 0u);
  const int code = mdb_env_open(raw, path.c_str(), flags, kFileMode);
  if (code != 0) return lmdb_error(code, "open LMDB file");
  QV_TRY(stamp_, control::stamp_file(fd(), path));
  stamp_.identity_only = true;
  size_ = static_cast<off_t>(stamp_.size);
  if (stamp_.device != st.st_dev || stamp_.inode != st.st_ino) {
    return Error{Fault::retry, 0, "replaced while it was opened:"};
  }
  return {};
}

// Such a file never becomes shorter.  What the newest meta page says is in use is no measure: LMDB
// may leave pages at the end unwritten that it needed only for a while.
Result<void> LmdbEnv::check_size() {
  struct stat st {};
  if (fstat(fd(), &st) != 0) return errno_error("fstat");
  if (st.st_size < size_) return Error{Fault::retry, EPROTO, "truncated LMDB file"};
  size_ = st.st_size;
  return {};
}

Result<void> LmdbEnv::begin(bool writing, MDB_txn*& txn) {
  QV_TRY_VOID(check_size());
  const auto attempt = [&] {
    if (!writing && reader_) {
      txn = reader_.get();
      return mdb_txn_renew(txn);
    }
    return mdb_txn_begin(env_.get(), nullptr, writing ? 0u : unsigned{MDB_RDONLY}, &txn);
  };
  int code = attempt();
  if (code == MDB_MAP_RESIZED) {
    reader_.reset();
    code = mdb_env_set_mapsize(env_.get(), 0);
    if (code == 0) code = attempt();
  }
  if (!writing && code != 0) reader_.reset();
  if (code != 0) return lmdb_error(code, "read LMDB file");
  if (!writing) reader_.reset(txn == reader_.get() ? reader_.release() : txn);
  // The one table of the file.
  if (dbi_ == 0) code = mdb_dbi_open(txn, nullptr, 0, &dbi_);
  if (code == 0) return {};
  if (writing) mdb_txn_abort(txn);
  reader_.reset();
  return lmdb_error(code, "read LMDB file");
}

Result<int> LmdbEnv::read(const Work& work) {
  const FileLock lock(fd());
  QV_TRY_VOID(lock.lock(F_RDLCK));
  MDB_txn* txn = nullptr;
  QV_TRY_VOID(begin(false, txn));
  const int code = work(txn, dbi_);
  mdb_txn_reset(txn);
  return code;
}

Result<int> LmdbEnv::change(const Work& work) {
  if (mode_ == LmdbMode::read) return Error{Fault::denied, 0, "opened only to read"};
  const FileLock lock(fd());
  QV_TRY_VOID(lock.lock(F_WRLCK));
  for (;;) {
    MDB_txn* txn = nullptr;
    QV_TRY_VOID(begin(true, txn));
    int code = work(txn, dbi_);
    if (code == 0) {
      code = mdb_txn_commit(txn);
    } else {
      mdb_txn_abort(txn);
    }
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

}  // namespace qv::maps
