// SPDX-License-Identifier: 0BSD
// The lock file of an mbox, as a crash or another program may have left it: what is read from it
// must survive being written and read again.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "deliver/locks.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::optional<qv::deliver::WriteRecord> record = qv::deliver::parse_lock_record(text);
  if (!record) return 0;
  if (record->begins.size() > qv::deliver::kMaxBegins) abort();
  const std::string written = qv::deliver::encode_lock(1, record);
  if (written.size() != 512 || !qv::deliver::is_our_lock(written)) abort();
  const std::optional<qv::deliver::WriteRecord> again = qv::deliver::parse_lock_record(written);
  if (!again || again->length != record->length || again->dev != record->dev) abort();
  if (again->inode != record->inode || again->begins != record->begins) abort();
  return 0;
}
