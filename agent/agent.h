// SPDX-License-Identifier: 0BSD
// agent/agent.h - the process that looks into one account's home, or up the system's login names.
//
// An agent started for an account changes to it irrevocably and answers requests about its home.
// One started without an account changes to the daemon's and answers requests about login names.
// Where the daemon is not root's, agents keep its ids.
//
// The front names an entry of the password file or a key of users/cdb, never a uid, gid or path.
// The agent itself finds these in root's files, before it reads anything else.  For a login name
// that the password file does not have, a process without rights asks the system's name services;
// its answer is accepted within bounds: an ordinary uid that the password file does not have.
//
// Threads: none.  Blocking: root's files, file systems and name services; the pool kills an overdue
// agent.  Tests: tests/agent/agent_test.cc
#ifndef QV_AGENT_AGENT_H_
#define QV_AGENT_AGENT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "process/identity.h"
#include "process/spawner.h"
#include "rcpt/lookups.h"

namespace qv::agent {

// The account's name in an order to the spawner: a login name, or a key of users/cdb.  And whether
// a text is such a name.
[[nodiscard]] std::string account_name(rcpt::OwnerSource source, std::string_view name);
[[nodiscard]] bool is_account_name(std::string_view account);

// An agent must not have root's group and does not need it: 65534 in its place.
[[nodiscard]] gid_t group_for_looking(gid_t gid);

struct AgentSettings {
  std::string passwd = "/etc/passwd";
  std::string users_cdb;  // empty: there is none
  // The account of the process that asks the name services, where this one is root's.
  process::Identity resolver{65534, 65534};
  std::uint32_t max_processes = 16;  // living agents, dying ones included
};

// How the spawner starts agents.  The subject of an order is an account's name, or empty.
[[nodiscard]] process::SpawnerSettings agent_spawner(const AgentSettings& settings);

}  // namespace qv::agent

#endif  // QV_AGENT_AGENT_H_
