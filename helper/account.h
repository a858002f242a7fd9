// SPDX-License-Identifier: 0BSD
// helper/account.h - the account of an agent, by a name that the front may give.
//
// The front names an entry of the password file or a key of users/cdb, never a uid, gid or path.
// The agent itself finds these in root's files, before it reads anything else.  For a login name
// that the password file does not have, a process without rights asks the system's name services;
// its answer is accepted within bounds: an ordinary uid that the password file does not have.
//
// Threads: none.  Blocking: root's files; a name service.  Tests: tests/helper/agent_test.cc
#ifndef QV_HELPER_ACCOUNT_H_
#define QV_HELPER_ACCOUNT_H_

#include <string>
#include <string_view>

#include "core/result.h"
#include "process/identity.h"
#include "rcpt/lookups.h"

namespace qv::helper {

// The account's name in an order to the spawner: a login name, or a key of users/cdb.  And whether
// a text is such a name.
[[nodiscard]] std::string account_name(OwnerSource source, std::string_view name);
[[nodiscard]] bool is_account_name(std::string_view account);

// An agent must not have root's group and does not need it: 65534 in its place.
[[nodiscard]] gid_t group_for_looking(gid_t gid);

struct AccountFiles {
  std::string passwd = "/etc/passwd";
  std::string users_cdb;  // empty: there is none
  // The account of the process that asks the name services, where this one is root's.
  process::Identity resolver{65534, 65534};
};

struct ServedAccount {
  process::Identity identity;
  std::string home;
};

// uid and gid are never 0; the gid is group_for_looking()'s.  Fault::denied: there is no such
// account, or it must not be served; Fault::retry: undecided.
[[nodiscard]] Result<ServedAccount> find_served_account(std::string_view account,
                                                        const AccountFiles& files);

}  // namespace qv::helper

#endif  // QV_HELPER_ACCOUNT_H_
