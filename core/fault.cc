// SPDX-License-Identifier: 0BSD
#include "core/fault.h"

#include <errno.h>

namespace qv {

Fault fault_from_errno(int errnum) {
  switch (errnum) {
    case EACCES:
    case EPERM:
    case ELOOP:
    case ENAMETOOLONG:
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case EROFS:
    case EADDRINUSE:
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
      return Fault::config;
    default:
      return Fault::retry;
  }
}

Error errno_error(const char* what) {
  const int saved = errno;
  return Error{fault_from_errno(saved), saved, what};
}

bool errno_means_absent(int errnum) { return errnum == ENOENT || errnum == ENOTDIR; }

}  // namespace qv
