// SPDX-License-Identifier: 0BSD
// helper/records.h - the records of the tables that an agent sends to the front.
//
// passwd_index: key = login name, value = "uid NUL gid NUL home NUL", numbers in decimal; the first
// entry of a name comes first.  home_index: key = a name that begins with ".qmail", value empty;
// under the empty key "count NUL longest NUL longest_default NUL" (IndexSummary).
//
// Threads: none.  Tests: tests/helper/records_test.cc, tests/fuzz/fuzz_passwd.cc
#ifndef QV_HELPER_RECORDS_H_
#define QV_HELPER_RECORDS_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"

namespace qv::helper {

struct PasswdEntry {
  std::string_view name;
  uid_t uid = 0;
  gid_t gid = 0;
  std::string_view home;  // empty where the entry has none, or none that is absolute
};

// One line of passwd(5), without its newline.  False where the system's own reader (nss_files)
// would pass over it, and for what it would take from NIS ("+...", "-..."): comment, empty name,
// uid or gid missing, not decimal or not below 4294967295, NUL anywhere.  The views point into
// `line`.
[[nodiscard]] bool parse_passwd_line(std::string_view line, PasswdEntry& entry);

// The value stored for an entry, and back; the decoded entry has no name and its home points into
// `value`.  Fault::protocol where `value` was not made by encode_passwd().
void encode_passwd(const PasswdEntry& entry, std::string& value);
[[nodiscard]] Result<PasswdEntry> decode_passwd(std::string_view value);

// What a home's index holds, so that most look-ups need not touch it.
struct IndexSummary {
  std::uint64_t count = 0;            // names
  std::uint64_t longest = 0;          // bytes of the longest name
  std::uint64_t longest_default = 0;  // bytes of the longest name that ends in "default"
};

[[nodiscard]] std::string encode_summary(const IndexSummary& summary);
[[nodiscard]] Result<IndexSummary> decode_summary(std::string_view value);

}  // namespace qv::helper

#endif  // QV_HELPER_RECORDS_H_
