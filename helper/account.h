// SPDX-License-Identifier: 0BSD
// helper/account.h - which account an agent is, by a name that the front may give.
//
// The front names an entry of the password file or a key of users/cdb, never a uid, gid or path.
// What the account is stands in files of root's, and is looked up there by the process that becomes
// it, before it reads anything else.  A login name that the password file does not have is asked of
// the system's name services by a process without rights, and what that says is believed within
// bounds: an ordinary uid, none that the password file has.
//
// Threads: none.  Blocking: files of root's; a name service.  Tests: tests/helper/agent_test.cc
#ifndef QV_HELPER_ACCOUNT_H_
#define QV_HELPER_ACCOUNT_H_

#include <string>
#include <string_view>

#include "core/result.h"
#include "process/identity.h"
#include "rcpt/lookups.h"

namespace qv::helper {

// The name for an order to the spawner: of a login, or of what a key of users/cdb holds.  And
// whether text is one.
[[nodiscard]] std::string account_name(OwnerSource source, std::string_view name);
[[nodiscard]] bool is_account_name(std::string_view account);

// A look needs no group of root's, and must not have it: 65534 in its place.
[[nodiscard]] gid_t group_for_looking(gid_t gid);

struct AccountFiles {
  std::string passwd = "/etc/passwd";
  std::string users_cdb;  // empty: there is none
  // Whom the process becomes that asks the name services, where this one is root's.
  process::Identity resolver{65534, 65534};
};

struct ServedAccount {
  process::Identity identity;
  std::string home;
};

// uid and gid are never 0; the gid is group_for_looking()'s.  Fault::denied: there is no such
// account, or it may not be served; Fault::retry: that cannot be said now.
[[nodiscard]] Result<ServedAccount> find_served_account(std::string_view account,
                                                        const AccountFiles& files);

}  // namespace qv::helper

#endif  // QV_HELPER_ACCOUNT_H_
