// SPDX-License-Identifier: 0BSD
// deliver/spool.h - storage of a message for the processes that deliver it.
//
// A small message is in a memfd, which is sealed when the message is complete; a larger one is in a
// file without a name.  Holders of the descriptor can read the message and cannot change it.  A
// spool is for one message; it disappears when its descriptors are closed, also after a crash.
//
// Threads: none.  Blocking: as the file system does.  Tests: tests/deliver/spool_test.cc
#ifndef QV_DELIVER_SPOOL_H_
#define QV_DELIVER_SPOOL_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/fd.h"
#include "core/result.h"

namespace qv::deliver {

class Spool {
 public:
  static constexpr std::size_t kMaxMemory = 65536;  // bytes; a larger message is in a file

  // `directory` is for files.
  explicit Spool(std::string directory) : directory_(std::move(directory)) {}

  // Makes room for a message of about `expected` bytes.  Once, as the first call.
  // Error: no message can be stored.
  [[nodiscard]] Result<void> open(std::uint64_t expected);

  // Error: the message cannot be stored; the same Error then comes from every later call.
  [[nodiscard]] Result<void> append(std::string_view bytes);

  // Copies `from` (a pipe, a socket) to its end.  Blocking.
  [[nodiscard]] Result<void> append_all(int from);

  // The complete message, readable at any offset.  Once, as the last call.
  [[nodiscard]] Result<Fd> finish();

 private:
  [[nodiscard]] Result<void> store(std::string_view bytes);
  [[nodiscard]] Result<void> move_to_file();

  std::string directory_;
  Fd file_;
  Fd reader_;  // of the same file, read-only; not valid while the message is in memory
  std::size_t size_ = 0;
  Result<void> stored_;  // what became of the pieces so far
};

}  // namespace qv::deliver

#endif  // QV_DELIVER_SPOOL_H_
