// SPDX-License-Identifier: 0BSD
// deliver/directories.h - directories that are made, and stay made after a power loss.
#ifndef QV_DELIVER_DIRECTORIES_H_
#define QV_DELIVER_DIRECTORIES_H_

#include <string>

#include "core/result.h"
#include "deliver/files.h"

namespace qv {

// Makes the directory `path` (with or without a final '/') and those above it that are missing,
// mode 0700, and fsyncs each one's parent.  One that is there already is fine.
[[nodiscard]] Result<void> make_directories(Files& files, const std::string& path);

// fsyncs an open directory.  A file system that cannot do that (EINVAL) is taken at its word: it
// has nothing to wait for.
[[nodiscard]] Result<void> fsync_directory(Files& files, int fd);

// fsyncs the directory that holds `path`.  One that the recipient may pass through but not read
// (EACCES) cannot be opened for it, and is left to the file system.
[[nodiscard]] Result<void> fsync_parent(Files& files, const std::string& path);

}  // namespace qv

#endif  // QV_DELIVER_DIRECTORIES_H_
