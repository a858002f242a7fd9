// SPDX-License-Identifier: 0BSD
#include "deliver/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include <vector>

#include "core/fault.h"
#include "core/file.h"

namespace qv::deliver {

namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;

// A file without a name, opened once for writing and once for reading: a reader cannot write to it
// even with the same uid.
Result<void> open_unnamed(const std::string& directory, Fd& writer, Fd& reader) {
  writer.reset(::open(directory.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
  if (writer.valid()) {
    const std::string self = "/proc/self/fd/" + std::to_string(writer.get());
    reader.reset(::open(self.c_str(), O_RDONLY | O_CLOEXEC));
  } else if (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL) {
    // This file system, or this kernel, lacks O_TMPFILE.
    std::string path = directory + "/qmail-virtual.XXXXXX";
    writer.reset(::mkostemp(path.data(), O_CLOEXEC));
    if (!writer.valid()) return errno_error("make a spool file");
    reader.reset(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (::unlink(path.c_str()) != 0) return errno_error("unlink a spool file");
  }
  if (!writer.valid() || !reader.valid()) return errno_error("make a spool file");
  return {};
}

}  // namespace

Result<void> Spool::open(std::uint64_t expected) {
  if (expected <= kMaxMemory) {
    file_.reset(::memfd_create("message", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (file_.valid()) return {};
  }
  return open_unnamed(directory_, file_, reader_);
}

Result<void> Spool::move_to_file() {
  const Fd memory = std::move(file_);
  QV_TRY_VOID(open_unnamed(directory_, file_, reader_));
  for (off_t at = 0; static_cast<std::size_t>(at) < size_;) {
    const ssize_t n =
        ::sendfile(file_.get(), memory.get(), &at, size_ - static_cast<std::size_t>(at));
    if (n < 0 && errno != EINTR) return errno_error("store the message");
    if (n == 0) return Error{Fault::retry, ENOSPC, "store the message"};
  }
  return {};
}

Result<void> Spool::append(std::string_view bytes) {
  if (stored_.ok()) stored_ = store(bytes);
  return stored_;
}

Result<void> Spool::store(std::string_view bytes) {
  if (!reader_.valid() && size_ + bytes.size() > kMaxMemory) QV_TRY_VOID(move_to_file());
  const Result<void> written = write_all(file_.get(), bytes);
  if (!written.ok()) return Error{Fault::retry, written.error().errnum, "store the message"};
  size_ += bytes.size();
  return {};
}

Result<void> Spool::append_all(int from) {
  std::vector<char> piece(kMaxMemory);
  for (;;) {
    QV_TRY(const std::size_t got, read_full(from, piece.data(), piece.size()));
    if (got == 0) return {};
    QV_TRY_VOID(append({piece.data(), got}));
  }
}

Result<Fd> Spool::finish() {
  QV_TRY_VOID(stored_);
  if (reader_.valid()) return std::move(reader_);
  if (::fcntl(file_.get(), F_ADD_SEALS, kSeals) != 0) return errno_error("seal the message");
  return std::move(file_);
}

}  // namespace qv::deliver
