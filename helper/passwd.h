// SPDX-License-Identifier: 0BSD
// helper/passwd.h - the password file as a table, and single users by the system's NSS.
//
// Called in an agent, with the caller's rights.  Blocking: NSS may ask a server.
//
// Threads: none.  Tests: tests/helper/passwd_test.cc
#ifndef QV_HELPER_PASSWD_H_
#define QV_HELPER_PASSWD_H_

#include <string>

#include "control/file_stamp.h"
#include "core/result.h"
#include "helper/home.h"
#include "helper/request.h"

namespace qv::helper {

// The text of the file at `path`, read again at once if it changes while it is read.  Errors: those
// of read_regular_file().
[[nodiscard]] Result<std::string> read_passwd(const char* path, SourceStamp& seen,
                                              WallClock clock = wall_clock_ns);

// Every user of the file at `path` (records.h).  found: they are in the file of the finding.
// unchanged: request.have still holds, or the file is not believed yet (control/reloaded.h). Fault:
// it cannot be read, is missing, or is too large (config), or is being written (retry).
[[nodiscard]] Finding index_passwd(const Request& request, const char* path,
                                   WallClock clock = wall_clock_ns);

// getpwnam_r(3).  Fault: NSS fails.
[[nodiscard]] Finding find_passwd_user(const Request& request);

}  // namespace qv::helper

#endif  // QV_HELPER_PASSWD_H_
