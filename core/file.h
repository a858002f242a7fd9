// SPDX-License-Identifier: 0BSD
// core/file.h - whole reads and writes on descriptors.  Links without the C++ runtime.
#ifndef QV_CORE_FILE_H_
#define QV_CORE_FILE_H_

#include <cstddef>
#include <string_view>

#include "core/fd.h"
#include "core/result.h"

namespace qv {

// Opened O_RDONLY|O_CLOEXEC|O_NOCTTY|O_NONBLOCK (a FIFO does not hang the opener), or the errno.
[[nodiscard]] Result<Fd> open_read(const char* path);

// Reads until `size` bytes or end of file; returns the number of bytes.  Continues after EINTR.
[[nodiscard]] Result<std::size_t> read_full(int fd, char* out, std::size_t size);

// Writes all of it; continues after EINTR and short writes.
[[nodiscard]] Result<void> write_all(int fd, std::string_view bytes);

}  // namespace qv

#endif  // QV_CORE_FILE_H_
