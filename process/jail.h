// SPDX-License-Identifier: 0BSD
// process/jail.h - giving up rights, irrevocably.
//
// process/identity.h changes the ids.  A process that is not root keeps its ids and still gives up
// core files and new privileges.
//
// Threads: none.  Blocking: find_account() asks NSS.  Tests: tests/process/jail_test.cc
#ifndef QV_PROCESS_JAIL_H_
#define QV_PROCESS_JAIL_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"
#include "process/identity.h"

namespace qv::process {

// The account that a daemon changes to.
using Account = Identity;

// The account of a login name, or of ":uid:gid" in decimal, which needs no entry anywhere.
// Fault::config where there is none and for uid 0 or gid 0, Fault::retry where NSS fails; `detail`
// says which, in one line.
[[nodiscard]] Result<Account> find_account(std::string_view name, std::string& detail);

// The account that a daemon started by root changes to, from the setting of that name; an Account
// that is not used where the process is not root's.  `detail` begins with the setting.
[[nodiscard]] Result<Account> account_to_become(std::string_view setting, std::string_view name,
                                                std::string& detail);

// setgroups, setresgid, setresuid, proof that none of them can be taken back, no-new-privs, no core
// files, RLIMIT_NOFILE.  `account` is not used where the process is not root's; `open_files` counts
// as far as the hard limit allows, 0: as it is.  Fault::config: the account is root's.  Exit after
// any error.
[[nodiscard]] Result<void> enter_jail(const Account& account, std::uint64_t open_files,
                                      std::string& detail);

}  // namespace qv::process

#endif  // QV_PROCESS_JAIL_H_
