// SPDX-License-Identifier: 0BSD
#include "deliver/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/text.h"

namespace qv::deliver {

namespace {

std::string without_final_slashes(const std::string& path) {
  std::size_t size = path.size();
  while (size > 1 && path[size - 1] == '/') --size;
  return path.substr(0, size);
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

int Files::open(const std::string& path, int flags) {
  return ::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY, 0600);
}

ssize_t Files::pread(int fd, void* out, std::size_t size, off_t offset) {
  return ::pread(fd, out, size, offset);
}

ssize_t Files::write(int fd, const void* bytes, std::size_t size) {
  return ::write(fd, bytes, size);
}

ssize_t Files::pwrite(int fd, const void* bytes, std::size_t size, off_t offset) {
  return ::pwrite(fd, bytes, size, offset);
}

int Files::fsync(int fd) { return ::fsync(fd); }

int Files::ftruncate(int fd, off_t size) { return ::ftruncate(fd, size); }

int Files::fstat(int fd, struct stat& out) { return ::fstat(fd, &out); }

int Files::lstat(const std::string& path, struct stat& out) { return ::lstat(path.c_str(), &out); }

int Files::link(const std::string& from, const std::string& to) {
  return ::link(from.c_str(), to.c_str());
}

int Files::rename_noreplace(const std::string& from, const std::string& to) {
#ifdef RENAME_NOREPLACE
  return ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE);
#else
  static_cast<void>(from + to);
  errno = ENOSYS;
  return -1;
#endif
}

int Files::rename(const std::string& from, const std::string& to) {
  return ::rename(from.c_str(), to.c_str());
}

int Files::unlink(const std::string& path) { return ::unlink(path.c_str()); }

int Files::mkdir(const std::string& path) { return ::mkdir(path.c_str(), 0700); }

int Files::lock_file(int fd, FileLock kind) {
  if (kind == FileLock::flock_write) return ::flock(fd, LOCK_EX | LOCK_NB);
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return ::fcntl(fd, F_SETLK, &lock);
}

int Files::list(const std::string& path, std::vector<std::string>& names) {
  DIR* directory = ::opendir(path.c_str());
  if (directory == nullptr) return -1;
  names.clear();
  errno = 0;
  while (const dirent* entry = ::readdir(directory)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  const int failed = errno;
  ::closedir(directory);
  errno = failed;
  return failed == 0 ? 0 : -1;
}

timespec Files::now() {
  timespec t{};
  clock_gettime(CLOCK_REALTIME, &t);
  return t;
}

void Files::pause(unsigned int milliseconds) { usleep(milliseconds * 1000); }

Result<Fd> Files::open_file(const std::string& path, int flags, const char* what) {
  Fd file(retry_eintr([&] { return open(path, flags); }));
  if (!file.valid()) return errno_error(what);
  return file;
}

Result<std::string> Files::read_at(int fd, std::size_t size, std::uint64_t offset,
                                   const char* what) {
  std::string bytes(size, '\0');
  std::size_t used = 0;
  while (used < size) {
    const ssize_t n = retry_eintr([&] {
      return pread(fd, bytes.data() + used, size - used, static_cast<off_t>(offset + used));
    });
    if (n < 0) return errno_error(what);
    if (n == 0) break;
    used += static_cast<std::size_t>(n);
  }
  bytes.resize(used);
  return bytes;
}

Result<void> Files::write_all(int fd, std::string_view bytes, const char* what) {
  while (!bytes.empty()) {
    const ssize_t n = retry_eintr([&] { return write(fd, bytes.data(), bytes.size()); });
    if (n < 0) return errno_error(what);
    if (n == 0) return Error{Fault::retry, ENOSPC, what};
    bytes = after_bytes(bytes, static_cast<std::size_t>(n));
  }
  return {};
}

Result<void> Files::sync(int fd, const char* what) {
  return checked(what, [&] { return fsync(fd); });
}

Result<struct stat> Files::status(int fd, const char* what) {
  struct stat st {};
  QV_TRY_VOID(checked(what, [&] { return fstat(fd, st); }));
  return st;
}

Result<LockTaken> Files::try_lock(int fd, FileLock kind, const char* what) {
  if (retry_eintr([&] { return lock_file(fd, kind); }) == 0) return LockTaken::yes;
  if (errno == EAGAIN || errno == EACCES) return LockTaken::busy;
  return errno_error(what);
}

Result<void> Files::sync_directory(int fd) {
  const Result<void> synced = sync(fd, "fsync the directory");
  if (!synced.ok() && synced.error().errnum == EINVAL) return {};
  return synced;
}

Result<void> Files::sync_parent(const std::string& path) {
  const std::string parent = parent_of(without_final_slashes(path));
  const Result<Fd> opened = open_file(parent, O_RDONLY | O_DIRECTORY, "open the directory");
  if (opened.ok()) return sync_directory(opened.value().get());
  if (opened.error().errnum == EACCES) return {};
  return opened.error();
}

Result<void> Files::make_directories(const std::string& path) {
  const std::string name = without_final_slashes(path);
  const auto make = [&] { return checked("make a directory", [&] { return mkdir(name); }); };
  Result<void> made = make();
  if (!made.ok() && made.error().errnum == ENOENT && name != "/" && name != ".") {
    QV_TRY_VOID(make_directories(parent_of(name)));
    made = make();
  }
  if (!made.ok() && made.error().errnum == EEXIST) return {};
  if (!made.ok()) return made;
  return sync_parent(name);
}

std::string Files::unique_name() {
  static unsigned long count = 0;
  const timespec t = now();
  return std::to_string(t.tv_sec) + ".M" + std::to_string(t.tv_nsec / 1000) + "P" +
         std::to_string(getpid()) + "Q" + std::to_string(++count);
}

}  // namespace qv::deliver
