// SPDX-License-Identifier: 0BSD
#include "deliver/spool.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <vector>

#include "core/fault.h"
#include "core/file.h"

namespace qv {

namespace {

constexpr std::size_t kPiece = 65536;

}  // namespace

Result<Fd> open_spool(const std::string& directory) {
#ifdef O_TMPFILE
  Fd nameless(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (nameless.valid()) return nameless;
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
    return errno_error("make a spool file");
#endif
  std::string path = directory + "/qmail-virtual.XXXXXX";
  Fd file(::mkostemp(path.data(), O_CLOEXEC));
  if (!file.valid()) return errno_error("make a spool file");
  if (::unlink(path.c_str()) != 0) return errno_error("unlink a spool file");
  return file;
}

Result<void> spool_all(int from, int to) {
  std::vector<char> piece(kPiece);
  for (;;) {
    QV_TRY(const std::size_t got, read_full(from, piece.data(), piece.size()));
    if (got == 0) return {};
    QV_TRY_VOID(write_all(to, {piece.data(), got}));
  }
}

}  // namespace qv
