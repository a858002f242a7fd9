// SPDX-License-Identifier: 0BSD
// deliver/files.h - the system calls that a delivery makes, behind an interface.
//
// Everything a delivery does to a mailbox goes through here, so that a test can make the n-th call
// fail, stop short or be the last one before a crash.  Each function is the system call of its
// name: at least 0, or -1 with errno set.  EINTR is the caller's to handle (see retry_eintr()).
// Closing is not here: what has been fsynced cannot be lost by close(2), and what has not is not
// reported as delivered.
//
// Threads: none.  Blocking: as the calls do; lock_file() never waits.
// Tests: tests/fakes/faulty_files.h is the fake, tests/deliver/ uses it throughout.
#ifndef QV_DELIVER_FILES_H_
#define QV_DELIVER_FILES_H_

#include <errno.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace qv {

enum class FileLock : std::uint8_t {
  fcntl_write,  // fcntl(2) F_SETLK, F_WRLCK, the whole file
  flock_write,  // flock(2) LOCK_EX | LOCK_NB
};

class Files {
 public:
  virtual ~Files() = default;
  Files() = default;
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;

  // O_CLOEXEC and O_NOCTTY are added.  The caller owns the descriptor.
  virtual int open(const char* path, int flags, mode_t mode) = 0;
  virtual ssize_t pread(int fd, void* out, std::size_t size, off_t offset) = 0;
  virtual ssize_t write(int fd, const void* bytes, std::size_t size) = 0;
  virtual ssize_t pwrite(int fd, const void* bytes, std::size_t size, off_t offset) = 0;
  virtual int fsync(int fd) = 0;
  virtual int ftruncate(int fd, off_t size) = 0;
  virtual int fstat(int fd, struct stat& out) = 0;
  virtual int lstat(const char* path, struct stat& out) = 0;
  virtual int link(const char* from, const char* to) = 0;
  // Fails with EEXIST where `to` exists; EINVAL or ENOSYS where the system cannot do it.
  virtual int rename_noreplace(const char* from, const char* to) = 0;
  virtual int rename(const char* from, const char* to) = 0;
  virtual int unlink(const char* path) = 0;
  virtual int mkdir(const char* path, mode_t mode) = 0;
  // EAGAIN or EACCES: somebody else holds it.
  virtual int lock_file(int fd, FileLock kind) = 0;
  // The names in a directory, "." and ".." left out.
  virtual int list(const char* path, std::vector<std::string>& names) = 0;

  virtual timespec now() = 0;                         // CLOCK_REALTIME
  virtual void pause(unsigned int milliseconds) = 0;  // sleeps
};

// The real ones.
class SystemFiles final : public Files {
 public:
  int open(const char* path, int flags, mode_t mode) override;
  ssize_t pread(int fd, void* out, std::size_t size, off_t offset) override;
  ssize_t write(int fd, const void* bytes, std::size_t size) override;
  ssize_t pwrite(int fd, const void* bytes, std::size_t size, off_t offset) override;
  int fsync(int fd) override;
  int ftruncate(int fd, off_t size) override;
  int fstat(int fd, struct stat& out) override;
  int lstat(const char* path, struct stat& out) override;
  int link(const char* from, const char* to) override;
  int rename_noreplace(const char* from, const char* to) override;
  int rename(const char* from, const char* to) override;
  int unlink(const char* path) override;
  int mkdir(const char* path, mode_t mode) override;
  int lock_file(int fd, FileLock kind) override;
  int list(const char* path, std::vector<std::string>& names) override;
  timespec now() override;
  void pause(unsigned int milliseconds) override;
};

// Calls `call` again for as long as it says EINTR.
template <class Call>
auto retry_eintr(Call call) {
  for (;;) {
    const auto result = call();
    if (result >= 0 || errno != EINTR) return result;
  }
}

}  // namespace qv

#endif  // QV_DELIVER_FILES_H_
