// SPDX-License-Identifier: 0BSD
// helper/agent.h - the process that looks: one account's home, or the login names of the system.
//
// An agent that was started for an account (helper/account.h) becomes it for good and answers looks
// into its home.  One that was started for no account becomes the one of the daemon and answers
// questions about login names.  Where the daemon is not root's, agents look as what they are.
//
// Threads: none.  Blocking: whatever the look blocks on; the pool kills what takes too long.
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

// How the spawner starts agents; the subject of an order is an account's name, or empty.
[[nodiscard]] process::SpawnerSettings agent_spawner(const AgentSettings& settings);

}  // namespace qv::helper

#endif  // QV_HELPER_AGENT_H_
