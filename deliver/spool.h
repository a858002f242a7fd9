// SPDX-License-Identifier: 0BSD
// deliver/spool.h - a file without a name, for a message on its way.
//
// The file is gone when it is closed, also after a crash.  Tests: tests/deliver/writers_test.cc
#ifndef QV_DELIVER_SPOOL_H_
#define QV_DELIVER_SPOOL_H_

#include <string>

#include "core/fd.h"
#include "core/result.h"

namespace qv {

// A new, empty, nameless file in `directory`, readable and writable by this process only.
[[nodiscard]] Result<Fd> open_spool(const std::string& directory);

// Copies `from` (a pipe, a socket) to its end into `to`.
[[nodiscard]] Result<void> spool_all(int from, int to);

}  // namespace qv

#endif  // QV_DELIVER_SPOOL_H_
