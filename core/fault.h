// SPDX-License-Identifier: 0BSD
// core/fault.h - from errno to Fault (after qmail's error_temp).
#ifndef QV_CORE_FAULT_H_
#define QV_CORE_FAULT_H_

#include "core/result.h"

namespace qv {

// config where only the operator can help, else retry: an unknown error must not become a permanent
// answer.
[[nodiscard]] Fault fault_from_errno(int errnum);

// The Error for the current errno; call it right after the failed call.
[[nodiscard]] Error errno_error(const char* what);

// True for an errno of stat, open or connect that means that nothing is at the path: ENOENT and
// ENOTDIR.  All others (ELOOP, EACCES, ESTALE, ...) leave that unknown.
[[nodiscard]] bool errno_means_absent(int errnum);

}  // namespace qv

#endif  // QV_CORE_FAULT_H_
