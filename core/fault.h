// SPDX-License-Identifier: 0BSD
// core/fault.h - from errno to Fault, decided in one place (the heir of qmail's error_temp).
#ifndef QV_CORE_FAULT_H_
#define QV_CORE_FAULT_H_

#include "core/result.h"

namespace qv {

// What an errno means for whoever asked.  Everything not known to be the operator's to mend is
// Fault::retry: an unknown trouble must not become a permanent answer.
[[nodiscard]] Fault fault_from_errno(int errnum);

// The Error for errno as it stands now; call it on the line after the failed call.
[[nodiscard]] Error errno_error(const char* what);

// True where an errno from stat, open or connect on a path says "there is nothing there":
// ENOENT or ENOTDIR.  Everything else (ELOOP, EACCES, ESTALE, ...) says "cannot look".
[[nodiscard]] bool errno_means_absent(int errnum);

// "retry", "config", "denied", "protocol".
[[nodiscard]] const char* fault_name(Fault fault);

}  // namespace qv

#endif  // QV_CORE_FAULT_H_
