// SPDX-License-Identifier: 0BSD
// agent/passwd.h - the password file as a table, and single users by the system's NSS.
//
// Called in an agent, with the caller's rights.  Blocking: NSS may ask a server.
//
// Threads: none.  Tests: tests/agent/passwd_test.cc, records_test.cc, tests/fuzz/fuzz_passwd.cc
#ifndef QV_AGENT_PASSWD_H_
#define QV_AGENT_PASSWD_H_

#include <sys/types.h>

#include <string>
#include <string_view>

#include "agent/home.h"
#include "agent/request.h"
#include "control/file_stamp.h"
#include "core/result.h"

namespace qv::agent {

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

// The value of an entry in the index: "uid NUL gid NUL home NUL", numbers in decimal; and back: the
// decoded entry has no name and its home points into `value`.  Fault::protocol where `value` was
// not made by encode_passwd().
void encode_passwd(const PasswdEntry& entry, std::string& value);
[[nodiscard]] Result<PasswdEntry> decode_passwd(std::string_view value);

// The text of the file at `path`, read again at once if it changes while it is read.  Errors: those
// of read_regular_file().
[[nodiscard]] Result<std::string> read_passwd(const char* path, control::SourceStamp& seen,
                                              control::WallClock clock = control::wall_clock_ns);

// Every user of the file at `path`.  found: the file of the finding is a cdb of them by login name,
// the first entry of a name first.  unchanged: request.have still holds, or the file is not
// believed yet (control/reloaded.h).  Fault: it cannot be read, is missing, or is too large
// (config), or is being written (retry).
[[nodiscard]] Finding index_passwd(const Request& request, const char* path,
                                   control::WallClock clock = control::wall_clock_ns);

// getpwnam_r(3).  Fault: NSS fails.
[[nodiscard]] Finding find_passwd_user(const Request& request);

}  // namespace qv::agent

#endif  // QV_AGENT_PASSWD_H_
