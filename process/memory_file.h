// SPDX-License-Identifier: 0BSD
// process/memory_file.h - a file in memory that one process hands to another.
//
// It is sealed first: a process that maps it can rely on its size and contents.
//
// Threads: none.  Tests: tests/process/channel_test.cc
#ifndef QV_PROCESS_MEMORY_FILE_H_
#define QV_PROCESS_MEMORY_FILE_H_

#include "core/fd.h"
#include "core/result.h"

namespace qv::process {

// An empty one, close-on-exec; `name` shows in /proc/PID/fd only.
[[nodiscard]] Result<Fd> open_memory_file(const char* name);

// Makes writing, shrinking and growing impossible.  REQUIRES: no writable mapping of it.
[[nodiscard]] Result<void> seal(const Fd& file);

// True for a regular file that seal() sealed.
[[nodiscard]] bool is_sealed(const Fd& file);

}  // namespace qv::process

#endif  // QV_PROCESS_MEMORY_FILE_H_
