// SPDX-License-Identifier: 0BSD
// process/memory_file.h - a file in memory, handed from one process to another for good.
//
// Sealed before it is handed over: whoever maps it need not fear that it shrinks or changes.
//
// Threads: none.  Tests: tests/process/channel_test.cc
#ifndef QV_PROCESS_MEMORY_FILE_H_
#define QV_PROCESS_MEMORY_FILE_H_

#include "core/fd.h"
#include "core/result.h"

namespace qv::process {

// An empty one, close-on-exec; `name` shows in /proc/PID/fd only.
[[nodiscard]] Result<Fd> open_memory_file(const char* name);

// Nothing can be written, cut off or added from now on.  REQUIRES: no writable mapping of it.
[[nodiscard]] Result<void> seal(const Fd& file);

// True for a regular file that seal() sealed.
[[nodiscard]] bool is_sealed(const Fd& file);

}  // namespace qv::process

#endif  // QV_PROCESS_MEMORY_FILE_H_
