// SPDX-License-Identifier: 0BSD
// maildirsize, which any program of the mailbox's owner may have written: what is believed of it
// must survive being written and read again, and more lines never make less of what was there.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "deliver/quota.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  qv::deliver::Quota quota;
  if (qv::deliver::parse_quota(text, quota) && quota.limits()) {
    qv::deliver::Quota again;
    if (!qv::deliver::parse_quota(qv::deliver::quota_line(quota), again)) abort();
    if (again.bytes != quota.bytes || again.messages != quota.messages) abort();
  }
  const std::optional<qv::deliver::MaildirSize> read = qv::deliver::parse_maildirsize(text);
  if (!read) return 0;
  if (read->lines == 0 || read->lines > size) abort();
  if (!read->quota.limits()) return 0;
  const std::optional<qv::deliver::MaildirSize> again =
      qv::deliver::parse_maildirsize(qv::deliver::maildirsize_text(read->quota, read->usage));
  if (!again || again->lines != 1) abort();
  if (again->usage.bytes != read->usage.bytes) abort();
  if (again->usage.messages != read->usage.messages) abort();
  return 0;
}
