// SPDX-License-Identifier: 0BSD
#include "deliver/directories.h"

#include <fcntl.h>

#include "core/fault.h"
#include "core/fd.h"

namespace qv {

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

Result<void> fsync_directory(Files& files, int fd) {
  if (retry_eintr([&] { return files.fsync(fd); }) == 0 || errno == EINVAL) return {};
  return errno_error("fsync the directory");
}

Result<void> fsync_parent(Files& files, const std::string& path) {
  const std::string parent = parent_of(without_final_slashes(path));
  const Fd opened(
      retry_eintr([&] { return files.open(parent.c_str(), O_RDONLY | O_DIRECTORY, 0); }));
  if (!opened.valid() && errno == EACCES) return {};
  if (!opened.valid()) return errno_error("open the directory");
  return fsync_directory(files, opened.get());
}

Result<void> make_directories(Files& files, const std::string& path) {
  const std::string name = without_final_slashes(path);
  int made = retry_eintr([&] { return files.mkdir(name.c_str(), 0700); });
  if (made != 0 && errno == ENOENT && name != "/" && name != ".") {
    QV_TRY_VOID(make_directories(files, parent_of(name)));
    made = retry_eintr([&] { return files.mkdir(name.c_str(), 0700); });
  }
  if (made != 0 && errno == EEXIST) return {};
  if (made != 0) return errno_error("make a directory");
  return fsync_parent(files, name);
}

}  // namespace qv
