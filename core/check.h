// SPDX-License-Identifier: 0BSD
// core/check.h - QV_CHECK(condition): finds bugs, in release builds too.
//
// Prints file, line and condition on standard error and aborts.  Only for bugs of this program,
// never for what a peer, a file or an operator can cause.
#ifndef QV_CORE_CHECK_H_
#define QV_CORE_CHECK_H_

namespace qv {
[[noreturn]] void check_failed(const char* file, int line, const char* condition);
}

#define QV_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::qv::check_failed(__FILE__, __LINE__, #condition))

#endif  // QV_CORE_CHECK_H_
