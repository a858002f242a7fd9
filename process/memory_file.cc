// SPDX-License-Identifier: 0BSD
#include "process/memory_file.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "core/fault.h"

namespace qv::process {

namespace {
constexpr int kSeals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK;
}

Result<Fd> open_memory_file(const char* name) {
  const int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return errno_error("memfd_create");
  return Fd(fd);
}

Result<void> seal(const Fd& file) {
  if (fcntl(file.get(), F_ADD_SEALS, kSeals | F_SEAL_SEAL) != 0) return errno_error("seal");
  return {};
}

// Only memory files have seals: for anything else the call fails.
bool is_sealed(const Fd& file) {
  const int seals = fcntl(file.get(), F_GET_SEALS);
  return seals >= 0 && (seals & kSeals) == kSeals;
}

}  // namespace qv::process
