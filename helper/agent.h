// SPDX-License-Identifier: 0BSD
// helper/agent.h - the process that looks into one account's home, or up the system's login names.
//
// An agent started for an account (helper/account.h) changes to it irrevocably and answers requests
// about its home.  One started without an account changes to the daemon's and answers requests
// about login names.  Where the daemon is not root's, agents keep its ids.
//
// Threads: none.  Blocking: file systems and name services; the pool kills an overdue agent.
// Tests: tests/helper/agent_test.cc
#ifndef QV_HELPER_AGENT_H_
#define QV_HELPER_AGENT_H_

#include <cstdint>

#include "helper/account.h"
#include "process/spawner.h"

namespace qv::helper {

struct AgentSettings {
  AccountFiles files;
  std::uint32_t max_processes = 16;  // living agents, dying ones included
};

// How the spawner starts agents.  The subject of an order is an account's name, or empty.
[[nodiscard]] process::SpawnerSettings agent_spawner(const AgentSettings& settings);

}  // namespace qv::helper

#endif  // QV_HELPER_AGENT_H_
