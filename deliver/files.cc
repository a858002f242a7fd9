// SPDX-License-Identifier: 0BSD
#include "deliver/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

namespace qv {

int SystemFiles::open(const char* path, int flags, mode_t mode) {
  return ::open(path, flags | O_CLOEXEC | O_NOCTTY, mode);
}

ssize_t SystemFiles::pread(int fd, void* out, std::size_t size, off_t offset) {
  return ::pread(fd, out, size, offset);
}

ssize_t SystemFiles::write(int fd, const void* bytes, std::size_t size) {
  return ::write(fd, bytes, size);
}

ssize_t SystemFiles::pwrite(int fd, const void* bytes, std::size_t size, off_t offset) {
  return ::pwrite(fd, bytes, size, offset);
}

int SystemFiles::fsync(int fd) { return ::fsync(fd); }

int SystemFiles::ftruncate(int fd, off_t size) { return ::ftruncate(fd, size); }

int SystemFiles::fstat(int fd, struct stat& out) { return ::fstat(fd, &out); }

int SystemFiles::lstat(const char* path, struct stat& out) { return ::lstat(path, &out); }

int SystemFiles::link(const char* from, const char* to) { return ::link(from, to); }

int SystemFiles::rename_noreplace(const char* from, const char* to) {
#ifdef RENAME_NOREPLACE
  return ::renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
#else
  static_cast<void>(from);
  static_cast<void>(to);
  errno = ENOSYS;
  return -1;
#endif
}

int SystemFiles::rename(const char* from, const char* to) { return ::rename(from, to); }

int SystemFiles::unlink(const char* path) { return ::unlink(path); }

int SystemFiles::mkdir(const char* path, mode_t mode) { return ::mkdir(path, mode); }

int SystemFiles::lock_file(int fd, FileLock kind) {
  switch (kind) {
    case FileLock::fcntl_write: {
      struct flock lock {};
      lock.l_type = F_WRLCK;
      lock.l_whence = SEEK_SET;
      return ::fcntl(fd, F_SETLK, &lock);
    }
    case FileLock::flock_write:
      return ::flock(fd, LOCK_EX | LOCK_NB);
  }
  errno = EINVAL;
  return -1;
}

int SystemFiles::list(const char* path, std::vector<std::string>& names) {
  DIR* directory = ::opendir(path);
  if (directory == nullptr) return -1;
  names.clear();
  errno = 0;
  while (const dirent* entry = ::readdir(directory)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
    errno = 0;
  }
  const int failed = errno;
  ::closedir(directory);
  errno = failed;
  return failed == 0 ? 0 : -1;
}

timespec SystemFiles::now() {
  timespec t{};
  clock_gettime(CLOCK_REALTIME, &t);
  return t;
}

void SystemFiles::pause(unsigned int milliseconds) {
  timespec t{};
  t.tv_sec = static_cast<time_t>(milliseconds / 1000);
  t.tv_nsec = static_cast<long>(milliseconds % 1000) * 1000000;
  nanosleep(&t, nullptr);
}

}  // namespace qv
