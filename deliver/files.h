// SPDX-License-Identifier: 0BSD
// deliver/files.h - the system calls that a delivery makes, in a class that tests replace.
//
// A delivery does everything to a mailbox through a Files, so that a test can make the n-th call
// fail, stop short or be the last one before a crash.  Closing is not here: close(2) cannot lose
// what has been fsynced, and nothing else is reported as delivered.
//
// Threads: none.  Blocking: as the calls do; locking never waits.
// Tests: tests/fakes/faulty_files.h is the fake; tests/deliver/ uses it throughout.
#ifndef QV_DELIVER_FILES_H_
#define QV_DELIVER_FILES_H_

#include <errno.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/fault.h"
#include "core/fd.h"
#include "core/result.h"

namespace qv::deliver {

enum class FileLock : std::uint8_t {
  fcntl_write,  // fcntl(2) F_SETLK, F_WRLCK, the whole file
  flock_write,  // flock(2) LOCK_EX | LOCK_NB
};

enum class LockTaken : std::uint8_t { yes, busy };

class Files {
 public:
  Files() = default;
  virtual ~Files() = default;
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;

  // Each is the system call of its name: at least 0, or -1 with errno set, which may be EINTR.

  // O_CLOEXEC and O_NOCTTY are added; new files have mode 0600.  The caller owns the descriptor.
  virtual int open(const std::string& path, int flags);
  virtual ssize_t pread(int fd, void* out, std::size_t size, off_t offset);
  virtual ssize_t write(int fd, const void* bytes, std::size_t size);
  virtual ssize_t pwrite(int fd, const void* bytes, std::size_t size, off_t offset);
  virtual int fsync(int fd);
  virtual int ftruncate(int fd, off_t size);
  virtual int fstat(int fd, struct stat& out);
  virtual int lstat(const std::string& path, struct stat& out);
  virtual int link(const std::string& from, const std::string& to);
  // Fails with EEXIST where `to` exists; EINVAL or ENOSYS where the system cannot do it.
  virtual int rename_noreplace(const std::string& from, const std::string& to);
  virtual int rename(const std::string& from, const std::string& to);
  virtual int unlink(const std::string& path);
  virtual int mkdir(const std::string& path);  // mode 0700
  // EAGAIN or EACCES: another process holds it.
  virtual int lock_file(int fd, FileLock kind);
  // The names in a directory, without "." and "..".
  virtual int list(const std::string& path, std::vector<std::string>& names);

  virtual timespec now();                         // CLOCK_REALTIME
  virtual void pause(unsigned int milliseconds);  // sleeps

  // The same calls, repeated after EINTR.  Errors hold `what` and the errno.

  [[nodiscard]] Result<Fd> open_file(const std::string& path, int flags, const char* what);
  // `size` bytes from `offset` on; fewer where the file ends before.
  [[nodiscard]] Result<std::string> read_at(int fd, std::size_t size, std::uint64_t offset,
                                            const char* what);
  // Goes on after short writes.
  [[nodiscard]] Result<void> write_all(int fd, std::string_view bytes, const char* what);
  [[nodiscard]] Result<void> sync(int fd, const char* what);
  [[nodiscard]] Result<struct stat> status(int fd, const char* what);
  [[nodiscard]] Result<LockTaken> try_lock(int fd, FileLock kind, const char* what);

  // fsyncs an open directory.  EINVAL counts as success: such a file system has nothing to sync.
  [[nodiscard]] Result<void> sync_directory(int fd);
  // fsyncs the directory that holds `path`.  A directory that the recipient may pass through but
  // not read (EACCES) cannot be opened for that, and is left to the file system.
  [[nodiscard]] Result<void> sync_parent(const std::string& path);
  // Makes the directory `path` (with or without a final '/') and those above it that are missing,
  // and fsyncs each one's parent.  One that exists is fine.
  [[nodiscard]] Result<void> make_directories(const std::string& path);

  // A name that no other process of this machine uses: "seconds.M<usec>P<pid>Q<count>".
  [[nodiscard]] std::string unique_name();
};

// Repeats `call` for as long as it fails with EINTR.
template <class Call>
auto retry_eintr(Call call) {
  for (;;) {
    const auto result = call();
    if (result >= 0 || errno != EINTR) return result;
  }
}

// The same; Error: `what`, and the errno.
template <class Call>
[[nodiscard]] Result<void> checked(const char* what, Call call) {
  if (retry_eintr(call) < 0) return errno_error(what);
  return {};
}

}  // namespace qv::deliver

#endif  // QV_DELIVER_FILES_H_
