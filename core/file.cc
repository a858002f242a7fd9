// SPDX-License-Identifier: 0BSD
#include "core/file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "core/fault.h"
#include "core/text.h"

namespace qv {

Result<Fd> open_read(const char* path) {
  int fd = -1;
  do {
    fd = ::open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return errno_error("open");
  return Fd(fd);
}

Result<std::size_t> read_full(int fd, char* out, std::size_t size) {
  std::size_t got = 0;
  while (got < size) {
    const ssize_t n = ::read(fd, out + got, size - got);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("read");
    if (n == 0) break;
    got += static_cast<std::size_t>(n);
  }
  return got;
}

Result<void> write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("write");
    bytes = after_bytes(bytes, static_cast<std::size_t>(n));
  }
  return {};
}

}  // namespace qv
